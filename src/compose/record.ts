import { readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { FileEntry, FileTree, HostStamp } from "../filesystems/filetree.ts";
import type { Companion } from "../store/stage.ts";
import { doing } from "../support/errors.ts";
import { fileIdentity } from "./fingerprint.ts";
import { packRecord, type RecordParts, unpackRecord } from "./record-format.ts";

/** A file that was written, and where in the file system its bytes lie in one piece. */
export interface WrittenFile {
  readonly file: FileEntry;
  readonly place: number;
}

export interface RecordInput {
  readonly written: readonly WrittenFile[];
  /** Of the archives, from before they were read: by their paths. */
  readonly identities: ReadonlyMap<string, string>;
  /** When the making of the image began, in milliseconds since 1970. */
  readonly started: number;
}

/** Of an image in the store: `NAME.files`. */
export const RECORD_SUFFIX = ".files";

/** Writes the record of a staged image beside it, for going into the store with it. */
export function stageRecord(image: string, input: RecordInput): Companion {
  const path = join(dirname(image), ".record");
  const record = packRecord(partsOf(imageIdentity(image), input));
  doing(`Writing ${path}`, () => writeFileSync(path, record));
  return { suffix: RECORD_SUFFIX, path };
}

/** What the archives are of which a tree has files: to be asked before they are read. */
export function archiveIdentities(tree: FileTree): ReadonlyMap<string, string> {
  const identities = new Map<string, string>();
  const pending = [tree];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const entry of directory.children.values()) {
      if (entry.type === "directory") pending.push(entry);
      if (entry.type !== "file" || entry.content.kind !== "extent") continue;
      const { name } = entry.content.stream;
      if (!identities.has(name)) identities.set(name, fileIdentity(name));
    }
  }
  return identities;
}

/**
 * What an image was made of, file by file, and where in its root file system each file's bytes lie. It is kept beside the
 * image, so that an update need not read again what has not changed.
 */
export interface ImageRecord {
  /** Where the content lies, as long as it has not changed since. */
  readonly place: (file: FileEntry) => number | undefined;
}

/** The record of the image at `image`; undefined where there is none, it is damaged, or it is of another image. */
export function readRecord(path: string, image: string): ImageRecord | undefined {
  const bytes = readBytes(path);
  const parts = bytes && unpackRecord(bytes);
  return parts?.image === imageIdentity(image) ? recordOf(parts) : undefined;
}

/** Of a file of this machine: size, inode, times of modification and of change, place. Of one of an archive: offset, size, place. */
const HOST_NUMBERS = 5;
const ARCHIVE_NUMBERS = 3;

function partsOf(image: string, { written, identities, started }: RecordInput): RecordParts {
  const paths: string[] = [];
  const hosts = new Float64Array(HOST_NUMBERS * written.length);
  const archives = new Map<string, { identity: string; numbers: number[] }>();
  for (const { file, place } of written) {
    const { content, size } = file;
    if (size === 0) continue;
    if (content.kind === "host") {
      const { stamp } = content;
      if (stamp === undefined || isFresh(stamp, started)) continue;
      const at = HOST_NUMBERS * (paths.push(content.path) - 1);
      hosts[at] = size;
      hosts[at + 1] = stamp.ino;
      hosts[at + 2] = stamp.mtimeMs;
      hosts[at + 3] = stamp.ctimeMs;
      hosts[at + 4] = place;
    } else if (content.kind === "extent") {
      const { name } = content.stream;
      const archive = archives.get(name) ?? { identity: identities.get(name) ?? "", numbers: [] };
      archive.numbers.push(content.offset, size, place);
      archives.set(name, archive);
    }
  }
  return {
    ...{ image, paths },
    hosts: hosts.subarray(0, HOST_NUMBERS * paths.length),
    archives: [...archives].map(([path, { identity, numbers }]) => {
      return { path, identity, numbers: Float64Array.from(numbers) };
    }),
  };
}

/**
 * Whether a file was written to so shortly before that a later change may have the same time: clocks of file systems tick
 * every few milliseconds, those of old ones every two seconds.
 */
function isFresh({ ctimeMs }: HostStamp, started: number): boolean {
  const tick = ctimeMs % 1000 === 0 ? 2000 : 100;
  return ctimeMs > started - tick;
}

function recordOf({ paths, hosts, archives }: RecordParts): ImageRecord {
  const indexOf = finder(paths);
  const streams = new Map<string, ReadonlyMap<number, readonly [size: number, place: number]>>();
  for (const { path, identity, numbers } of archives) {
    if (identityOf(path) === identity) streams.set(path, byOffset(numbers));
  }
  return {
    place: ({ content, size }) => {
      if (content.kind === "extent") {
        const [knownSize, place] = streams.get(content.stream.name)?.get(content.offset) ?? [];
        return knownSize === size ? place : undefined;
      }
      if (content.kind !== "host" || content.stamp === undefined) return undefined;
      const index = indexOf(content.path);
      if (index === undefined) return undefined;
      const { stamp } = content;
      const at = index * HOST_NUMBERS;
      const isSame =
        hosts[at] === size &&
        hosts[at + 1] === stamp.ino &&
        hosts[at + 2] === stamp.mtimeMs &&
        hosts[at + 3] === stamp.ctimeMs;
      return isSame ? hosts[at + 4] : undefined;
    },
  };
}

/**
 * Finds where in `paths` one is. Files are mostly asked for in the order in which they were written, so the one behind the
 * one that was found last comes first; an index of all is made when that fails.
 */
function finder(paths: readonly string[]): (path: string) => number | undefined {
  let next = 0;
  let indexes: Map<string, number> | undefined;
  return (path) => {
    if (paths[next] === path) return next++;
    // One that was deleted, or is read anew.
    if (paths[next + 1] === path) {
      next += 2;
      return next - 1;
    }
    indexes ??= new Map(paths.map((known, index) => [known, index]));
    const index = indexes.get(path);
    if (index !== undefined) next = index + 1;
    return index;
  };
}

function byOffset(numbers: Float64Array): ReadonlyMap<number, readonly [size: number, place: number]> {
  const places = new Map<number, readonly [number, number]>();
  for (let at = 0; at < numbers.length; at += ARCHIVE_NUMBERS) {
    places.set(numbers[at] ?? 0, [numbers[at + 1] ?? 0, numbers[at + 2] ?? 0]);
  }
  return places;
}

/** An image that was written to since has another time of change; being renamed or linked does not count. */
function imageIdentity(image: string): string {
  const { ino, size, mtimeNs } = statSync(image, { bigint: true });
  return `${ino}:${size}:${mtimeNs}`;
}

/** An archive that is gone is none of this image any more. */
function identityOf(path: string): string | undefined {
  try {
    return fileIdentity(path);
  } catch {
    return undefined;
  }
}

/** Without a record, everything is read anew. */
function readBytes(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
