import type { CommandSpec, FlagSpec, GroupSpec } from "./spec.ts";
import { buildingCommands } from "./table/building.ts";
import { guestCommands } from "./table/guest.ts";
import { imagesCommands } from "./table/images.ts";
import { instancesCommands } from "./table/instances.ts";
import { packagesCommands } from "./table/packages.ts";
import { remotesCommands } from "./table/remotes.ts";
import { repositoriesCommands } from "./table/repositories.ts";
import { runningCommands } from "./table/running.ts";
import { servicesCommands } from "./table/services.ts";
import { toolCommands } from "./table/tool.ts";
import { volumesCommands } from "./table/volumes.ts";

export { remoteFlags } from "./table/flags.ts";

export const globalFlags: readonly FlagSpec[] = [
  { long: "json", text: "Print the answer as JSON." },
  { long: "quiet", short: "q", text: "Say nothing but the answer, warnings and errors." },
  { long: "verbose", short: "v", text: "Say what is done in detail." },
  { long: "help", short: "h", text: "Show the help of the command." },
];

export const groups: readonly GroupSpec[] = [
  { name: "package", summary: "Make, look at and compose packages" },
  { name: "runtime", summary: "Templates of meta/run.yaml" },
  { name: "image", summary: "Look into composed images without booting them" },
  { name: "remote", summary: "Where packages and images are fetched from" },
  { name: "repo", summary: "Host a repository of packages and images of one's own" },
  { name: "guest", summary: "Ask and control a running guest through its REST server" },
  { name: "volume", summary: "Disks of a project, on which instances keep data" },
  { name: "config", summary: "The tool's own settings" },
];

/** What the original has, and this version has not: people who come from there are told so. */
export const notYet = {
  commands: ["openstack", "stack"],
  /** Of every command: which remote repository, and what of it. */
  flags: [],
} as Readonly<Record<"commands" | "flags", readonly string[]>>;

export const commands: readonly CommandSpec[] = [
  ...runningCommands,
  ...buildingCommands,
  ...imagesCommands,
  ...packagesCommands,
  ...instancesCommands,
  ...volumesCommands,
  ...servicesCommands,
  ...guestCommands,
  ...remotesCommands,
  ...repositoriesCommands,
  ...toolCommands,
];
