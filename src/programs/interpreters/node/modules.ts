import { posix } from "node:path";
import { type FileSpace, type FoundFile, readWhole } from "../../../filesystems/file-space.ts";
import { MiB } from "../../../support/bytes.ts";
import { requiresOf } from "./requires.ts";

export interface NodeScan {
  /** The scripts and what they load by relative paths, as absolute paths; the scripts come first. */
  readonly files: readonly string[];
  /** Folders node_modules that hold packages which these files name. */
  readonly packages: readonly string[];
  /** The packages that these files name, found or not. */
  readonly names: readonly string[];
  /** The package.json that says what kind of modules the files are ("type"), where there is one. */
  readonly manifest: string | undefined;
  /** Names of packages that are in no node_modules, and are none of Node.js itself. */
  readonly missing: readonly string[];
}

/** Follows `require` and `import` from scripts through the user's own files. What is put together at run time cannot be seen. */
export function scanScripts(scripts: readonly [string, ...string[]], space: FileSpace): NodeScan {
  const files: string[] = [...new Set(scripts)];
  const names = new Set<string>();
  const packages = new Set<string>();
  const missing = new Set<string>();
  for (let at = 0; at < files.length && at < MOST_FILES; at++) {
    const path = files[at] ?? "";
    const { relative, bare } = requiresOf(textOf(path, space));
    for (const name of relative) {
      const found = resolveFile(posix.resolve(posix.dirname(path), name), space);
      if (found !== undefined && !files.includes(found)) files.push(found);
    }
    for (const name of bare) {
      const packageName = packageOf(name);
      if (name.startsWith("#") || OWN_MODULES.has(packageName)) continue;
      names.add(packageName);
      const folder = modulesFolder(packageName, posix.dirname(path), space);
      if (folder === undefined) missing.add(packageName);
      else packages.add(folder);
    }
  }
  const manifest = manifestOf(scripts[0], space);
  return { files, packages: [...packages], names: [...names], manifest, missing: [...missing] };
}

/** "a" of "a/b/c", "@a/b" of "@a/b/c". */
export function packageOf(name: string): string {
  return name.split("/", name.startsWith("@") ? 2 : 1).join("/");
}

/** The deepest folder that all of these lie in. */
export function commonFolder(paths: readonly string[]): string {
  let common = posix.dirname(paths[0] ?? "/");
  for (const path of paths) {
    while (common !== "/" && !path.startsWith(`${common}/`)) common = posix.dirname(common);
  }
  return common;
}

/** As require() does: the file itself, with an extension, or the index of a folder. */
export function resolveFile(path: string, space: FileSpace): string | undefined {
  return ["", ".js", ".json", ".cjs", ".mjs", ".node", "/index.js", "/index.cjs", "/index.json"]
    .map((ending) => path + ending)
    .find((candidate) => space.find(candidate)?.type === "file");
}

/** The node_modules that a file in the folder `from` has a package from. */
export function modulesFolder(name: string, from: string, space: FileSpace): string | undefined {
  return foldersUp(from)
    .map((folder) => posix.join(folder, "node_modules"))
    .find((folder) => space.find(`${folder}/${name}`)?.type === "directory");
}

function manifestOf(script: string, space: FileSpace): string | undefined {
  return foldersUp(posix.dirname(script))
    .map((folder) => posix.join(folder, "package.json"))
    .find((path) => space.find(path)?.type === "file");
}

function foldersUp(from: string): string[] {
  const folders = [from];
  for (let folder = from; folder !== "/"; folder = posix.dirname(folder)) folders.push(posix.dirname(folder));
  return [...new Set(folders)];
}

function textOf(path: string, space: FileSpace): string {
  const found: FoundFile | undefined = space.find(path);
  if (found?.type !== "file" || found.size > LARGEST_SOURCE || /\.(json|node)$/.test(path)) return "";
  return readWhole(found).toString("utf8");
}

const MOST_FILES = 10_000;
const LARGEST_SOURCE = 16 * MiB;
/** The modules of Node.js that may be named without "node:". */
const OWN_MODULES = new Set(
  "assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns domain events fs http http2 https inspector module net os path perf_hooks process punycode querystring readline repl stream string_decoder sys timers tls trace_events tty url util v8 vm wasi worker_threads zlib".split(
    " ",
  ),
);
