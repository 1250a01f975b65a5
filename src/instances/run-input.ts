import type { Host } from "../hypervisors/host.ts";
import type { DiskAio, Forward, MachineDisk } from "../hypervisors/machine.ts";
import type { WantedAcceleration } from "../hypervisors/qemu/acceleration.ts";
import type { RunConsole } from "./console-bridge.ts";
import type { HealthCheck } from "./health.ts";
import type { Mount } from "./mounts/mount.ts";
import type { NetworkChoice } from "./network/choice.ts";
import type { RestartPolicy } from "./restart-policy.ts";
import type { InstanceState } from "./state.ts";

/** An image of the store, or an image file. */
export interface RunImage {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  /** The ELF of its kernel, where one lies beside it: it is then booted directly. */
  readonly kernel?: string | undefined;
}

export interface RunInput {
  /** $CAPSTAN_ROOT. */
  readonly root: string;
  /** The instance's name; that of the image without one. */
  readonly name?: string | undefined;
  /** Not needed for a persisted instance. */
  readonly image?: RunImage | undefined;
  /** A kernel ELF to boot directly, or `false` for the BIOS; without either, the image's kernel if it has one. */
  readonly kernel?: string | false | undefined;
  /** Makes the boot command of this run from the composed one, which is kept without it. */
  readonly commandLine?: ((composed: string) => string) | undefined;
  /** In bytes; 1 GiB. */
  readonly memory?: number | undefined;
  /** 2. */
  readonly cpus?: number | undefined;
  /** In the order of the guest's cards; nat. */
  readonly networks?: readonly NetworkChoice[] | undefined;
  readonly forwards?: readonly Forward[] | undefined;
  readonly volumes?: readonly MachineDisk[] | undefined;
  readonly mounts?: readonly Mount[] | undefined;
  readonly mac?: string | undefined;
  readonly persist?: boolean | undefined;
  /** Whether the name is just that one: without it, an image that is running gets NAME-2, NAME-3, …. */
  readonly exactName?: boolean | undefined;
  /** Whether nobody's terminal is its console. The instance is then kept unless `removeAtEnd`. */
  readonly detached?: boolean | undefined;
  readonly removeAtEnd?: boolean | undefined;
  readonly restart?: RestartPolicy | undefined;
  readonly timeoutMs?: number | undefined;
  readonly health?: HealthCheck | undefined;
  /** How much of the console is kept, in bytes. */
  readonly logBytes?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly acceleration?: WantedAcceleration | undefined;
  readonly disableKvm?: boolean | undefined;
  /** How QEMU reads and writes the instance's disk; threads. */
  readonly aio?: DiskAio | undefined;
  /** A kernel ELF that says a line when it starts: with it, KVM and HVF are tried before they are trusted. */
  readonly proofKernel?: string | undefined;
  readonly console: RunConsole;
  /** Called with the instance's folder as soon as it is ours. */
  readonly onFolder?: ((folder: string) => void) | undefined;
  /** Called once, when the guest is up and has said something, or has said nothing for some seconds. */
  readonly onReady?: ((name: string, state: InstanceState) => void) | undefined;
  /** Takes over Ctrl-C until the returned function is called. Without it, the context's signal counts as the first one. */
  readonly onInterrupt?: ((handler: () => void) => () => void) | undefined;
  /** Registers what has to be done if this process ends all of a sudden; returns what takes it back. Synchronous. */
  readonly onExit?: ((handler: () => void) => () => void) | undefined;
  /** This machine, unless a test has another one in mind. */
  readonly host?: Host | undefined;
}

/** What decides how an instance is started, without what only a running one needs. */
export type PlanInput = Omit<RunInput, "console" | "onInterrupt" | "onExit" | "onFolder" | "onReady">;
