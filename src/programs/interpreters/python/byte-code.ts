import { readFileSync } from "node:fs";
import type { FileSpace, FoundFile } from "../../../filesystems/file-space.ts";
import { withOpenFile } from "../../../filesystems/file-space.ts";

/**
 * The header of a .pyc file (PEP 552): magic number of the byte code, u32 flags; then for flags 0 the source's time and
 * size, each u32; for flag bit 0 a hash of the source, which is only compared when bit 1 is set as well.
 */
export const HEADER_SIZE = 16;
const FLAGS = 4;
const MTIME = 8;
const SIZE = 12;
const HASH_BASED = 1;

/**
 * Byte code that Python takes without a look at its source: ROFS keeps no times, so what is dated would look stale, and be
 * made again at each start.
 */
export function withoutTimes(byteCode: Uint8Array): Uint8Array {
  const copy = Buffer.from(byteCode);
  if (copy.length < HEADER_SIZE || copy.readUInt32LE(FLAGS) !== 0) return copy;
  copy.writeUInt32LE(HASH_BASED, FLAGS);
  // The hash is never compared. That of the source's time and size keeps it telling them apart.
  return copy;
}

export function readWithoutTimes(hostPath: string): Uint8Array {
  return withoutTimes(readFileSync(hostPath));
}

/** Whether byte code is of this very source, by the time and size in it. Hash-based byte code is trusted. */
export function isFresh(byteCode: FoundFile, source: FoundFile): boolean {
  if (byteCode.type !== "file" || byteCode.size < HEADER_SIZE) return false;
  const header = Buffer.alloc(HEADER_SIZE);
  withOpenFile(byteCode, (open) => open.read(header, 0));
  if ((header.readUInt32LE(FLAGS) & HASH_BASED) !== 0) return true;
  return header.readUInt32LE(MTIME) === source.mtime >>> 0 && header.readUInt32LE(SIZE) === source.size >>> 0;
}

/** The first four bytes of byte code, in hexadecimal digits: they tell the interpreter's version. */
export function magicOf(byteCode: FoundFile): string | undefined {
  if (byteCode.type !== "file" || byteCode.size < HEADER_SIZE) return undefined;
  const magic = Buffer.alloc(4);
  withOpenFile(byteCode, (open) => open.read(magic, 0));
  return magic.toString("hex");
}

/** "a/__pycache__/b.cpython-311.pyc" for "a/b.py" (PEP 3147). */
export function byteCodePath(source: string, cacheTag: string): string {
  const at = source.lastIndexOf("/") + 1;
  return `${source.slice(0, at)}__pycache__/${source.slice(at).replace(/\.py$/, "")}.${cacheTag}.pyc`;
}

export interface ByteCodeState {
  /** Relative paths of the byte code that is of its source. */
  readonly fresh: ReadonlySet<string>;
  /** Relative paths of the sources that have none. */
  readonly missing: readonly string[];
}

/** Looks at the byte code of the Python files (relative paths) of a folder. */
export function byteCodeOf(
  files: readonly string[],
  { space, folder, cacheTag }: { readonly space: FileSpace; readonly folder: string; readonly cacheTag: string },
): ByteCodeState {
  const names = new Set(files);
  const fresh = new Set<string>();
  const missing: string[] = [];
  for (const source of files) {
    if (!source.endsWith(".py")) continue;
    const cached = byteCodePath(source, cacheTag);
    const sourceFile = names.has(cached) ? space.find(`${folder}/${source}`) : undefined;
    const cachedFile = sourceFile && space.find(`${folder}/${cached}`);
    if (sourceFile !== undefined && cachedFile !== undefined && isFresh(cachedFile, sourceFile)) fresh.add(cached);
    else missing.push(source);
  }
  return { fresh, missing };
}
