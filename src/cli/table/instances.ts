import type { CommandSpec } from "../spec.ts";

export const instancesCommands: readonly CommandSpec[] = [
  {
    name: "instances",
    also: ["I"],
    summary: "List the instances",
    args: [],
    flags: [],
    load: () => import("../commands/instances.ts"),
  },
  {
    name: "stop",
    summary: "Stop a running instance: ask it to power off, wait, then end it",
    args: [{ name: "name", kind: "instance", text: "The instance." }],
    flags: [
      {
        long: "time",
        short: "t",
        value: "SECONDS",
        fallback: "10",
        text: "How long to wait for the guest to power off.",
      },
    ],
    load: () => import("../commands/stop.ts"),
  },
  {
    name: "delete",
    summary: "Delete a stopped instance and its disk",
    args: [{ name: "name", kind: "instance", text: "The instance." }],
    flags: [],
    load: () => import("../commands/delete.ts"),
  },
];
