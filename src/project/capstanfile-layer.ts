import { nameFault, PATH_MAX } from "../filesystems/names.ts";
import { commandProblem } from "./boot-command.ts";
import { type PackageSource, packageSourceProblem, parsePackageSource, rpmFileName } from "./capstanfile-packages.ts";
import { quoted } from "./text-file.ts";
import { readYaml, type YamlMap } from "./yaml-file.ts";

/** What one Capstanfile says, without those that it includes. */
export interface CapstanfileLayer {
  /** Absolute. */
  readonly path: string;
  /** What messages call the file. */
  readonly name: string;
  /** Absolute: what its relative paths are relative to, and where its command runs. */
  readonly dir: string;
  readonly base: Written | undefined;
  /** The boot command. */
  readonly cmdline: string | undefined;
  /** For a shell. */
  readonly build: Written | undefined;
  readonly rootfs: Written | undefined;
  /** A program of this machine, or what a build command makes: it goes in with all that it loads. */
  readonly program: (Written & { readonly args: readonly string[] }) | undefined;
  readonly packages: readonly PackageEntry[];
  /** In the order of the file. */
  readonly files: readonly FileMapping[];
  /** Paths of other Capstanfiles, as they are written. */
  readonly include: readonly Written[];
}

/** A text and where it stands, for messages: `Capstanfile:3:7`. */
export interface Written {
  readonly text: string;
  readonly where: string;
}

export interface PackageEntry {
  readonly source: PackageSource;
  readonly where: string;
}

/** Of `files`: what goes where. */
export interface FileMapping {
  /** In the image: with a leading slash, and with one at the end where it names the folder that sources go into. */
  readonly target: string;
  /** With `&` replaced; wildcards are not looked for yet. */
  readonly source: string;
  readonly where: string;
}

/** Reads one Capstanfile. Throws one CapstanError (`bad-yaml`) with all of its problems. */
export function parseCapstanfile(
  source: Uint8Array | string,
  file: Pick<CapstanfileLayer, "path" | "name" | "dir">,
): CapstanfileLayer {
  return readYaml(source, { name: file.name }, (root) => ({ ...file, ...readKeys(root) }));
}

/** The folder that is taken when `rootfs` says nothing, where it is there. */
export const DEFAULT_ROOTFS = "ROOTFS";

function readKeys(root: YamlMap): Omit<CapstanfileLayer, "path" | "name" | "dir"> {
  const base = written(root, "base", notEmpty("the name of an image"));
  const rpmBase = readRpmBase(root);
  // A block of YAML (`cmdline: |`) ends with a line feed.
  const cmdline = root.string("cmdline", (text) =>
    text.trim() === "" ? undefined : commandProblem(text.trim(), "line"),
  );
  const build = written(root, "build");
  return {
    base,
    cmdline: cmdline?.trim() || undefined,
    build: build?.text.trim() === "" ? undefined : build,
    rootfs: written(root, "rootfs", notEmpty("a folder")),
    program: readProgram(root),
    packages: [...rpmBase, ...readPackages(root)],
    files: readFiles(root),
    include: listOrText(root, "include", notEmpty("the path of another Capstanfile")),
  };
}

function written(root: YamlMap, key: string, check?: (text: string) => string | undefined): Written | undefined {
  const text = root.string(key, check);
  return text === undefined ? undefined : { text, where: root.where(key) };
}

function notEmpty(what: string): (text: string) => string | undefined {
  return (text) => {
    if (text.trim() === "") return `write ${what} here, or remove the key`;
    return text.includes("\0") ? "a NUL character cannot be in it" : undefined;
  };
}

/** `args` are the program's, behind its boot command. */
function readProgram(root: YamlMap): CapstanfileLayer["program"] {
  const program = written(root, "program", notEmpty("the path of a program"));
  const args = root.strings("args", (text) => (text.includes("\0") ? "a NUL character cannot be in it" : undefined));
  if (program === undefined && root.has("args")) {
    root.problem("args", "'args' are those of 'program', and there is none: write the whole command as 'cmdline'");
  }
  if (root.has("args") && root.has("cmdline")) {
    root.problem("args", "'cmdline' is the whole boot command: write the arguments there, or leave it out");
  }
  return program === undefined ? undefined : { ...program, args };
}

