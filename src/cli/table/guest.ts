import type { ArgumentSpec, CommandSpec, FlagSpec } from "../spec.ts";

const instance: ArgumentSpec = { name: "name", kind: "instance", text: "A running instance." };

const portFlag: FlagSpec = {
  long: "port",
  value: "PORT",
  fallback: "8000",
  text: "The port of the guest that its REST server listens on.",
};

const NEEDS =
  "The image must carry OSv's REST server (the package osv.httpserver-api) and start it. Its port needs no forwarding: with user networking one is added for the time of the command.";

export const guestCommands: readonly CommandSpec[] = [
  {
    name: "guest info",
    summary: "Show what a running guest says of itself: version, memory, addresses, file systems",
    details: [NEEDS],
    args: [instance],
    flags: [portFlag],
    load: () => import("../commands/guest-info.ts"),
  },
  {
    name: "guest env",
    summary: "List the environment variables of a running guest",
    details: [NEEDS],
    args: [instance],
    flags: [portFlag],
    load: () => import("../commands/guest-env.ts"),
  },
  {
    name: "guest ls",
    summary: "List a folder of a running guest",
    details: [NEEDS],
    args: [instance, { name: "path", optional: true, text: "A path in the guest; / without it." }],
    flags: [portFlag],
    load: () => import("../commands/guest-ls.ts"),
  },
  {
    name: "guest cp",
    summary: "Copy files out of a running guest, or a file into it",
    details: [
      NEEDS,
      "Folders are copied out of a guest with all that is in them; into a guest goes one file at a time, to a place that the guest can write, such as /tmp.",
    ],
    args: [
      { name: "source", text: "INSTANCE:/path, or a file of this machine." },
      { name: "target", text: "A path of this machine, or INSTANCE:/path." },
    ],
    flags: [portFlag],
    examples: [
      { line: "capstan guest cp web:/etc/hosts .", text: "copies a file of the guest here" },
      { line: "capstan guest cp app.conf web:/tmp/", text: "copies a file into the guest" },
    ],
    load: () => import("../commands/guest-cp.ts"),
  },
  {
    name: "guest top",
    summary: "Show the threads of a running guest by the processor time that they use",
    details: [NEEDS, "On a terminal the picture is renewed until Ctrl-C; elsewhere it is shown once."],
    args: [instance],
    flags: [
      portFlag,
      { long: "delay", short: "d", value: "SECONDS", fallback: "1", text: "The time between two looks." },
      { long: "once", text: "Show one picture and end." },
    ],
    load: () => import("../commands/guest-top.ts"),
  },
];
