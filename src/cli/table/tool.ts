import type { CommandSpec } from "../spec.ts";

export const toolCommands: readonly CommandSpec[] = [
  {
    name: "config print",
    summary: "Show the settings in force and where each comes from",
    args: [],
    flags: [],
    load: () => import("../commands/config-print.ts"),
  },
  {
    name: "completion",
    summary: "Print the completion script for a shell",
    args: [{ name: "shell", choices: ["bash", "zsh", "fish"], text: "The shell." }],
    flags: [],
    examples: [{ line: "source <(capstan completion bash)", text: "completes in this shell" }],
    load: () => import("../commands/completion.ts"),
  },
  {
    name: "help",
    summary: "Show the help of a command",
    args: [{ name: "command", optional: true, many: true, text: "The command." }],
    flags: [],
    load: () => import("../commands/completion.ts"),
  },
  {
    name: "__names",
    hidden: true,
    summary: "Names for the shell's completion",
    args: [{ name: "kind", choices: ["image", "package", "instance", "runtime"], text: "What to list." }],
    flags: [],
    load: () => import("../commands/names.ts"),
  },
];
