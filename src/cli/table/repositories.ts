import type { CommandSpec } from "../spec.ts";
import { remoteFlags } from "./flags.ts";

export const repositoriesCommands: readonly CommandSpec[] = [
  {
    name: "repo init",
    summary: "Make a folder a repository, which any web server or bucket can host",
    args: [{ name: "dir", kind: "folder", text: "The folder." }],
    flags: [],
    load: () => import("../commands/repo-init.ts"),
  },
  {
    name: "repo add",
    summary: "Put packages and images into a repository, and into its index",
    args: [
      { name: "dir", kind: "folder", text: "The repository." },
      { name: "file", many: true, kind: "file", text: ".mpm files, or the file of an image." },
    ],
    flags: [
      { long: "name", short: "n", value: "NAME", text: "The name of the image; that of its file without it." },
      { long: "kernel", value: "FILE", kind: "file", text: "The kernel ELF that goes with the image." },
      { long: "replace", text: "Take another content under a name and version that is there." },
    ],
    examples: [{ line: "capstan repo add ./site hello.mpm", text: "for all who have that repository as a remote" }],
    load: () => import("../commands/repo-add.ts"),
  },
  {
    name: "repo index",
    summary: "Write the index of a repository anew, from the files that are there",
    details: [
      "A folder in the layout of the original (packages/, mike/osv-loader/) becomes a repository by this alone.",
    ],
    args: [{ name: "dir", kind: "folder", text: "The repository." }],
    flags: [
      {
        long: "html",
        text: "Also write web pages for people: what there is, with requirements, files and how to use it.",
      },
      { long: "title", value: "TEXT", text: "The title of these pages." },
    ],
    load: () => import("../commands/repo-index.ts"),
  },
  {
    name: "repo sign",
    summary: "Sign the index of a repository, and print the public key",
    args: [{ name: "dir", kind: "folder", text: "The repository." }],
    flags: [
      {
        long: "key",
        value: "FILE",
        kind: "file",
        text: "The file of the secret key (Ed25519, PEM), outside the repository.",
      },
      { long: "new-key", value: "FILE", kind: "file", text: "Make a key into this file, and sign with it." },
    ],
    load: () => import("../commands/repo-sign.ts"),
  },
  {
    name: "repo check",
    summary: "Tell what is wrong with a repository: missing halves, digests, requirements that nothing meets",
    args: [{ name: "dir", kind: "folder", text: "The repository." }],
    flags: [{ long: "public-key", value: "KEY", many: true, text: "A key that has to have signed the index." }],
    load: () => import("../commands/repo-check.ts"),
  },
  {
    name: "repo mirror",
    summary: "Copy what a remote has into a repository; what is there already is not fetched again",
    args: [
      { name: "remote", text: "A remote by its name, or the URL or folder of a repository with an index." },
      { name: "dir", kind: "folder", text: "The repository." },
    ],
    flags: [
      {
        long: "filter",
        value: "TEXT",
        many: true,
        text: "Only names that contain it, or match it where it has a `*`.",
      },
      {
        long: "arch",
        value: "ARCH",
        many: true,
        choices: ["x86_64", "aarch64"],
        text: "The architecture; that of this machine without it.",
      },
      { long: "replace", text: "Take what has changed under the same name and version." },
      ...remoteFlags.filter(({ long }) => long === "release-tag"),
    ],
    load: () => import("../commands/repo-mirror.ts"),
  },
  {
    name: "repo publish",
    summary: "Upload a repository to an S3 bucket or another folder, the index last",
    details: [
      "For s3://BUCKET/PREFIX, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL are read from the environment.",
    ],
    args: [
      { name: "dir", kind: "folder", text: "The repository." },
      { name: "target", kind: "folder", text: "s3://BUCKET/PREFIX, or a folder." },
    ],
    flags: [],
    load: () => import("../commands/repo-publish.ts"),
  },
  {
    name: "repo serve",
    summary: "Serve a repository by HTTP until Ctrl-C: index, S3 listing and GitHub releases in one",
    args: [{ name: "dir", kind: "folder", text: "The repository." }],
    flags: [
      { long: "port", value: "PORT", fallback: "8080", text: "The port; 0 takes a free one." },
      {
        long: "host",
        value: "ADDRESS",
        fallback: "127.0.0.1",
        text: "The address to listen at; 0.0.0.0 for all that can reach this machine.",
      },
    ],
    load: () => import("../commands/repo-serve.ts"),
  },
];
