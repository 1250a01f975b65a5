import { existsSync } from "node:fs";
import { join } from "node:path";
import type { MachineDisk } from "../hypervisors/machine.ts";
import { parseVolume } from "../instances/volume.ts";
import { createVolume, newVolumeFormats } from "../instances/volumes/create.ts";
import { deleteVolume } from "../instances/volumes/delete.ts";
import { findVolume } from "../instances/volumes/list.ts";
import { volumesFolder } from "../instances/volumes/names.ts";
import type { DiskUse, Service, ServicesFile, VolumeDeclaration } from "../services/services-file.ts";
import { CapstanError } from "../support/errors.ts";
import { parseSize } from "../support/sizes.ts";
import type { CommandContext } from "./answer.ts";
import { startSettings } from "./start-settings.ts";
import { volumeFileSystems } from "./volumes.ts";

/** The disks of a service. Volumes lie in the folder `volumes` beside the file, and are made when they are missing. */
export async function disksOf(file: ServicesFile, service: Service, context: CommandContext): Promise<MachineDisk[]> {
  const disks: MachineDisk[] = [];
  for (const use of service.disks) {
    const declared = file.volumes.get(use.volume);
    const path = join(volumesFolder(file.folder), declared?.name ?? use.volume);
    if (!existsSync(path) && declared !== undefined && !declared.external) await make(file, declared, context);
    disks.push(parseVolume(use.readonly ? `${path}:readonly` : path, file.folder));
  }
  return disks;
}

async function make(file: ServicesFile, declared: VolumeDeclaration, context: CommandContext): Promise<void> {
  const { name, size, fs, from } = declared;
  const format = newVolumeFormats.find((known) => known === declared.format) ?? "raw";
  const filler = fs === undefined ? undefined : volumeFileSystems[fs];
  await createVolume(
    {
      ...{ project: file.folder, name, format },
      size: size === undefined ? undefined : parseSize(size, { flag: `the size of the volume ${name}` }),
      filler: await filler?.prepare({ folder: from, zfsRoot: undefined }, context),
    },
    context,
  );
}

/** The boot options that mount a service's volumes. The disks of volumes follow that of the image, in their order. */
export function mountOptions(file: ServicesFile, service: Service, root: string): string[] {
  return service.disks.flatMap((use, index) => mountOption(use, { index, file, root }));
}

function mountOption(
  { volume, target }: DiskUse,
  { index, file, root }: { readonly index: number; readonly file: ServicesFile; readonly root: string },
): string[] {
  if (target === undefined) return [];
  const { content } = findVolume(file.folder, file.volumes.get(volume)?.name ?? volume, root);
  if (content === "rofs" || content === "ext" || content === "zfs") {
    return [`--mount-fs=${content},/dev/vblk${index + 1},${target}`];
  }
  throw new CapstanError(`The volume ${volume} cannot be mounted at ${target}: no file system of it is known to be`, {
    code: "bad-volume",
    hint: `Give it one when it is made, with 'driver_opts: { fs: zfs }'; or leave ':${target}' out, and the guest gets the bare disk.`,
  });
}

/** Deletes the volumes of the file that are there and not external; returns their names. */
export function deleteVolumes(file: ServicesFile, context: CommandContext): readonly string[] {
  const { root } = startSettings(context);
  const ours = [...file.volumes.values()].filter(
    ({ external, name }) => !external && existsSync(join(volumesFolder(file.folder), name)),
  );
  return ours.map(({ name }) => {
    deleteVolume(file.folder, name, root);
    context.reporter.report({ kind: "step", text: `Deleted the volume ${name}` });
    return name;
  });
}
