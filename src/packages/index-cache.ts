import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { temporaryBeside } from "../support/atomic.ts";
import { isErrno } from "../support/errors.ts";
import type { PackageIndex } from "./package-index.ts";
import { type FileIdentity, sameIdentity } from "./tar/archive.ts";
import { type ArchiveEntry, findMisplaced, isEntryPath } from "./tar/entries.ts";

/** Raised whenever the file's form changes, or what the reader accepts: older files are then as good as none. */
const SCHEMA = 1;

/** Undefined when there is no index of this state of the archive, or when it is damaged in any way. */
export function readCachedIndex(
  folder: string,
  archive: { readonly path: string; readonly identity: FileIdentity },
): PackageIndex | undefined {
  const text = tryRead(cachedIndexPath(folder, archive.path));
  const value = text === undefined ? undefined : tryParse(text);
  if (!isRecord(value) || value.schema !== SCHEMA || value.path !== resolve(archive.path)) return undefined;
  if (!isIdentity(value.identity) || !sameIdentity(value.identity, archive.identity)) return undefined;
  const entries = decodeEntries(value.entries);
  const { repeated, manifestText, runConfigText, readmeText } = value;
  if (entries === undefined || !isTextList(repeated)) return undefined;
  if (!isTextOrNull(manifestText) || !isTextOrNull(runConfigText) || !isTextOrNull(readmeText)) return undefined;
  return {
    ...archive,
    entries,
    repeated,
    manifestText: manifestText ?? undefined,
    runConfigText: runConfigText ?? undefined,
    readmeText: readmeText ?? undefined,
  };
}

/** Whole or not at all; not synced, since a damaged one is made again. */
export function writeCachedIndex(folder: string, index: PackageIndex): void {
  const path = cachedIndexPath(folder, index.path);
  const temporary = temporaryBeside(path);
  const value = {
    schema: SCHEMA,
    path: resolve(index.path),
    identity: index.identity,
    repeated: index.repeated,
    manifestText: index.manifestText ?? null,
    runConfigText: index.runConfigText ?? null,
    readmeText: index.readmeText ?? null,
    entries: index.entries.map(encodeEntry),
  };
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(temporary, JSON.stringify(value), { flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** One file for each archive's path: the index of a newer state takes the place of the older one. */
export function cachedIndexPath(folder: string, archive: string): string {
  return join(folder, `${createHash("sha256").update(resolve(archive)).digest("hex").slice(0, 32)}.json`);
}

/** Rows instead of objects: a third of the size, and tens of thousands of them. */
type Row = readonly [path: string, mode: number, mtime: number, ...rest: readonly (number | string)[]];

function encodeEntry(entry: ArchiveEntry): Row {
  const row = [entry.path, entry.mode, entry.mtime] as const;
  if (entry.type === "file") return [...row, entry.size, entry.offset];
  return entry.type === "symlink" ? [...row, entry.target] : row;
}

function decodeEntries(rows: unknown): readonly ArchiveEntry[] | undefined {
  if (!Array.isArray(rows)) return undefined;
  const entries = new Map<string, ArchiveEntry>();
  for (const row of rows) {
    const entry = decodeEntry(row);
    if (entry === undefined || entries.has(entry.path)) return undefined;
    entries.set(entry.path, entry);
  }
  return findMisplaced(entries) === undefined ? [...entries.values()] : undefined;
}

function decodeEntry(row: unknown): ArchiveEntry | undefined {
  if (!Array.isArray(row)) return undefined;
  const [path, mode, mtime, first, second]: unknown[] = row;
  if (typeof path !== "string" || !isEntryPath(path) || !isCount(mode) || mode > 0o7777) return undefined;
  if (typeof mtime !== "number" || !Number.isSafeInteger(mtime)) return undefined;
  const common = { path, mode, mtime };
  if (row.length === 3) return { ...common, type: "directory" };
  if (path === "") return undefined;
  if (row.length === 4 && typeof first === "string" && first !== "" && !first.includes("\0")) {
    return { ...common, type: "symlink", target: first };
  }
  if (row.length === 5 && isCount(first) && isCount(second)) {
    return { ...common, type: "file", size: first, offset: second };
  }
  return undefined;
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "EISDIR", "EIO")) return undefined;
    throw error;
  }
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isIdentity(value: unknown): value is FileIdentity {
  return isRecord(value) && isCount(value.size) && typeof value.mtimeNs === "string" && typeof value.inode === "string";
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
