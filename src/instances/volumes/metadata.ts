import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { DiskFormat } from "../../disks/probe.ts";
import { diskFormats } from "../../hypervisors/machine.ts";
import { isErrno } from "../../support/errors.ts";

/** What stands in NAME.yaml beside a volume: `format` is the original's, `fs` is ours. */
export interface VolumeMetadata {
  readonly format: DiskFormat;
  /** What it was formatted with when it was created. */
  readonly fs?: string | undefined;
}

export type ReadMetadata =
  | { readonly metadata: VolumeMetadata | undefined; readonly problem?: undefined }
  | { readonly metadata?: undefined; readonly problem: string };

export function metadataPath(volume: string): string {
  return `${volume}.yaml`;
}

export function formatMetadata({ format, fs }: VolumeMetadata): string {
  return `format: ${format}\n${fs === undefined ? "" : `fs: ${fs}\n`}`;
}

/**
 * Reads it back; undefined where there is none, or nothing in it that says the format. A file with two flat keys needs no
 * parser of YAML, and a start does not have to load one.
 */
export function readMetadata(volume: string): ReadMetadata {
  const path = metadataPath(volume);
  const text = readStart(path);
  const written = text === undefined ? undefined : textOf(text, "format");
  if (text === undefined || written === undefined) return { metadata: undefined };
  const format = diskFormats.find((known) => known === written);
  if (format === undefined) return { problem: `${path} says that its format is '${written.slice(0, 40)}'` };
  return { metadata: { format, fs: textOf(text, "fs") } };
}

const MOST = 16 * 1024;

/** Whatever cannot be read is no metadata: a file of that name may be anything. */
function readStart(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
  try {
    if (!fstatSync(file).isFile()) return undefined;
    const bytes = Buffer.alloc(MOST);
    return bytes.toString("utf8", 0, readSync(file, bytes, 0, MOST, 0));
  } catch (error) {
    if (isErrno(error, "EIO", "EAGAIN", "EISDIR")) return undefined;
    throw error;
  } finally {
    closeSync(file);
  }
}

function textOf(text: string, key: string): string | undefined {
  const found = new RegExp(
    `^${key}:[ \\t]*(?:"([^"\\n]*)"|'([^'\\n]*)'|([^\\s#"'][^\\s#]*))[ \\t]*(?:#.*)?\\r?$`,
    "m",
  ).exec(text);
  const value = found?.[1] ?? found?.[2] ?? found?.[3];
  return value === "" ? undefined : value;
}
