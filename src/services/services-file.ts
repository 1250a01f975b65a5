import type { Forward } from "../hypervisors/machine.ts";
import type { HealthCheck } from "../instances/health.ts";

/** A file that describes several instances, in the words of the Compose specification where they mean the same. */
export interface ServicesFile {
  /** Absolute. */
  readonly path: string;
  /** The folder of the file: relative paths start there. */
  readonly folder: string;
  /** Of the project: begins the names of its instances. */
  readonly name: string;
  /** In the order of the file. */
  readonly services: ReadonlyMap<string, Service>;
  readonly networks: ReadonlyMap<string, NetworkDeclaration>;
  readonly volumes: ReadonlyMap<string, VolumeDeclaration>;
}

export interface Service {
  readonly name: string;
  /** Where its image is named, such as `capstan.yaml:3:5`, for messages. */
  readonly where: string;
  readonly source: ServiceSource;
  /** The whole boot command; that of the image without it. */
  readonly command: string | undefined;
  /** The same word by word: the arguments of a program that is built. */
  readonly words: readonly string[] | undefined;
  readonly environment: ReadonlyMap<string, string>;
  readonly ports: readonly PortMapping[];
  readonly disks: readonly DiskUse[];
  readonly mounts: readonly FolderMount[];
  readonly dependsOn: readonly Dependency[];
  /** With some, it is brought up only when one of them, or the service itself, is asked for. */
  readonly profiles: readonly string[];
  /** As `--restart` has it. */
  readonly restart: string;
  readonly healthcheck: ServiceHealth | undefined;
  /** As `--memory` and `--cpus` have them. */
  readonly memory: string | undefined;
  readonly cpus: string | undefined;
  readonly networks: readonly NetworkUse[];
  readonly replicas: number;
  /** What it gets to power off in. */
  readonly stopGraceMs: number;
  /** The instance's name, instead of PROJECT-SERVICE-1. */
  readonly instanceName: string | undefined;
  readonly mac: string | undefined;
}

/** Paths are absolute. A build is of a project's folder or of a program, to which alone the further settings apply. */
export type ServiceSource =
  | { readonly kind: "image"; readonly image: string }
  | {
      readonly kind: "build";
      readonly path: string;
      readonly with: readonly string[];
      readonly launch: string | undefined;
      readonly interpreter: string | undefined;
    };

/** A port of the guest, and the ports of this machine of which one leads to it: 0 for any that is free. */
export interface PortMapping {
  readonly protocol: Forward["protocol"];
  readonly address: string;
  readonly guestPort: number;
  readonly hostPorts: readonly number[];
}

/** A volume as a further disk. */
export interface DiskUse {
  readonly volume: string;
  /** Where its file system is mounted; without it the guest only sees the disk. */
  readonly target: string | undefined;
  readonly readonly: boolean;
}

export interface FolderMount {
  /** Absolute. */
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
}

export const CONDITIONS = ["service_started", "service_healthy", "service_completed_successfully"] as const;

export interface Dependency {
  readonly service: string;
  readonly condition: (typeof CONDITIONS)[number];
}

export type ServiceHealth = HealthCheck;

export interface NetworkUse {
  readonly network: string;
  /** Further names under which the others find it. */
  readonly aliases: readonly string[];
  readonly address: string | undefined;
}

export interface NetworkDeclaration {
  readonly name: string;
  /** Not ours to remove. */
  readonly external: boolean;
}

export interface VolumeDeclaration {
  readonly name: string;
  readonly external: boolean;
  /** As `volume create` has them. */
  readonly size: string | undefined;
  readonly format: string;
  /** The file system that it is made with; a bare disk without one. */
  readonly fs: string | undefined;
  /** The folder whose files it begins with; absolute. */
  readonly from: string | undefined;
}
