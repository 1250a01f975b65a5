import type { CommandSpec } from "../spec.ts";
import { checkFlags, followFlag, fsFlag, remoteFlags, sizeFlag, unpackLimitFlag, zfsRootFlag } from "./flags.ts";

export const buildingCommands: readonly CommandSpec[] = [
  {
    name: "build",
    summary: "Build an image by the Capstanfile of this folder",
    details: [
      "A Capstanfile names a base image, and what is laid over it: `base`, `cmdline`, `build`, `files`, `rootfs`, `packages`, `rpm-base` and `include`; docs/capstanfile.md has them all. Nothing is booted: the files of the base and the new ones make a new image, with the base's loader, its options and its other partitions.",
      "The command of `build` is run first, by a shell, in the folder of the file; its output goes to stderr, and when it fails, so does this command.",
      "A base that the store lacks is fetched. The new image is called like the folder when no name is given.",
      "A folder may have both a Capstanfile and a meta/package.yaml: `build` and `run` go by the Capstanfile, the `package` commands by meta/.",
    ],
    args: [{ name: "name", optional: true, text: "The name of the new image; that of the folder without it." }],
    flags: [
      {
        long: "file",
        short: "f",
        value: "FILE",
        kind: "file",
        text: "The Capstanfile; its relative paths start in its folder.",
      },
      { long: "no-build", text: "Do not run the build command: take what is there." },
      {
        long: "fs",
        value: "TYPE",
        choices: ["rofs", "zfs"],
        text: `${fsFlag.text.split(".")[0]}; without it, that of the base, or \`rofs\` where the base has none.`,
      },
      zfsRootFlag,
      {
        long: "size",
        short: "s",
        value: "SIZE",
        text: `${sizeFlag.text.split(";")[0]}; without it, that of the base. ROFS takes what it needs and ignores it.`,
      },
      followFlag,
      ...checkFlags,
      unpackLimitFlag,
      ...remoteFlags,
      {
        long: "hypervisor",
        short: "p",
        value: "NAME",
        fallback: "qemu",
        choices: ["qemu"],
        text: "What the image is for.",
      },
      { long: "memory", short: "m", value: "SIZE", text: "Taken for the sake of old scripts: nothing is booted here." },
    ],
    examples: [
      { line: "capstan build", text: "an image called like this folder" },
      { line: "capstan build hello -f debug.capstanfile", text: "by another file" },
    ],
    load: () => import("../commands/build.ts"),
  },
  {
    name: "init",
    summary: "Look at a folder, and write the Capstanfile for what is in it",
    details: [
      "Known are Node.js projects, Rust and Go projects, jars and Maven projects, Python programs, ELF programs, and web pages. Nothing is built or started.",
      "Where the folder holds several of them, you are asked on a terminal; otherwise the first is taken, and the others are told.",
    ],
    args: [{ name: "path", optional: true, kind: "folder", text: "The folder; this one without it." }],
    flags: [
      {
        long: "kind",
        value: "KIND",
        choices: ["node", "rust", "go", "java", "python", "elf", "site"],
        text: "Take the folder for this.",
      },
      { long: "program", value: "PATH", kind: "file", text: "What is to run; the path starts in the folder." },
      { long: "base", value: "IMAGE", kind: "image", fallback: "osv-loader", text: "The base image to write." },
      { long: "package", text: "Write meta/package.yaml and meta/run.yaml instead, for `capstan package compose`." },
      { long: "force", short: "f", text: "Replace files that are there." },
    ],
    examples: [
      { line: "capstan init && capstan run", text: "whatever this folder is" },
      { line: "capstan init --program bin/server", text: "this program" },
    ],
    load: () => import("../commands/init.ts"),
  },
];
