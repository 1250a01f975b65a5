import { isAbsolute, posix, resolve } from "node:path";
import { isElf } from "../elf/reader.ts";
import { type FileSpace, type FoundFile, withOpenFile } from "../filesystems/file-space.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { didYouMean } from "../support/suggest.ts";
import type { Part } from "./application.ts";
import { isMountedOver } from "./system-space.ts";

/** Something of `--with`: what a program opens at run time, and nothing in its file tells of. */
export interface Extra {
  /** In the space. */
  readonly source: string;
  /** In the image. */
  readonly target: string;
  readonly kind: "file" | "folder";
}

export interface ExtraOptions {
  readonly space: FileSpace;
  /** What relative paths are relative to. */
  readonly cwd: string;
  /** Directories in which a bare library name is looked for. */
  readonly libraryDirectories: readonly string[];
}

/**
 * Reads the values of `--with`: `certificates`, `locale` and other names of the table, a path with an optional `:TARGET`,
 * or the name of a library (`libnss_dns.so.2`). Paths of the system keep their place; others lie in the image as they are
 * written, seen from its root. Errors: CapstanError `no-such-file`; `bad-target` for places that nothing can be put at, and
 * for two things at one place.
 */
export function parseExtras(values: readonly string[], options: ExtraOptions): readonly Extra[] {
  const taken = new Map<string, { readonly value: string; readonly source: string }>();
  return values.flatMap((value) =>
    (named(value, options) ?? [library(value, options) ?? path(value, options)]).filter(({ source, target }) => {
      const before = taken.get(target);
      if (before === undefined) taken.set(target, { value, source });
      else if (before.source !== source) throw atOnePlace(target, before.value, value);
      return before === undefined;
    }),
  );
}

/** Groups of files that many programs open, and where systems have them. */
export const EXTRA_NAMES: Readonly<Record<string, readonly string[]>> = {
  /** Debian and Alpine; Fedora; where OpenSSL looks for them. */
  certificates: ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"],
  locale: ["/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8"],
  "time-zones": ["/usr/share/zoneinfo"],
  users: ["/etc/passwd", "/etc/group"],
  services: ["/etc/services", "/etc/protocols"],
};

/** Of those that name one thing at several places, the first that is there; "users" and "services" are several things. */
const WHOLE_GROUPS: readonly string[] = ["users", "services"];

export function partOfExtra({ source, target, kind }: Extra): Part {
  return { kind, source, sourceSpace: "system", target, role: "with", neededBy: "--with" };
}

/**
 * Paths of the ELF files that a path of the space is or has below it, in the order of their names; at most `limit`. In folders
 * those that are named as libraries or Node.js addons, or may be executed. Links are not followed: a folder goes in as it is.
 */
export function elfFilesAt(source: string, space: FileSpace, limit: number): readonly string[] {
  const top = space.find(source);
  if (top?.type === "file") return isReadableElf(top) ? [source] : [];
  const files: string[] = [];
  const pending = [source];
  for (let folder = pending.pop(); folder !== undefined && files.length < limit; folder = pending.pop()) {
    const below: string[] = [];
    for (const name of space.list(folder) ?? []) {
      const path = posix.join(folder, name);
      const found = space.readLink(path) === undefined ? space.find(path) : undefined;
      if (found?.type === "directory") below.push(path);
      else if (found?.type === "file" && mayBeLoaded(name, found) && isReadableElf(found)) files.push(path);
    }
    pending.push(...below.reverse());
  }
  return files.slice(0, limit);
}

function named(value: string, options: ExtraOptions): readonly Extra[] | undefined {
  const paths = EXTRA_NAMES[value];
  if (paths === undefined) return undefined;
  const there = paths.flatMap((path) => {
    const found = options.space.find(path);
    return found === undefined ? [] : [extra(path, path, found)];
  });
  const chosen = WHOLE_GROUPS.includes(value) ? there : there.slice(0, 1);
  if (chosen.length > 0) return chosen;
  throw notThere(`--with ${value}: none of ${paths.join(", ")} is there`, "Install them, or give a path.");
}

function library(value: string, { space, libraryDirectories }: ExtraOptions): Extra | undefined {
  if (value.includes("/") || !/\.so(\.|$)/.test(value)) return undefined;
  for (const directory of libraryDirectories) {
    const path = posix.join(directory, value);
    const found = space.find(path);
    if (found?.type === "file") return extra(path, `/usr/lib/${value}`, found);
  }
  throw notThere(
    `--with ${value}: there is no such library in ${libraryDirectories.join(", ")}`,
    "Install it, or give its path.",
  );
}

function path(value: string, { space, cwd }: ExtraOptions): Extra {
  const [source = "", target] = split(value, (path) => space.find(resolve(cwd, path)) !== undefined);
  const absolute = resolve(cwd, source);
  const found = space.find(absolute);
  if (found === undefined) {
    const hint = `Check the path, or name one of ${Object.keys(EXTRA_NAMES).join(", ")}.${didYouMean(value, Object.keys(EXTRA_NAMES))}`;
    throw notThere(`--with ${value}: ${absolute} is not there`, hint);
  }
  const given = extra(absolute, placeOf(source, target, found), found);
  if (isMountedOver(given.target)) throw mountedOver(value, source, given.target);
  return given;
}

/** A file with a place that ends in a slash goes into that folder, under its own name. */
function placeOf(source: string, target: string | undefined, { type }: FoundFile): string {
  if (target === undefined) return isAbsolute(source) ? posix.resolve(source) : posix.resolve("/", source);
  return target.endsWith("/") && type === "file"
    ? posix.resolve("/", target, posix.basename(source))
    : posix.resolve("/", target);
}

/** At the last colon, unless the whole is a path. */
function split(value: string, isThere: (path: string) => boolean): readonly [string, string?] {
  const colon = value.lastIndexOf(":");
  if (colon <= 0 || colon === value.length - 1 || isThere(value)) return [value];
  return [value.slice(0, colon), value.slice(colon + 1)];
}

function extra(source: string, target: string, found: FoundFile): Extra {
  const isFile = found.type === "file";
  if (!isFile && found.type !== "directory") {
    throw notThere(`--with ${source}: it is neither a file nor a folder`, "Give a file or a folder.");
  }
  return { source, target, kind: isFile ? "file" : "folder" };
}

function mayBeLoaded(name: string, { mode }: FoundFile): boolean {
  return (mode & 0o111) !== 0 || /\.so|\.node$/.test(name);
}

/** What may not be read is told when it is put into the image. */
function isReadableElf(file: FoundFile): boolean {
  try {
    return withOpenFile(file, isElf);
  } catch (error) {
    if (error instanceof CapstanError) return false;
    throw error;
  }
}

function mountedOver(value: string, source: string, target: string): CapstanError {
  const folder = `/${target.split("/")[1]}`;
  return new CapstanError(`--with ${value}: in the guest, ${folder} is mounted anew, and ${target} is not seen`, {
    code: "bad-target",
    exitCode: ExitCode.usage,
    hint: `Give it a place elsewhere in the image: --with ${source}:/data/${posix.basename(target)}`,
  });
}

function atOnePlace(target: string, first: string, second: string): CapstanError {
  return new CapstanError(`--with ${first} and --with ${second} are both for ${target}`, {
    code: "bad-target",
    exitCode: ExitCode.usage,
    hint: "Leave one of them out, or give it another place behind a colon.",
  });
}

function notThere(message: string, hint: string): CapstanError {
  return new CapstanError(message, { code: "no-such-file", exitCode: ExitCode.noInput, hint });
}
