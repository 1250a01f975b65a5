import type { ArgumentSpec, CommandSpec, FlagSpec } from "../spec.ts";
import { waitFlags } from "./flags.ts";
import { projectNameFlag } from "./services.ts";

const instancesArgument: ArgumentSpec = { name: "name", many: true, kind: "instance", text: "The instances." };

const graceFlag: FlagSpec = {
  long: "time",
  short: "t",
  value: "SECONDS",
  fallback: "10",
  text: "How long to wait for the guest to power off.",
};

export const instancesCommands: readonly CommandSpec[] = [
  {
    name: "instances",
    also: ["ps", "I"],
    summary: "List the instances",
    details: [
      "What an instance does is asked of its processes and of QEMU. A status is one of created, running, paused, restarting (waiting for its next start), stopped, failed and broken (it cannot be started); why one is failed or broken is told in the last column.",
    ],
    args: [],
    flags: [
      {
        long: "file",
        short: "f",
        value: "FILE",
        kind: "file",
        text: "List the instances that `up` started for this services file alone.",
      },
      projectNameFlag,
      { long: "running", text: "Leave out those that are stopped, failed or broken." },
      { long: "watch", short: "w", text: "Show it again every second, until Ctrl-C." },
    ],
    load: () => import("../commands/instances.ts"),
  },
  {
    name: "inspect",
    summary: "Tell all that is known about an instance, as JSON",
    details: [
      "Its settings, QEMU's exact arguments, its processes and sockets, where its files are, and when it was asked for, when QEMU was up, when the console's first byte and the program's first line came.",
    ],
    args: [{ name: "name", kind: "instance", text: "The instance." }],
    flags: [],
    load: () => import("../commands/inspect.ts"),
  },
  {
    name: "start",
    summary: "Start a kept instance again in the background, with its own disk",
    args: [instancesArgument],
    flags: waitFlags,
    load: () => import("../commands/start.ts"),
  },
  {
    name: "stop",
    summary: "Stop a running instance: ask it to power off, wait, then end it",
    args: [instancesArgument],
    flags: [graceFlag],
    load: () => import("../commands/stop.ts"),
  },
  {
    name: "restart",
    summary: "Stop an instance and start it again in the background",
    args: [instancesArgument],
    flags: [graceFlag, ...waitFlags],
    load: () => import("../commands/restart.ts"),
  },
  {
    name: "kill",
    summary: "End a running instance at once, as if its power were cut",
    args: [instancesArgument],
    flags: [],
    load: () => import("../commands/kill.ts"),
  },
  {
    name: "pause",
    summary: "Let a running instance stand still",
    args: [instancesArgument],
    flags: [],
    load: () => import("../commands/pause.ts"),
  },
  {
    name: "resume",
    also: ["unpause"],
    summary: "Let a paused instance go on",
    args: [instancesArgument],
    flags: [],
    load: () => import("../commands/resume.ts"),
  },
  {
    name: "wait",
    summary: "Wait until an instance has ended, and print the exit status of its program",
    details: [
      "The status is the one that the guest's console told; without one it is 0 for a guest that ended well and 1 for one that failed. When the guest failed, the exit code is 1, as it is of `run`. Restarts are waited for too.",
    ],
    args: [instancesArgument],
    flags: [],
    load: () => import("../commands/wait.ts"),
  },
  {
    name: "delete",
    summary: "Delete a stopped instance and its disk",
    args: [instancesArgument],
    flags: [{ long: "force", short: "f", text: "Delete one that runs too: its guest is ended at once." }],
    load: () => import("../commands/delete.ts"),
  },
  {
    name: "prune",
    summary: "Remove what killed instances have left behind",
    details: ["An instance that runs is never touched, and one that is kept stays, unless --stopped."],
    args: [],
    flags: [
      { long: "stopped", text: "Delete all instances that are stopped, failed or broken too, with their disks." },
    ],
    load: () => import("../commands/prune.ts"),
  },
  {
    name: "logs",
    summary: "Show what an instance has said on its console",
    details: [
      "The whole console since the first byte, whether the instance runs or not; --log-size of run limits how much is kept. A restarted instance goes on with the log of the start before.",
    ],
    args: [
      {
        name: "name",
        optional: true,
        kind: "instance",
        text: "The instance, a service of this folder's services file, or such a file (*.yaml); all services of this folder's without it.",
      },
    ],
    flags: [
      {
        long: "file",
        value: "FILE",
        kind: "file",
        text: "Show the instances that `up` started for this services file, or one service of it.",
      },
      projectNameFlag,
      { long: "follow", short: "f", text: "Go on with what is said from now on, until the instance ends." },
      {
        long: "since",
        value: "TIME",
        text: "Only what was said since: how long ago (10m), a date (2026-01-31T12:00:00Z), or seconds since 1970.",
      },
      { long: "tail", short: "n", value: "LINES", fallback: "all", text: "Only so many of the last lines." },
      { long: "timestamps", short: "t", text: "Begin each line with its time." },
    ],
    examples: [{ line: "capstan logs -f --since 5m web", text: "The last five minutes, and what follows" }],
    load: () => import("../commands/logs.ts"),
  },
  {
    name: "attach",
    summary: "Join the console of a running instance",
    details: [
      "What the guest says is shown, and what is typed goes to the guest; any number of terminals can be attached. Ctrl-C goes to the guest too: the keys of --detach-keys leave, and the instance goes on running.",
    ],
    args: [{ name: "name", kind: "instance", text: "The instance." }],
    flags: [
      {
        long: "detach-keys",
        value: "KEYS",
        fallback: "ctrl-p,ctrl-q",
        text: "What leaves the console: characters and ctrl-X, with commas between.",
      },
      { long: "no-input", also: ["no-stdin"], text: "Show what is said only; Ctrl-C leaves." },
      {
        long: "tail",
        short: "n",
        value: "LINES",
        fallback: "10",
        text: "How many of the last lines to show at first.",
      },
    ],
    load: () => import("../commands/attach.ts"),
  },
];
