import type { CommandSpec } from "../spec.ts";
import { allowChangedFlag, forceFlag, remoteFlags, unpackLimitFlag } from "./flags.ts";

export const remotesCommands: readonly CommandSpec[] = [
  {
    name: "search",
    summary: "List the images that the remotes have",
    args: [{ name: "text", optional: true, text: "Only those whose name contains it." }],
    flags: [...remoteFlags],
    load: () => import("../commands/search.ts"),
  },
  {
    name: "pull",
    summary: "Fetch an image, such as a loader with its kernel, into the store",
    args: [{ name: "image", text: "Its name, such as osv-loader." }],
    flags: [forceFlag, ...remoteFlags, allowChangedFlag, unpackLimitFlag],
    examples: [{ line: "capstan pull osv-loader", text: "the kernel of OSv's newest release" }],
    load: () => import("../commands/pull.ts"),
  },
  {
    name: "remote list",
    summary: "List the remotes, in the order in which they are asked",
    args: [],
    flags: [],
    load: () => import("../commands/remote-list.ts"),
  },
  {
    name: "remote add",
    summary: "Add a remote to config.yaml",
    args: [
      { name: "name", text: "What it is called." },
      {
        name: "address",
        kind: "folder",
        text: "OWNER/NAME of a repository on GitHub, the URL of an S3 bucket, or the URL or folder of a repository with an index.",
      },
    ],
    flags: [
      {
        long: "type",
        value: "TYPE",
        choices: ["github", "s3", "index"],
        text: "What it is; told from the address without it.",
      },
      {
        long: "key",
        value: "BASE64",
        many: true,
        text: "A public key: the index has to be signed by one of those given.",
      },
      { long: "api-url", value: "URL", text: "The API of a GitHub Enterprise server." },
      { long: "release-tag", short: "r", value: "TAG", text: "The release of a GitHub repository." },
    ],
    examples: [
      { line: "capstan remote add team https://packages.example.com/capstan/", text: "static hosting of one's own" },
    ],
    load: () => import("../commands/remote-add.ts"),
  },
  {
    name: "remote remove",
    summary: "Remove a remote from config.yaml",
    args: [{ name: "name", text: "The remote." }],
    flags: [],
    load: () => import("../commands/remote-remove.ts"),
  },
  {
    name: "remote test",
    summary: "Ask the remotes for what they have, and tell what they answer",
    args: [],
    flags: [...remoteFlags],
    load: () => import("../commands/remote-test.ts"),
  },
];
