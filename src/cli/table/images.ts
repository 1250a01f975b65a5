import type { CommandSpec } from "../spec.ts";
import { checkFlags, followFlag, fsFlag, imageArgument, loaderFlag, remoteFlags, sizeFlag } from "./flags.ts";

export const imagesCommands: readonly CommandSpec[] = [
  {
    name: "compose",
    summary: "Compose an image from a folder or a file, without packages",
    args: [
      { name: "name", text: "The name of the new image." },
      { name: "path", kind: "file", text: "A folder whose content becomes the root, or one file." },
    ],
    flags: [
      loaderFlag,
      sizeFlag,
      { long: "command_line", short: "c", also: ["command-line"], value: "COMMAND", text: "The boot command." },
      fsFlag,
      followFlag,
      ...checkFlags,
      ...remoteFlags,
    ],
    examples: [{ line: "capstan compose hello ./root -c /hello", text: "boots /hello of the folder `root`" }],
    load: () => import("../commands/compose.ts"),
  },
  {
    name: "images",
    also: ["i"],
    summary: "List the images of the store",
    args: [],
    flags: [],
    load: () => import("../commands/images.ts"),
  },
  {
    name: "import",
    summary: "Put an image or a loader file into the store",
    details: ["The file is a raw or qcow2 disk image that boots: it has a boot sector."],
    args: [
      { name: "name", text: "The name it gets in the store." },
      { name: "file", kind: "file", text: "The image file." },
    ],
    flags: [
      { long: "version", short: "v", value: "TEXT", text: "The version to note with it." },
      { long: "created", short: "c", value: "TIME", text: "The creation time to note with it." },
      { long: "description", short: "d", value: "TEXT", text: "The description to note with it." },
      { long: "build", short: "b", value: "COMMAND", text: "The build command to note with it." },
      {
        long: "kernel",
        value: "FILE",
        kind: "file",
        text: "The kernel ELF of the same build, for the direct boot of what is composed with it.",
      },
    ],
    examples: [
      {
        line: "capstan import osv-loader loader.img --kernel loader-stripped.elf",
        text: "the loader of an OSv that was built here",
      },
    ],
    load: () => import("../commands/import.ts"),
  },
  {
    name: "rmi",
    summary: "Remove an image from the store",
    args: [{ name: "name", kind: "image", many: true, text: "The image." }],
    flags: [],
    load: () => import("../commands/rmi.ts"),
  },
  {
    name: "image inspect",
    summary: "Tell what an image holds: format, loader, boot command, partitions, file system",
    args: [imageArgument],
    flags: [],
    load: () => import("../commands/image-inspect.ts"),
  },
  {
    name: "image ls",
    summary: "List a folder of an image",
    args: [imageArgument, { name: "path", optional: true, text: "A path inside it; / without one." }],
    flags: [{ long: "recursive", short: "R", text: "List everything below, too." }],
    load: () => import("../commands/image-ls.ts"),
  },
  {
    name: "image tree",
    summary: "Draw the folders and files of an image",
    args: [imageArgument, { name: "path", optional: true, text: "A path inside it; / without one." }],
    flags: [],
    load: () => import("../commands/image-tree.ts"),
  },
  {
    name: "image cat",
    summary: "Print a file of an image",
    args: [imageArgument, { name: "path", text: "The file inside it." }],
    flags: [],
    load: () => import("../commands/image-cat.ts"),
  },
  {
    name: "image cp",
    summary: "Copy a file or a folder out of an image",
    args: [
      imageArgument,
      { name: "path", text: "A file or folder inside it." },
      { name: "target", kind: "file", text: "Where to; an existing folder gets the copy inside." },
    ],
    flags: [{ long: "force", short: "f", text: "Overwrite files that are there." }],
    load: () => import("../commands/image-cp.ts"),
  },
];
