import { existsSync, lstatSync, type Stats, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { hostError } from "../../filesystems/host-error.ts";
import { quotePath, sortByBytes } from "../../filesystems/names.ts";
import type { FileMapping } from "../../project/capstanfile.ts";
import { CapstanError, checkAborted, ExitCode, isErrno } from "../../support/errors.ts";
import { hostNames, hostPath } from "../../support/host-paths.ts";
import { fitsName, hasWildcards, parsePattern, type Segment } from "./wildcards.ts";

/** A file or folder of this machine, and where it goes. */
export interface FoundSource {
  /** Absolute. */
  readonly path: string;
  /** In the image; of a folder, where its content goes. */
  readonly target: string;
}

/**
 * What a line of `files` names: a file, a folder, or what fits its wildcards. A file goes to the target, or into it where
 * that ends in a slash; a folder's content goes to the target. What wildcards find goes below the target, by its path from
 * the first part with a wildcard on. A path that is there as it is written is taken as it is.
 *
 * Errors: CapstanError `no-such-file`, `too-many-links`, `os-…`; InterruptedError.
 */
export function findSources(mapping: FileMapping, dir: string, signal: AbortSignal): readonly FoundSource[] {
  const segments = parsePattern(mapping.source);
  const whole = resolve(dir, mapping.source);
  if (!hasWildcards(segments) || existsSync(whole)) {
    const path = hasWildcards(segments) ? whole : resolve(dir, joined(segments));
    return [single(mapping, path)];
  }
  const first = segments.findIndex(({ kind }) => kind !== "name");
  const top = resolve(dir, joined(segments.slice(0, first)));
  const found = new Search(top, signal).find(segments.slice(first));
  if (found.length === 0) throw nothing(mapping, `nothing fits ${quotePath(mapping.source)}`);
  const below = mapping.target.endsWith("/") ? mapping.target : `${mapping.target}/`;
  return found.map((path) => ({ path: join(top, path), target: below + path }));
}

function joined(segments: readonly Segment[]): string {
  const path = segments.map((segment) => (segment.kind === "name" ? segment.name : "")).join("/");
  return path === "" && segments.length > 0 ? "/" : path;
}

function single(mapping: FileMapping, path: string): FoundSource {
  const stats = statIfThere(path);
  if (stats === undefined) throw nothing(mapping, `there is no ${quotePath(path)}`);
  if (stats.isDirectory() || !mapping.target.endsWith("/")) return { path, target: mapping.target };
  return { path, target: mapping.target + basename(path) };
}

function nothing({ where, target }: FileMapping, what: string): CapstanError {
  return new CapstanError(`${where}: ${what}, which was to go to ${quotePath(target)}`, {
    code: "no-such-file",
    hint: "Check the path: it starts in the folder of the Capstanfile. What 'build' makes is there only after it ran.",
    exitCode: ExitCode.noInput,
  });
}

function tooManyLinks(top: string): CapstanError {
  return new CapstanError(`Below ${quotePath(top)} there are more than ${MOST_LINKS} links to folders on the way`, {
    code: "too-many-links",
    hint: "Links that lead upwards make paths without an end: name a folder further down, or use '**', which follows none.",
  });
}

function statIfThere(path: string, follow = true): Stats | undefined {
  try {
    return follow ? statSync(hostPath(path)) : lstatSync(hostPath(path));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw hostError(error, path);
  }
}

/** Links to folders that are followed for one line: those that lead upwards make endlessly many paths of a few folders. */
const MOST_LINKS = 10_000;

/** Looks below one folder; paths are relative to it. */
class Search {
  readonly #top: string;
  readonly #signal: AbortSignal;
  readonly #found = new Set<string>();
  /** Folders, each with how many segments were left: several `**` lead to the same ones in very many ways. */
  readonly #searched = new Set<string>();
  #links = 0;

  constructor(top: string, signal: AbortSignal) {
    this.#top = top;
    this.#signal = signal;
  }

  find(segments: readonly Segment[]): readonly string[] {
    this.#below("", segments);
    // What lies in a folder that was found comes with it.
    const isCovered = (path: string) =>
      path.split("/").some((_, index, names) => index > 0 && this.#found.has(names.slice(0, index).join("/")));
    return sortByBytes(this.#found).filter((path) => !isCovered(path));
  }

  #below(prefix: string, segments: readonly Segment[]): void {
    checkAborted(this.#signal);
    const [segment, ...rest] = segments;
    if (segment === undefined) return;
    if (segment.kind === "name") {
      this.#take(prefix + segment.name, rest);
      return;
    }
    const search = `${segments.length} ${prefix}`;
    if (this.#searched.has(search)) return;
    this.#searched.add(search);
    for (const name of this.#names(prefix)) {
      if (segment.kind === "pattern") {
        if (fitsName(segment.tokens, name)) this.#take(prefix + name, rest);
      } else if (!name.startsWith(".")) {
        // A link to a folder could lead back here.
        const stats = statIfThere(join(this.#top, prefix + name), false);
        if (stats?.isDirectory()) this.#below(`${prefix}${name}/`, segments);
        else if (rest.length === 0) this.#take(prefix + name, rest);
      }
    }
    if (segment.kind === "any-depth" && rest.length > 0) this.#below(prefix, rest);
  }

  #take(path: string, rest: readonly Segment[]): void {
    const stats = statIfThere(join(this.#top, path));
    if (rest.length > 0) {
      if (!stats?.isDirectory()) return;
      const isLink = statIfThere(join(this.#top, path), false)?.isSymbolicLink() === true;
      if (isLink && ++this.#links > MOST_LINKS) throw tooManyLinks(this.#top);
      this.#below(`${path}/`, rest);
    } else if (stats !== undefined || statIfThere(join(this.#top, path), false) !== undefined) this.#found.add(path);
  }

  /** What is no folder has no names. */
  #names(prefix: string): readonly string[] {
    const folder = join(this.#top, prefix);
    try {
      return sortByBytes(hostNames(folder));
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
      throw hostError(error, folder);
    }
  }
}
