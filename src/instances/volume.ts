import { accessSync, constants, existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { type DiskFormat, openDisk, probeFormat } from "../disks/probe.ts";
import {
  type DiskAio,
  type DiskCache,
  diskAios,
  diskCaches,
  diskFormats,
  type MachineDisk,
} from "../hypervisors/machine.ts";
import { CapstanError, ExitCode, isErrno, withNoun } from "../support/errors.ts";
import { didYouMean } from "../support/suggest.ts";
import { diskIdentity } from "./volumes/identity.ts";
import { metadataPath, readMetadata } from "./volumes/metadata.ts";
import { volumesFolder } from "./volumes/names.ts";

/**
 * A further disk as users write it: `path[:key=value…]` with the keys format, aio, cache and readonly. Relative paths are
 * taken from `cwd`; a name alone may also be a volume of the project there. A format that is not given is that of the
 * description beside the volume, or is looked up in the file.
 * @throws CapstanError `bad-volume` (64), `no-such-volume` (66), or what the operating system refuses
 */
export function parseVolume(text: string, cwd: string): MachineDisk {
  const { path: written, settings } = split(text);
  if (written === "") throw badVolume(text, "the path is missing");
  const path = locate(written, cwd);
  const readonly = parseSwitch(text, settings.get("readonly") ?? "off");
  const kind = checkFile(path, readonly);
  const asked = parseChoice<DiskFormat>({ text, key: "format", settings, choices: diskFormats });
  const aio = parseChoice<DiskAio>({ text, key: "aio", settings, choices: diskAios }) ?? "threads";
  const cache = parseChoice<DiskCache>({ text, key: "cache", settings, choices: diskCaches });
  if (aio === "native" && cache !== undefined && cache !== "none" && cache !== "directsync") {
    throw badVolume(text, `aio=native goes with cache=none or cache=directsync, not with cache=${cache}`);
  }
  const format = kind === "file" ? formatOf(text, path, asked) : (asked ?? "raw");
  return { path, format, aio, cache: cache ?? (aio === "native" ? "none" : "writeback"), readonly };
}

/**
 * What an instance was given, when it is started again.
 * @throws CapstanError as parseVolume, and `bad-volume` when one disk is there twice
 */
export function checkVolumes(volumes: readonly MachineDisk[]): void {
  const seen = new Map<string, MachineDisk>();
  for (const volume of volumes) {
    parseVolume(formatVolume(volume), "/");
    const disk = diskIdentity(volume.path) ?? volume.path;
    const before = seen.get(disk);
    if (before !== undefined && !(before.readonly && volume.readonly)) {
      throw badVolume(volume.path, "the instance would have it twice, and at least once to write");
    }
    seen.set(disk, volume);
  }
}

/** As formatVolume wrote it, from a file: without a look at the disk, which may be back by the time of a start. */
export function readVolume(text: string, cwd: string): MachineDisk {
  const { path, settings } = split(text);
  if (path === "") throw badVolume(text, "the path is missing");
  const aio = parseChoice<DiskAio>({ text, key: "aio", settings, choices: diskAios }) ?? "threads";
  return {
    path: resolve(cwd, path),
    format: parseChoice<DiskFormat>({ text, key: "format", settings, choices: diskFormats }) ?? "raw",
    aio,
    cache:
      parseChoice<DiskCache>({ text, key: "cache", settings, choices: diskCaches }) ??
      (aio === "native" ? "none" : "writeback"),
    readonly: parseSwitch(text, settings.get("readonly") ?? "off"),
  };
}

/** As parseVolume reads it. */
export function formatVolume({ path, format, aio, cache, readonly }: MachineDisk): string {
  return `${path}:format=${format}:aio=${aio}:cache=${cache}${readonly ? ":readonly=on" : ""}`;
}

const KEYS = ["format", "aio", "cache", "readonly"];

/** A file in the folder itself goes before a volume of that name; a folder does not: the volume may be made from it. */
function locate(written: string, cwd: string): string {
  const path = resolve(cwd, written);
  const volume = join(volumesFolder(cwd), written);
  if (written.includes("/") || !existsSync(volume)) return path;
  return existsSync(path) && !statSync(path).isDirectory() ? path : volume;
}

/**
 * A format that was said counts, but not against the file. One that nobody said is looked up; a disk that lies upon
 * another file is then refused, since a guest can write such a header on its raw disk, and name any file of this machine.
 */
function formatOf(text: string, path: string, asked: DiskFormat | undefined): DiskFormat {
  const { metadata, problem } = readMetadata(path);
  if (problem !== undefined && asked === undefined) throw badVolume(text, problem);
  const told = asked ?? metadata?.format;
  if (told === "raw") return told;
  const found = probeFormat(path);
  if (told !== undefined) {
    if (told === found) return told;
    const claim = asked === undefined ? `${metadataPath(path)} says that it is ${told}` : `it is given as ${told}`;
    throw badVolume(text, `${claim}, and its content is ${found === "raw" ? "not" : found}`);
  }
  if (found === "qcow2") refuseBacking(text, path);
  return found;
}

function refuseBacking(text: string, path: string): void {
  try {
    openDisk(path, { backing: "refuse" }).close();
  } catch (error) {
    // QEMU reads some qcow2 that we do not.
    if (error instanceof CapstanError && error.code === "qcow2-unsupported") return;
    if (!(error instanceof CapstanError) || error.code !== "backing-refused") throw error;
    throw badVolume(text, "it lies upon another file; if it is meant to, say so: add :format=qcow2");
  }
}

/** Settings are taken from the end, so that a path may hold colons. */
function split(text: string): { path: string; settings: Map<string, string> } {
  const parts = text.split(":");
  const settings = new Map<string, string>();
  while (parts.length > 1) {
    const found = /^([A-Za-z_-]+)=(.*)$/.exec(parts.at(-1) ?? "");
    const [key, value] = found === null ? [parts.at(-1), "on"] : [found[1], found[2]];
    if (key === undefined || value === undefined || (found === null && key !== "readonly")) break;
    if (!KEYS.includes(key)) {
      throw badVolume(
        text,
        `there is no setting '${key}'.${didYouMean(key, KEYS)} The settings are ${KEYS.join(", ")}`,
      );
    }
    if (settings.has(key)) throw badVolume(text, `'${key}' is set twice`);
    settings.set(key, value);
    parts.pop();
  }
  return { path: parts.join(":"), settings };
}

interface Choice<T extends string> {
  readonly text: string;
  readonly key: string;
  readonly settings: ReadonlyMap<string, string>;
  readonly choices: readonly T[];
}

function parseChoice<T extends string>({ text, key, settings, choices }: Choice<T>): T | undefined {
  const value = settings.get(key);
  if (value === undefined) return undefined;
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw badVolume(text, `'${value}' is no ${key}.${didYouMean(value, choices)} Choose from ${choices.join(", ")}`);
}

function parseSwitch(text: string, value: string): boolean {
  if (["on", "true", "yes"].includes(value)) return true;
  if (["off", "false", "no"].includes(value)) return false;
  throw badVolume(text, `'${value}' is no value of readonly. Choose from on, off`);
}

function checkFile(path: string, readonly: boolean): "file" | "block device" {
  let kind: "file" | "block device" | undefined;
  try {
    const status = statSync(path);
    kind = status.isFile() ? "file" : status.isBlockDevice() ? "block device" : undefined;
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw withNoun(error, `Looking at the volume ${path}`);
    // A path may hold colons, so that a misspelt setting is part of it.
    const [, last] = /:([^:/]+)$/.exec(path) ?? [];
    throw new CapstanError(`There is no volume ${path}${last === undefined ? "" : `.${didYouMean(last, KEYS)}`}`, {
      code: "no-such-volume",
      hint: "Check the path, or create it in a project: capstan volume create NAME",
      exitCode: ExitCode.noInput,
    });
  }
  if (kind === undefined) throw badVolume(path, "it is neither a file nor a block device");
  try {
    accessSync(path, readonly ? constants.R_OK : constants.R_OK | constants.W_OK);
  } catch (error) {
    if (readonly || !isErrno(error, "EACCES", "EROFS")) throw withNoun(error, `Opening the volume ${path}`);
    throw badVolume(path, "you may not write it; give it as readonly=on");
  }
  return kind;
}

function badVolume(text: string, why: string): CapstanError {
  return new CapstanError(`The volume '${text}' cannot be used: ${why}`, {
    code: "bad-volume",
    hint: "Write it as PATH[:format=raw][:aio=threads][:cache=writeback][:readonly=on].",
    exitCode: ExitCode.usage,
  });
}
