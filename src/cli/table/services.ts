import type { ArgumentSpec, CommandSpec, FlagSpec } from "../spec.ts";
import { checkFlags, followFlag, loaderFlag } from "./flags.ts";

export const servicesFileFlag: FlagSpec = {
  long: "file",
  short: "f",
  value: "FILE",
  kind: "file",
  text: "The services file; capstan.yaml or capstan.yml of this folder without it.",
};

export const projectNameFlag: FlagSpec = {
  long: "project-name",
  value: "NAME",
  text: "The project's name, instead of the file's `name` or its folder's.",
};

const services: ArgumentSpec = {
  name: "services",
  optional: true,
  many: true,
  text: "Services of the file, with what they depend on; all of them without names.",
};

export const servicesCommands: readonly CommandSpec[] = [
  {
    name: "up",
    summary: "Bring up the services of a file: several instances that find each other by their names",
    details: [
      "The file says in the words of the Compose specification which services there are: `image` (of the store) or `build` (a project's folder, or a program), `command`, `environment`, `env_file`, `ports`, `volumes`, `networks`, `depends_on` with conditions, `healthcheck`, `restart`, `mem_limit`, `cpus`, `scale`. See docs/services.md.",
      "What is missing is started, what has changed since is made anew, what runs as the file says is left alone. Without --detach, the consoles are shown, and Ctrl-C stops the services.",
    ],
    args: [services],
    flags: [
      servicesFileFlag,
      projectNameFlag,
      { long: "detach", short: "d", text: "Come back when all are started." },
      { long: "wait", text: "Come back when all that have a health check are healthy." },
      {
        long: "wait-timeout",
        value: "TIME",
        fallback: "2m",
        text: "How long a service may take to get healthy, such as 30s.",
      },
      {
        long: "exit-code-from",
        value: "SERVICE",
        text: "Stop all when this service has ended; the exit code is 1 when it failed.",
      },
      { long: "scale", value: "SERVICE=COUNT", many: true, text: "The number of instances of a service." },
      { long: "profile", value: "NAME", many: true, text: "Bring up the services of this profile too; `*` for all." },
      { long: "build", text: "Compose the images of projects anew, changed or not." },
      { long: "remove-orphans", text: "Remove instances of services that the file no longer has." },
      { long: "force-recreate", text: "Make all instances anew, changed or not." },
      loaderFlag,
      followFlag,
      ...checkFlags,
    ],
    examples: [
      { line: "capstan up", text: "brings up what capstan.yaml says, and shows the consoles" },
      { line: "capstan up -d --wait", text: "comes back when all is healthy" },
      { line: "capstan up -d --scale web=3", text: "runs three instances of web" },
    ],
    load: () => import("../commands/up.ts"),
  },
  {
    name: "down",
    summary: "Stop and delete the instances that `up` started for a file",
    details: ["Images stay, and so do volumes without --volumes. Other instances are never touched."],
    args: [],
    flags: [
      servicesFileFlag,
      projectNameFlag,
      { long: "keep", text: "Stop them, and keep them for the next `up`." },
      { long: "volumes", text: "Delete the volumes of the file too, with all that is on them." },
    ],
    load: () => import("../commands/down.ts"),
  },
];
