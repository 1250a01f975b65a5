import type { CommandSpec } from "../spec.ts";

export const volumesCommands: readonly CommandSpec[] = [
  {
    name: "volume create",
    summary: "Make a volume in the folder volumes of the project",
    details: [
      "A volume is a disk that outlives instances: capstan run --volume NAME gives it to one, as /dev/vblk1 in the guest. It is empty, or holds a file system with the content of a folder.",
      "OSv mounts a volume with a file system by an option before the command: --execute '--mount-fs=rofs,/dev/vblk1,/data /app'. The folder /data has to be there in the image, unless it lies in /tmp.",
    ],
    args: [{ name: "name", text: "The name of the new volume." }],
    flags: [
      {
        long: "size",
        short: "s",
        value: "SIZE",
        fallback: "1G",
        text: "Its size, such as 512M or 10G; with --fs rofs what the content takes, with --fs zfs 64M at least.",
      },
      {
        long: "format",
        short: "f",
        value: "FORMAT",
        fallback: "raw",
        choices: ["raw", "qcow2"],
        text: "The format of its file. Both take only the space that is written.",
      },
      {
        long: "fs",
        value: "TYPE",
        choices: ["rofs", "zfs"],
        text: "Put a file system on it: `rofs` is read-only, `zfs` is written by the guest.",
      },
      {
        long: "from",
        value: "DIR",
        kind: "folder",
        text: "The folder whose content the file system gets; a ZFS is empty without it.",
      },
      {
        long: "zfs-root",
        value: "DATASET",
        fallback: "both",
        choices: ["osv", "osv/zfs", "both"],
        text: "Where kernels find the content of a ZFS: those up to v0.57.0 in `osv/zfs`, newer ones in `osv`.",
      },
    ],
    examples: [
      { line: "capstan volume create data -s 10G", text: "an empty disk, volumes/data" },
      { line: "capstan volume create db --fs zfs -s 10G", text: "an empty file system that the guest writes" },
      { line: "capstan volume create models --fs rofs --from ./models", text: "the files of a folder, to be read" },
    ],
    load: () => import("../commands/volume-create.ts"),
  },
  {
    name: "volume list",
    summary: "List the volumes of the project, and who uses them",
    args: [],
    flags: [],
    load: () => import("../commands/volume-list.ts"),
  },
  {
    name: "volume inspect",
    summary: "Show what is known of a volume",
    args: [{ name: "name", text: "The volume." }],
    flags: [],
    load: () => import("../commands/volume-inspect.ts"),
  },
  {
    name: "volume delete",
    summary: "Delete volumes that no running instance has",
    args: [{ name: "name", many: true, text: "The volumes." }],
    flags: [],
    load: () => import("../commands/volume-delete.ts"),
  },
];