/** A text, or a list of texts. */
function listOrText(root: YamlMap, key: string, check: (text: string) => string | undefined): readonly Written[] {
  if (root.kind(key) !== "text") return root.placedStrings(key, check);
  const one = written(root, key, check);
  return one === undefined ? [] : [one];
}

function readPackages(root: YamlMap): readonly PackageEntry[] {
  return listOrText(root, "packages", packageSourceProblem).flatMap(({ text, where }) => {
    const source = parsePackageSource(text);
    return "problem" in source ? [] : [{ source, where }];
  });
}

/** The original's: four keys that make the name of a package file. */
function readRpmBase(root: YamlMap): readonly PackageEntry[] {
  const map = root.map("rpm-base");
  if (map === undefined) return [];
  const part = (key: string) => map.required(key, `write the ${key} of the package`, rpmPartProblem) ?? "";
  const [name, version, release] = [part("name"), part("version"), part("release")];
  const arch = map.string("arch", rpmPartProblem) ?? "x86_64";
  const file = rpmFileName({ name, version, release, arch });
  return [{ source: { kind: "rpm", name: file, path: undefined }, where: root.where("rpm-base") }];
}

function rpmPartProblem(text: string): string | undefined {
  return /^[A-Za-z0-9][\w.+~^:-]*$/.test(text) ? undefined : `${quoted(text)} cannot be a part of a package's name`;
}

function readFiles(root: YamlMap): readonly FileMapping[] {
  const map = root.map("files");
  if (map === undefined) return [];
  const taken = new Map<string, string>();
  return map.keys().flatMap((key) => {
    const target = parseTarget(key);
    if ("problem" in target) map.problem(key, target.problem);
    const path = "problem" in target ? "/" : target.path;
    const before = taken.get(path);
    if (before !== undefined && before !== key) {
      map.problem(key, `${quoted(key)} is the same place as ${quoted(before)}: write all its sources there, as a list`);
    }
    taken.set(path, key);
    const sources = listOrText(map, key, sourceProblem);
    if (sources.length === 0 && map.kind(key) !== "map") {
      map.problem(key, `write after ${quoted(key)} which file or folder goes there`);
    }
    return sources.map(({ text, where }) => ({ target: path, source: withBaseName(text, path), where }));
  });
}

function sourceProblem(text: string): string | undefined {
  if (text.trim() === "") return "write the path of a file or folder here";
  return text.includes("\0") ? "a NUL character cannot be in it" : undefined;
}

/** Places without a leading slash are taken as the original takes them: from the root. */
function parseTarget(key: string): { readonly path: string } | { readonly problem: string } {
  const names = key.split("/").filter((name) => name !== "" && name !== ".");
  const fault = names.map(nameFault).find((one) => one !== undefined);
  if (key === "" || fault !== undefined) {
    return { problem: `${quoted(key)} cannot be a place in the image: ${fault ?? "it is empty"}` };
  }
  const isFolder = /(^|\/)\.?$/.test(key);
  const path = names.length === 0 ? "/" : `/${names.join("/")}${isFolder ? "/" : ""}`;
  if (Buffer.byteLength(path) > PATH_MAX) return { problem: `${quoted(key)} is too long for a path` };
  return { path };
}

/** `&` stands for the last part of the target; `\&` for itself. Other escapes are kept: they are those of wildcards. */
function withBaseName(source: string, target: string): string {
  const name = target.split("/").findLast((part) => part !== "") ?? "";
  return source.replace(/\\[\s\S]|&/g, (match) => {
    if (match === "\\&") return "&";
    return match === "&" ? literal(name) : match;
  });
}

/** A name in which no wildcard is one. */
function literal(name: string): string {
  return name.replace(/[*?[\]\\]/g, "\\$&");
}
