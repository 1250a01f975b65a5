import { accessSync, constants, statSync } from "node:fs";
import { resolve } from "node:path";
import { type DiskFormat, probeFormat } from "../disks/probe.ts";
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

/**
 * A further disk as users write it: `path[:key=value…]` with the keys format, aio, cache and readonly.
 * The format is looked up in the file when it is not given. Relative paths are taken from `cwd`.
 * @throws CapstanError `bad-volume` (64), `no-such-volume` (66), or what the operating system refuses
 */
export function parseVolume(text: string, cwd: string): MachineDisk {
  const { path: written, settings } = split(text);
  if (written === "") throw badVolume(text, "the path is missing");
  const path = resolve(cwd, written);
  const readonly = parseSwitch(text, settings.get("readonly") ?? "off");
  const kind = checkFile(path, readonly);
  const format =
    parseChoice<DiskFormat>({ text, key: "format", settings, choices: diskFormats }) ??
    (kind === "file" ? probeFormat(path) : "raw");
  const aio = parseChoice<DiskAio>({ text, key: "aio", settings, choices: diskAios }) ?? "threads";
  const cache = parseChoice<DiskCache>({ text, key: "cache", settings, choices: diskCaches });
  if (aio === "native" && cache !== undefined && cache !== "none" && cache !== "directsync") {
    throw badVolume(text, `aio=native goes with cache=none or cache=directsync, not with cache=${cache}`);
  }
  return { path, format, aio, cache: cache ?? (aio === "native" ? "none" : "writeback"), readonly };
}

/** As parseVolume reads it. */
export function formatVolume({ path, format, aio, cache, readonly }: MachineDisk): string {
  return `${path}:format=${format}:aio=${aio}:cache=${cache}${readonly ? ":readonly=on" : ""}`;
}

const KEYS = ["format", "aio", "cache", "readonly"];

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
    throw new CapstanError(`There is no volume ${path}`, {
      code: "no-such-volume",
      hint: "Check the path, or create the file first: qemu-img create -f raw FILE 1G",
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
