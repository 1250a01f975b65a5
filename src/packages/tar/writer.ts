import { emitContents } from "../../filesystems/content.ts";
import type { FileEntry, FileTree, TreeEntry } from "../../filesystems/filetree.ts";
import { walk } from "../../filesystems/tree-walk.ts";
import { MiB } from "../../support/bytes.ts";
import { hasOddBytes } from "../../support/name-bytes.ts";
import {
  BLOCK_SIZE,
  encodeHeader,
  encodePaxRecord,
  MAX_OCTAL_NUMBER,
  NAME_SIZE,
  PREFIX_SIZE,
  paddingOf,
  TypeFlag,
} from "./layout.ts";

export interface TarWriteOptions {
  /** Takes the archive in chunks of equal size (the last may be shorter), each valid until its promise resolves. */
  readonly write: (chunk: Uint8Array) => Promise<void>;
  /** The time of every entry, in whole seconds since 1970. */
  readonly mtime: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Writes a tree as a tar archive that depends on nothing but names, contents, targets, the executable bits and `mtime`:
 * entries sorted, a directory before what it holds, names absolute as in every package, owner 0, modes 0755 and 0644.
 * Plain ustar, with PAX headers where a name or a size does not fit. Contents of archives (`extent`) are not taken.
 */
export async function writeTar(tree: FileTree, options: TarWriteOptions): Promise<void> {
  const out = new Blocks(options.write);
  const entries: Member[] = [{ name: "/", entry: tree }];
  for (const { path, entry } of walk(tree)) {
    entries.push({ name: entry.type === "directory" ? `${path}/` : path, entry });
  }
  const files = entries.map((member) => member.entry).filter((entry) => entry.type === "file");
  if (files.some((file) => file.content.kind === "extent")) throw new TypeError("a tar is not made of extents");
  const headers = new Headers(entries, options.mtime);
  await emitContents(files, {
    signal: options.signal,
    onProgress: options.onProgress,
    async write(index, chunk) {
      const file = files[index];
      if (file !== undefined) for (const bytes of headers.upTo(file)) await out.put(bytes);
      await out.put(chunk);
    },
  });
  for (const bytes of headers.rest()) await out.put(bytes);
  await out.put(END_MARK);
  await out.finish();
}

interface Member {
  readonly name: string;
  readonly entry: TreeEntry;
}

/** All that stands between the contents, in order: the padding of each file and the headers up to the next one. */
class Headers {
  readonly #members: readonly Member[];
  readonly #mtime: number;
  #next = 0;
  #padding = 0;
  #current: FileEntry | undefined;

  constructor(members: readonly Member[], mtime: number) {
    this.#members = members;
    this.#mtime = mtime;
  }

  /** What has to be written before the next bytes of `file`: nothing, if its header has been given out. */
  *upTo(file: FileEntry): Generator<Uint8Array> {
    while (this.#current !== file && this.#next < this.#members.length) yield* this.#step();
  }

  *rest(): Generator<Uint8Array> {
    while (this.#next < this.#members.length) yield* this.#step();
    yield ZEROS.subarray(0, this.#padding);
  }

  *#step(): Generator<Uint8Array> {
    const member = this.#members[this.#next++];
    if (member === undefined) return;
    yield ZEROS.subarray(0, this.#padding);
    yield* encodeMember(member, this.#mtime);
    this.#current = member.entry.type === "file" ? member.entry : undefined;
    this.#padding = member.entry.type === "file" ? paddingOf(member.entry.size) : 0;
  }
}

/** The header of an entry, after a PAX header where one is needed. */
function* encodeMember({ name, entry }: Member, mtime: number): Generator<Uint8Array> {
  const split = splitName(name);
  const target = entry.type === "symlink" ? entry.target : "";
  const size = entry.type === "file" ? entry.size : 0;
  const records: Uint8Array[] = [];
  if (hasOddBytes(name) || hasOddBytes(target)) records.push(encodePaxRecord("hdrcharset", "BINARY"));
  if (split === undefined) records.push(encodePaxRecord("path", name));
  if (!fits(target, NAME_SIZE)) records.push(encodePaxRecord("linkpath", target));
  if (size > MAX_OCTAL_NUMBER) records.push(encodePaxRecord("size", String(size)));
  if (records.length > 0) {
    const data = Buffer.concat(records);
    const paxName = cut(`PaxHeaders.0/${name.split("/").findLast((part) => part !== "") ?? ""}`);
    yield encodeHeader({ type: TypeFlag.paxHeader, name: paxName, mode: 0o644, size: data.length, mtime });
    yield data;
    yield ZEROS.subarray(0, paddingOf(data.length));
  }
  yield encodeHeader({
    type: TYPES[entry.type],
    ...(split ?? { name: cut(name) }),
    linkName: fits(target, NAME_SIZE) ? target : cut(target),
    mode: normalMode(entry),
    size: size > MAX_OCTAL_NUMBER ? 0 : size,
    mtime,
  });
}

/** The name as ustar stores it: whole, or parted at a slash; undefined when it fits neither way. */
export function splitName(name: string): { readonly name: string; readonly prefix: string } | undefined {
  if (fits(name, NAME_SIZE)) return { name, prefix: "" };
  // The slash of a directory stays with its last name, which must not become empty.
  const slash = name.lastIndexOf("/", Math.min(PREFIX_SIZE, name.length - 2));
  if (slash <= 0) return undefined;
  const [prefix, rest] = [name.slice(0, slash), name.slice(slash + 1)];
  return fits(prefix, PREFIX_SIZE) && fits(rest, NAME_SIZE) ? { name: rest, prefix } : undefined;
}

/** Other bytes than ASCII have no meaning that all readers of ustar agree on: PAX says that they are UTF-8, or bytes (hdrcharset). */
function fits(text: string, length: number): boolean {
  return text.length <= length && ASCII.test(text);
}

/** What readers without PAX see. */
function cut(text: string): string {
  return text.replace(NOT_ASCII, "_").slice(0, NAME_SIZE);
}

function normalMode(entry: TreeEntry): number {
  if (entry.type === "symlink") return 0o777;
  return entry.type === "directory" || (entry.mode & 0o111) !== 0 ? 0o755 : 0o644;
}

/** Gathers what comes into chunks of equal size, so that what follows (compression) sees the same input every time. */
class Blocks {
  readonly #write: (chunk: Uint8Array) => Promise<void>;
  readonly #buffer = Buffer.alloc(CHUNK_SIZE);
  #filled = 0;

  constructor(write: (chunk: Uint8Array) => Promise<void>) {
    this.#write = write;
  }

  async put(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length; ) {
      const part = bytes.subarray(start, start + CHUNK_SIZE - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      start += part.length;
      if (this.#filled === CHUNK_SIZE) await this.finish();
    }
  }

  async finish(): Promise<void> {
    const chunk = this.#buffer.subarray(0, this.#filled);
    this.#filled = 0;
    if (chunk.length > 0) await this.#write(chunk);
  }
}

const CHUNK_SIZE = MiB;
const ZEROS = new Uint8Array(BLOCK_SIZE);
/** Two blocks of zeros. */
const END_MARK = new Uint8Array(2 * BLOCK_SIZE);
const ASCII = /^\p{ASCII}*$/u;
const NOT_ASCII = /\P{ASCII}/gu;
const TYPES = { file: TypeFlag.file, symlink: TypeFlag.symlink, directory: TypeFlag.directory } as const;
