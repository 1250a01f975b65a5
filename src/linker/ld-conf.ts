import { type FileSpace, readWhole } from "../filesystems/file-space.ts";
import { MiB } from "../support/bytes.ts";

/** ldconfig(8) reads nothing deeper in practice; more is a circle. */
const MAX_FILES = 256;
const MAX_SIZE = 1 * MiB;

/**
 * The directories of ld.so.conf, each once, in their order: a line for each, `include` with patterns, `hwcap` without
 * meaning, `=TYPE` behind a directory without meaning, "#" for comments. Source: parse_conf in elf/ldconfig.c of glibc.
 */
export function readLdConf(space: FileSpace, path = "/etc/ld.so.conf"): readonly string[] {
  const directories = new Set<string>();
  const seen = new Set<string>();
  const read = (file: string) => {
    if (seen.has(file) || seen.size >= MAX_FILES) return;
    seen.add(file);
    for (const line of readLines(space, file)) {
      const [word = "", ...rest] = line.split(/\s+/);
      if (word === "include") {
        for (const pattern of rest) expand(space, resolve(file, pattern)).forEach(read);
      } else if (word !== "hwcap" || rest.length === 0) {
        const directory = line
          .replace(/=[^/]*$/, "")
          .trim()
          .replace(/(?<=.)\/+$/, "");
        if (directory.startsWith("/")) directories.add(directory);
      }
    }
  };
  read(path);
  return [...directories];
}

function readLines(space: FileSpace, path: string): string[] {
  const file = space.find(path);
  if (file?.type !== "file" || file.size > MAX_SIZE) return [];
  return readWhole(file, MAX_SIZE)
    .toString("utf8")
    .split("\n")
    .map((line) => line.replace(/#.*$/, "").trim())
    .filter((line) => line !== "");
}

/** Patterns without a leading slash are relative to the folder of the file that includes. */
function resolve(file: string, pattern: string): string {
  return pattern.startsWith("/") ? pattern : `${file.slice(0, file.lastIndexOf("/"))}/${pattern}`;
}

/** glob(3), as far as ld.so.conf uses it: "*", "?" and "[…]" in names; hidden files only when asked for. */
function expand(space: FileSpace, pattern: string): string[] {
  let paths = [""];
  for (const part of pattern.split("/").filter((name) => name !== "")) {
    if (!/[*?[]/.test(part)) {
      paths = paths.map((path) => `${path}/${part}`);
      continue;
    }
    const fits = nameMatcher(part);
    paths = paths
      .flatMap((path) => (space.list(path || "/") ?? []).filter(fits).map((name) => `${path}/${name}`))
      .slice(0, MAX_FILES);
  }
  return paths;
}

/** Compares without regular expressions of the file's making, which could be made to take hours. */
function nameMatcher(pattern: string): (name: string) => boolean {
  const tokens = pattern.match(/\*+|\[[!^]?\]?[^\]]*\]|[\s\S]/gu) ?? [];
  const fitsOne = (token: string, unit: string) => {
    if (token === "?") return true;
    if (token.length === 1 || !token.startsWith("[")) return token === unit;
    const negated = /^\[[!^]/.test(token);
    return inSet(token.slice(negated ? 2 : 1, -1), unit) !== negated;
  };
  return (name) => {
    if (name.startsWith(".") && !pattern.startsWith(".")) return false;
    const units = [...name];
    // The greedy way with one point to come back to: never more than the product of both lengths.
    let [at, token, star, from] = [0, 0, -1, 0];
    while (at < units.length) {
      const current = tokens[token];
      if (current?.startsWith("*")) [star, from, token] = [token, at, token + 1];
      else if (current !== undefined && fitsOne(current, units[at] ?? "")) [at, token] = [at + 1, token + 1];
      else if (star >= 0) [from, at, token] = [from + 1, from + 1, star + 1];
      else return false;
    }
    while (tokens[token]?.startsWith("*")) token++;
    return token === tokens.length;
  };
}

function inSet(set: string, unit: string): boolean {
  const units = [...set];
  for (let index = 0; index < units.length; index++) {
    const [low = "", dash, high] = units.slice(index, index + 3);
    if (dash === "-" && high !== undefined) {
      if (low <= unit && unit <= high) return true;
      index += 2;
    } else if (low === unit) return true;
  }
  return false;
}
