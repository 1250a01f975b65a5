import type { DiskFormat } from "../disks/probe.ts";

/** A virtual machine as any hypervisor is told of it: no option of a particular one in it. */
export interface MachineDescription {
  readonly name: string;
  /** In bytes. */
  readonly memory: number;
  readonly cpus: number;
  readonly acceleration: Acceleration;
  readonly boot: Boot;
  /** In the order in which the guest sees them: `/dev/vblk0` first. */
  readonly disks: readonly MachineDisk[];
  /** Folders of this machine that virtiofsd serves; in the order in which the guest sees them. */
  readonly folders?: readonly SharedFolder[] | undefined;
  /** In the order in which the guest sees them: `eth0` first. */
  readonly cards: readonly NetworkCard[];
  /** Path of the unix socket on which the hypervisor answers to commands. */
  readonly monitor?: string | undefined;
  /** Whether it shall end when the process that started it is killed, where the hypervisor can do that. */
  readonly endsWithParent?: boolean | undefined;
}

export type Acceleration = "kvm" | "hvf" | "tcg";

export type Boot =
  /** Through the BIOS, from the first disk. */
  | { readonly kind: "disk" }
  /** The kernel ELF is loaded by the hypervisor, which hands it the command line. */
  | { readonly kind: "kernel"; readonly kernel: string; readonly commandLine: string };

export const diskFormats: readonly DiskFormat[] = ["raw", "qcow2", "vmdk", "vdi", "vpc"];
export const diskAios = ["threads", "native"] as const;
export const diskCaches = ["none", "writeback", "writethrough", "directsync", "unsafe"] as const;

export type DiskAio = (typeof diskAios)[number];
export type DiskCache = (typeof diskCaches)[number];

export interface MachineDisk {
  readonly path: string;
  readonly format: DiskFormat;
  readonly aio: DiskAio;
  readonly cache: DiskCache;
  readonly readonly: boolean;
}

export interface NetworkCard {
  readonly network: Network;
  /** Such as `52:54:00:12:34:56`; the hypervisor's usual one without it. */
  readonly mac?: string | undefined;
}

export type Network =
  /** The hypervisor's own address translation. All addresses are those of the guest's side. */
  | {
      readonly kind: "user";
      readonly forwards: readonly Forward[];
      readonly net: string;
      readonly host: string;
      /** Of the guest, which ports are forwarded to; without it, the one that the guest gets when it asks. */
      readonly guest?: string | undefined;
    }
  | { readonly kind: "bridge"; readonly bridge: string; readonly helper: string }
  | { readonly kind: "tap"; readonly ifname: string }
  /** A tap device whose packets the host's kernel moves; without a name, the host's own set-up script makes one. */
  | { readonly kind: "vhost"; readonly ifname?: string | undefined }
  /** A wire to whoever connects to this unix socket, on which the hypervisor listens: frames, each behind its length. */
  | { readonly kind: "wire"; readonly socket: string };

export interface SharedFolder {
  /** The unix socket on which a virtiofsd waits. */
  readonly socket: string;
  readonly tag: string;
}

/** A port of this machine that leads to one of the guest. */
export interface Forward {
  readonly protocol: "tcp" | "udp";
  /** The address of this machine that listens; every one when it is empty. */
  readonly address: string;
  /** 0: any that is free, to be asked for afterwards. */
  readonly hostPort: number;
  readonly guestPort: number;
}
