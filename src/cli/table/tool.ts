import type { CommandSpec } from "../spec.ts";

export const toolCommands: readonly CommandSpec[] = [
  {
    name: "doctor",
    summary: "Check this machine and the store, and tell how to mend what is wrong",
    details: [
      "Each line is ok, a warning (something is slower, or a feature is missing) or a failure (guests do not run, or the store is damaged), with what to do about it. The exit code is 69 when there is a failure, and 0 otherwise.",
      "With CAPSTAN_OFFLINE set, the remotes are not asked.",
    ],
    args: [],
    flags: [],
    examples: [{ line: "capstan doctor --json", text: "for a script, or a report" }],
    load: () => import("../commands/doctor.ts"),
  },
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
