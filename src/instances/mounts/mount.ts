import { statSync } from "node:fs";
import { resolve } from "node:path";
import { CapstanError, ExitCode, isErrno, withNoun } from "../../support/errors.ts";

/** A folder of this machine that the guest sees. */
export interface Mount {
  /** Absolute. */
  readonly source: string;
  /** Where the guest sees it: absolute, without `..` and without a slash at its end. */
  readonly target: string;
  readonly readonly: boolean;
}

/**
 * A folder as users write it, `DIR:/guest[:ro]`; relative ones are taken from `cwd`. The folder may hold colons.
 * @throws CapstanError `bad-mount` (64), `no-such-folder` (66), or what the operating system refuses
 */
export function parseMount(text: string, cwd: string): Mount {
  const found = /^(.+?):(\/[^:]*)(?::(ro|rw))?$/.exec(text) ?? refuse(text, whyNot(text));
  const [, written = "", target = "", mode] = found;
  const source = resolve(cwd, written);
  checkFolder(text, source);
  return { source, target: checkTarget(text, target), readonly: mode === "ro" };
}

/** As parseMount reads it. */
export function formatMount({ source, target, readonly }: Mount): string {
  return `${source}:${target}${readonly ? ":ro" : ""}`;
}

/**
 * As formatMount wrote it, from a file: nothing is looked at, since the folder may be back by the time of a start.
 * @throws CapstanError `bad-mount` (64)
 */
export function readMount(text: string): Mount {
  const found = /^(\/.*):(\/[^:]*?)(:ro)?$/.exec(text) ?? refuse(text, whyNot(text));
  return { source: found[1] ?? "", target: checkTarget(text, found[2] ?? ""), readonly: found[3] !== undefined };
}

/** Two things in one place hide one another. @throws CapstanError `bad-mount` (64) */
export function checkMounts(mounts: readonly Mount[]): void {
  const seen = new Map<string, Mount>();
  for (const mount of mounts) {
    if (seen.has(mount.target)) refuse(formatMount(mount), `another folder is mounted on ${mount.target} already`);
    seen.set(mount.target, mount);
  }
}

/** The commas of `--mount-fs=TYPE,DEVICE,PATH` cannot be escaped, and loader options are split at blanks. */
const UNSPEAKABLE = /[\s,"'\\;&$\p{Cc}]/u;

function checkTarget(text: string, written: string): string {
  const target = written.replace(/\/+/g, "/").replace(/(?<=.)\/$/, "");
  if (target === "/") refuse(text, "the guest's root is its image");
  if (UNSPEAKABLE.test(target)) refuse(text, "the path in the guest holds a blank, a comma, a quote or the like");
  if (target.split("/").some((part) => part === "." || part === "..")) {
    refuse(text, "the path in the guest holds '.' or '..'");
  }
  return target;
}

function whyNot(text: string): string {
  if (!text.includes(":")) return "the place in the guest is missing";
  if (/:\/[^:]*:[^:]*$/.test(text)) return `'${text.split(":").at(-1)}' is neither ro nor rw`;
  return "the place in the guest has to begin with a slash";
}

function checkFolder(text: string, source: string): void {
  try {
    if (statSync(source).isDirectory()) return;
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw withNoun(error, `Looking at ${source}`);
    throw new CapstanError(`There is no folder ${source}`, {
      code: "no-such-folder",
      hint: "Check the path before the colon, or create the folder first.",
      exitCode: ExitCode.noInput,
    });
  }
  refuse(text, `${source} is not a folder`);
}

function refuse(text: string, why: string): never {
  throw new CapstanError(`'${text}' cannot be mounted: ${why}`, {
    code: "bad-mount",
    hint: "Write it as DIR:/guest, or DIR:/guest:ro.",
    exitCode: ExitCode.usage,
  });
}
