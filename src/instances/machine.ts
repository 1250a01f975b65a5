import type { Boot, MachineDescription, MachineDisk, NetworkCard, SharedFolder } from "../hypervisors/machine.ts";
import type { InstanceConfig } from "./config.ts";

export interface MachineInput {
  readonly name: string;
  readonly config: Pick<InstanceConfig, "memory" | "cpus" | "volumes">;
  readonly cards: readonly NetworkCard[];
  readonly folders: readonly SharedFolder[];
  readonly acceleration: MachineDescription["acceleration"];
  readonly boot: Boot;
  readonly disk: MachineDisk;
  readonly monitor: string;
  readonly endsWithParent: boolean;
}

/** The machine that an instance is. */
export function machineOf({ config, disk, ...input }: MachineInput): MachineDescription {
  return { ...input, memory: config.memory, cpus: config.cpus, disks: [disk, ...config.volumes] };
}
