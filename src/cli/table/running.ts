import type { CommandSpec } from "../spec.ts";
import { bootFlag, checkFlags, envFlag, loaderFlag, programFlags } from "./flags.ts";

export const runningCommands: readonly CommandSpec[] = [
  {
    name: "run",
    summary: "Run a program, an image, or the project of this folder",
    details: [
      "A path names a program of this machine: an ELF file, a script, a .jar, or a folder with a package.json, a __main__.py or a project. It is put into an image with all that it loads and with its interpreter, and booted; nothing is written beside it. With --dry-run, what would go in is shown: why, from where, how big.",
      "Without an image, the project of this folder is composed (only if something changed) and run.",
      "The image itself is never written: a run has a disk of its own that lies over it, and that is removed when the guest ends, unless --persist keeps it. The boot command that was composed is kept; --execute or --boot replaces it, --env adds to it.",
      "The guest's console is this terminal. The first Ctrl-C asks the guest to power off, a second one ends it. When the guest's console says that the program failed, the exit code is 1.",
    ],
    args: [
      {
        name: "name",
        optional: true,
        kind: "image",
        text: "An image, which also names the instance; or the path of a program.",
      },
      { name: "args", optional: true, many: true, text: "Arguments of the program, behind `--`." },
    ],
    flags: [
      {
        long: "image",
        short: "i",
        value: "IMAGE",
        kind: "image",
        text: "The image, when the instance gets another name.",
      },
      { long: "hypervisor", short: "p", value: "NAME", fallback: "qemu", choices: ["qemu"], text: "What runs it." },
      { long: "memory", short: "m", value: "SIZE", fallback: "1G", text: "Memory, such as 512M or 2G." },
      { long: "cpus", short: "c", value: "COUNT", fallback: "2", text: "Number of processors." },
      {
        long: "network",
        short: "n",
        value: "MODE",
        fallback: "nat",
        choices: ["nat", "bridge", "tap", "vhost"],
        text: "How the guest reaches the network.",
      },
      { long: "bridge", short: "b", value: "DEVICE", text: "The bridge or tap device of the network mode." },
      {
        long: "forward",
        short: "f",
        value: "[IP:]HOST:GUEST[/udp]",
        many: true,
        text: "Forward a port of this machine to the guest; `-f 8080` is 8080:8080.",
      },
      { long: "mac", value: "ADDRESS", text: "The network card's address." },
      { long: "execute", short: "e", value: "COMMAND", text: "The boot command, instead of the composed one." },
      bootFlag,
      envFlag,
      { long: "persist", text: "Keep the instance and its disk: running the same name again goes on with them." },
      {
        long: "volume",
        value: "PATH[:KEY=VALUE…]",
        many: true,
        kind: "file",
        text: "A further disk; keys are format, aio, cache and readonly.",
      },
      {
        long: "accel",
        value: "KIND",
        fallback: "auto",
        choices: ["auto", "kvm", "hvf", "tcg"],
        text: "Hardware acceleration: tried out when `auto`, forced otherwise.",
      },
      {
        long: "kernel",
        value: "FILE",
        kind: "file",
        text: "Boot this kernel ELF directly; the default where the image's loader brought one.",
      },
      { long: "no-kernel", text: "Boot through the BIOS even where a kernel ELF is there." },
      { long: "name", value: "NAME", text: "The name of the instance." },
      { ...loaderFlag, text: "The kernel to compose a program or a project with." },
      ...programFlags,
      ...checkFlags,
      {
        long: "dry-run",
        text: "Print what would be composed, or the command that would start QEMU, and start nothing.",
      },
    ],
    examples: [
      { line: "capstan run ./server -f 8080 -- --port 8080", text: "a program of this machine, with its libraries" },
      { line: "capstan run app.py --dry-run", text: "what a Python script would take along" },
      { line: "capstan run", text: "compose and run the project of this folder" },
      { line: "capstan run hello -f 8080 -m 256M", text: "port 8080 of the guest is port 8080 here" },
      { line: "capstan run hello --execute '/hello --loud'", text: "another command, this time" },
    ],
    load: () => import("../commands/run.ts"),
  },
  {
    name: "check",
    summary: "Tell what will go wrong when a project, an image or a program boots",
    details: [
      "Without an argument, the project of this folder is checked. Nothing is booted or started: everything is read from the files. The same check runs whenever an image is composed.",
      "Each finding has a code, a severity and a path, says why in a sentence, and what to do in another. docs/reference/findings.md lists the codes.",
    ],
    args: [
      { name: "target", optional: true, kind: "file", text: "A project's folder, an image, or the path of a program." },
    ],
    flags: [
      { ...loaderFlag, text: "The kernel to check a program or a project against." },
      ...programFlags,
      {
        long: "strict",
        text: "Fail on warnings too; without it, only on errors: what keeps a program from starting.",
      },
    ],
    examples: [
      { line: "capstan check", text: "the project of this folder" },
      { line: "capstan check /usr/bin/redis-server --json", text: "a program of this machine, for scripts" },
    ],
    load: () => import("../commands/check.ts"),
  },
];
