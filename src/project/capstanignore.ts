import { join } from "node:path";
import { CapstanError } from "../support/errors.ts";
import { decodeText, quoted, readTextFile } from "./text-file.ts";

// `.capstanignore`: what of a project stays out of its image and its package.
//
//     # comment       blank lines and lines that begin with '#' mean nothing
//     /path           this file, or this directory with all that is in it
//     /path/*         all that is in the directory, at any depth, but the directory itself stays
//     /a/*.txt        '*' stands for any characters but '/'
//     /a/**/b         '/**/' stands for any number of directories, none included
//     *.o             without a '/' in front: at any depth
//     build/          with a '/' at the end: directories only
//     !/path          keeps what an earlier line leaves out; the last line that fits decides
//
// All other characters stand for themselves: `.`, `?`, `[`, `+`, `$`, `\` and the like are not special.
// (The original treats most of them as parts of a regular expression, and `/**/` as any characters at all.)
// As with git, what lies in a directory that is left out as a whole cannot be kept. The patterns of
// `ALWAYS_IGNORED` come last and cannot be taken back.

/** The rules of one project, compiled. */
export interface Ignore {
  /** The user's patterns in their order, then those that always hold. */
  readonly patterns: readonly string[];
  /** Remarks about patterns that probably mean something else than was thought. */
  readonly warnings: readonly string[];
  /** Whether a path below the project (`a/b` or `/a/b`) stays out, itself or a directory above it. */
  ignores(path: string, isDirectory: boolean): boolean;
  /** The same rules for a package, which carries its meta directory. */
  forPackage(): Ignore;
}

export const ALWAYS_IGNORED: readonly string[] = [
  "/meta/*",
  "/mpm-pkg",
  "/.git",
  "/.capstanignore",
  "/.gitignore",
  "/volumes",
  "/capstan.lock",
];

const FILE_NAME = ".capstanignore";
/** Together with the limit of the matcher's work per path, bounds the time of a hostile file. */
const PATTERN_LIMIT = 10_000;

/** The rules of a project's folder; without a file of its own, those that always hold. */
export function loadIgnore(directory: string, name: string = FILE_NAME): Ignore {
  return parseIgnore(readTextFile(join(directory, FILE_NAME), name) ?? "", name);
}

/** The rules of a text. Throws one CapstanError (`bad-capstanignore`) with all of its problems, `file:line:` in front. */
export function parseIgnore(source: Uint8Array | string, name: string = FILE_NAME): Ignore {
  const text = decodeText(typeof source === "string" ? Buffer.from(source) : source, name);
  const rules: Rule[] = [];
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const pattern = raw.trim();
    if (pattern === "" || pattern.startsWith("#")) continue;
    const where = `${name}:${index + 1}`;
    const problem = patternProblem(pattern);
    if (problem !== undefined) problems.push(`${where}: ${problem}`);
    else rules.push(compile(pattern));
    const special = /[?[\]\\^$]/.exec(pattern);
    if (special)
      warnings.push(`${where}: '${special[0]}' stands for itself in ${quoted(pattern)}: only '*' is special`);
  }
  if (rules.length > PATTERN_LIMIT) problems.push(`${name}: there are more than ${PATTERN_LIMIT} patterns`);
  if (problems.length > 0) throw ignoreError(problems, name);
  return createIgnore(rules, ALWAYS_IGNORED.map(compile), warnings);
}

interface Rule {
  readonly pattern: string;
  readonly keeps: boolean;
  readonly directoriesOnly: boolean;
  /** Names with '*' in them, or ANY_DEPTH. */
  readonly segments: readonly Segment[];
}

type Segment = string | typeof ANY_DEPTH | { readonly parts: readonly string[] };

/** Any number of directories, none included. */
const ANY_DEPTH = Symbol("**");
const ANY_NAME: Segment = { parts: ["", ""] };

function createIgnore(own: readonly Rule[], always: readonly Rule[], warnings: readonly string[]): Ignore {
  const anyKeeps = own.some((rule) => rule.keeps);
  const mayFit = firstNames([...own, ...always]);

  function decides(names: readonly string[], length: number, isDirectory: boolean): boolean {
    if (always.some((rule) => fits(rule, names, length, isDirectory))) return true;
    for (let index = own.length - 1; index >= 0; index--) {
      const rule = own[index];
      if (rule !== undefined && fits(rule, names, length, isDirectory)) return !rule.keeps;
    }
    return false;
  }

  return {
    patterns: [...own, ...always].map((rule) => rule.pattern),
    warnings,
    ignores(path, isDirectory) {
      if (!mayFit(firstOf(path))) return false;
      const names = path.split("/").filter((name) => name !== "");
      if (names.length === 0) return false;
      if (anyKeeps) {
        // A directory above that is left out takes along what a later line would keep.
        for (let length = 1; length < names.length; length++) if (decides(names, length, true)) return true;
      }
      return decides(names, names.length, isDirectory);
    },
    forPackage() {
      const others = always.filter((rule) => rule.pattern !== "/meta/*");
      const inner = createIgnore(own, others, warnings);
      return {
        ...inner,
        ignores: (path, isDirectory) => !isManifest(path) && inner.ignores(path, isDirectory),
        forPackage: () => inner,
      };
    },
  };
}

