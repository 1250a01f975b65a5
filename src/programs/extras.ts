import { isAbsolute, posix, resolve } from "node:path";
import { isElf } from "../elf/reader.ts";
import type { FileSpace, FoundFile } from "../filesystems/file-space.ts";
import { withOpenFile } from "../filesystems/file-space.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { didYouMean } from "../support/suggest.ts";
import type { Part } from "./application.ts";

/** Something of `--with`: what a program opens at run time, and nothing in its file tells of. */
export interface Extra {
  /** In the space. */
  readonly source: string;
  /** In the image. */
  readonly target: string;
  readonly kind: "file" | "folder";
  /** An ELF object: what it needs goes in as well. */
  readonly isElf: boolean;
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
 * written, seen from its root. Error: CapstanError `no-such-file`.
 */
export function parseExtras(values: readonly string[], options: ExtraOptions): readonly Extra[] {
  return values.flatMap((value) => named(value, options) ?? [library(value, options) ?? path(value, options)]);
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
  const inImage = isAbsolute(source) ? source : posix.resolve("/", source);
  return extra(absolute, target === undefined ? posix.normalize(inImage) : posix.resolve("/", target), found);
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
  return { source, target, kind: isFile ? "file" : "folder", isElf: isFile && withOpenFile(found, isElf) };
}

function notThere(message: string, hint: string): CapstanError {
  return new CapstanError(message, { code: "no-such-file", exitCode: ExitCode.noInput, hint });
}