/** Whether a rule may fit a path with this name in front: most projects have no rules but the few that always hold. */
function firstNames(rules: readonly Rule[]): (name: string) => boolean {
  const names = rules.map(({ segments }) => segments[0]);
  if (names.some((segment) => typeof segment !== "string")) return () => true;
  const known = new Set(names);
  return (name) => name === "" || known.has(name);
}

/** Its first name; "" where that takes a closer look. */
function firstOf(path: string): string {
  const start = path.startsWith("/") ? 1 : 0;
  const end = path.indexOf("/", start);
  return end === -1 ? path.slice(start) : path.slice(start, end);
}

/** What makes a package one: no pattern, such as `*.yaml`, can leave it out. */
function isManifest(path: string): boolean {
  return /^\/?meta(\/(package|run)\.yaml)?\/?$/.test(path);
}

function patternProblem(pattern: string): string | undefined {
  const body = pattern.replace(/^!/, "");
  if (/^\/meta\/*$/.test(body)) {
    return "'/meta' cannot be given: what is in meta/ never enters the image anyway. Remove this line";
  }
  if (body.replaceAll("/", "") === "") return `${quoted(pattern)} names nothing: write a path after it`;
  if (/(^|\/)\.\.?(\/|$)/.test(body))
    return `${quoted(pattern)} has '.' or '..' in it: write the path from the project's folder`;
  if (pattern.startsWith("!") && ALWAYS_IGNORED.includes(body))
    return `${quoted(body)} is always left out and cannot be kept`;
  return undefined;
}

function compile(pattern: string): Rule {
  const keeps = pattern.startsWith("!");
  let body = keeps ? pattern.slice(1) : pattern;
  const anchored = body.startsWith("/");
  const directoriesOnly = body.endsWith("/");
  // Everything beneath, whatever its depth: the same as one name more, since a rule covers what lies below it.
  body = body.replace(/\/\*\*$/, "/*");
  const segments: Segment[] = anchored ? [] : [ANY_DEPTH];
  for (const name of body.split("/")) {
    if (name === "") continue;
    if (name !== "**") segments.push(name.includes("*") ? { parts: name.split(/\*+/) } : name);
    else if (segments.at(-1) !== ANY_DEPTH) segments.push(ANY_DEPTH);
  }
  if (segments.at(-1) === ANY_DEPTH) segments.push(ANY_NAME);
  return { pattern, keeps, directoriesOnly, segments };
}

/**
 * Whether the rule fits the first `length` names, or a directory above. Going back to the last `**` only is enough,
 * as with any wildcard that takes everything: the work is at most names × segments.
 */
function fits(rule: Rule, names: readonly string[], length: number, isDirectory: boolean): boolean {
  const { segments } = rule;
  let at = 0;
  let segment = 0;
  let restartAt = -1;
  let restartSegment = -1;
  for (;;) {
    if (segment === segments.length) {
      if (at < length || !rule.directoriesOnly || isDirectory) return true;
    } else if (segments[segment] === ANY_DEPTH) {
      restartSegment = ++segment;
      restartAt = at;
      continue;
    } else if (at < length && fitsName(segments[segment], names[at] ?? "")) {
      at++;
      segment++;
      continue;
    }
    if (restartSegment === -1 || restartAt >= length) return false;
    at = ++restartAt;
    segment = restartSegment;
  }
}

function fitsName(segment: Segment | undefined, name: string): boolean {
  if (typeof segment === "string") return segment === name;
  if (typeof segment !== "object") return false;
  const { parts } = segment;
  const first = parts[0] ?? "";
  const last = parts[parts.length - 1] ?? "";
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  // The leftmost place of each part in the middle leaves the most room for those behind it.
  let at = first.length;
  for (let index = 1; index < parts.length - 1; index++) {
    const part = parts[index] ?? "";
    const found = name.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= name.length - last.length;
}

function ignoreError(problems: readonly string[], name: string): CapstanError {
  return new CapstanError(problems[0] ?? name, {
    code: "bad-capstanignore",
    details: problems.length > 1 ? problems : [],
    hint: `Correct ${name}.`,
  });
}
