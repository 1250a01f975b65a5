import { closeSync, constants, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { MiB } from "../support/bytes.ts";
import { CapstanError, checkAborted, isErrno } from "../support/errors.ts";
import { hostPath } from "../support/host-paths.ts";
import type { Content, ContentStream, FileEntry } from "./filetree.ts";
import { hostError } from "./host-error.ts";
import { quotePath } from "./names.ts";

/** What of a FileEntry is needed to read its bytes. */
export type ContentSource = Pick<FileEntry, "size" | "content">;

export interface EmitOptions {
  /**
   * Takes the next bytes of file `index`; `chunk` is never empty, and is only valid until the call returns
   * (or its promise resolves). Empty files get no call.
   */
  readonly write: (index: number, chunk: Uint8Array, offset: number) => void | Promise<void>;
  readonly signal?: AbortSignal | undefined;
  /** How many bytes of how many have been written: called now and then, and at the end. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Reads the bytes of all files from where they lie, once, and hands them on, in the order of `emissionOrder`.
 * The bytes of one file come in order and without gaps; only those of extents that overlap come interleaved.
 *
 * Errors: CapstanError `file-changed` when a host file is not of its size any more, `os-…` when it cannot be read,
 * `content-truncated` when a stream ends within a file; InterruptedError.
 */
export async function emitContents(files: readonly ContentSource[], options: EmitOptions): Promise<void> {
  const emission = new Emission(files, options);
  await emission.turn();
  const extents: number[] = [];
  for (const [index, file] of files.entries()) {
    if (file.content.kind === "extent") extents.push(index);
    else await emission.file(index, file);
  }
  for (const [stream, indexes] of groupByStream(files, extents)) await emission.stream(stream, indexes);
  options.onProgress?.(emission.total, emission.total);
}

/**
 * The order in which `emitContents` writes the files, as indexes: first those that can be read at any place, as they
 * are given; then stream after stream, as they first occur, each from its start to its end.
 */
export function emissionOrder(files: readonly ContentSource[]): number[] {
  const order: number[] = [];
  const extents: number[] = [];
  for (let index = 0; index < files.length; index++) {
    (files[index]?.content.kind === "extent" ? extents : order).push(index);
  }
  for (const indexes of groupByStream(files, extents).values()) for (const index of indexes) order.push(index);
  return order;
}

/** The host is asked in pieces of this size, and the event loop gets its turn between a few of them. */
const READ_SIZE = MiB;
const BYTES_BETWEEN_TURNS = 8 * MiB;
const FILES_BETWEEN_TURNS = 500;

class Emission {
  readonly total: number;
  readonly #files: readonly ContentSource[];
  readonly #options: EmitOptions;
  readonly #buffer = Buffer.allocUnsafeSlow(READ_SIZE);
  #done = 0;
  #bytesThisTurn = 0;
  #filesThisTurn = 0;

  constructor(files: readonly ContentSource[], options: EmitOptions) {
    this.#files = files;
    this.#options = options;
    this.total = files.reduce((sum, file) => sum + file.size, 0);
  }

  async file(index: number, { size, content }: ContentSource): Promise<void> {
    switch (content.kind) {
      case "bytes":
        await this.#bytes(index, size, content.bytes);
        break;
      case "host":
        await this.#host(index, size, content.path);
        break;
      case "device":
        await this.#device(index, size, content);
        break;
      default:
        throw new TypeError("the bytes of an extent come with its stream");
    }
    if (++this.#filesThisTurn >= FILES_BETWEEN_TURNS) await this.turn();
  }

  /** Takes all the extents of one stream as its chunks pass by; `indexes` are in the order of their offsets. */
  async stream(stream: ContentStream, indexes: readonly number[]): Promise<void> {
    const extents = indexes.map((index) => this.#extent(index)).filter(({ start, end }) => end > start);
    if (extents.length === 0) return;
    let active: Extent[] = [];
    let next = 0;
    let position = 0;
    for await (const bytes of stream.open(this.#options.signal)) {
      const chunk: Chunk = { bytes, start: position, end: position + bytes.length };
      const unfinished: Extent[] = [];
      for (const extent of active) if (!(await this.#part(extent, chunk))) unfinished.push(extent);
      for (let extent = extents[next]; extent !== undefined && extent.start < chunk.end; extent = extents[++next]) {
        if (!(await this.#part(extent, chunk))) unfinished.push(extent);
      }
      active = unfinished;
      position = chunk.end;
      if (active.length === 0 && next === extents.length) return;
    }
    throw new CapstanError(`${quotePath(stream.name)} is cut off: it ends within the content of a file`, {
      code: "content-truncated",
      hint: "Get it once more, or build it anew.",
    });
  }

  /** Lets the event loop run, so that a signal can arrive, and looks for one. */
  async turn(): Promise<void> {
    this.#bytesThisTurn = 0;
    this.#filesThisTurn = 0;
    await setImmediate();
    checkAborted(this.#options.signal);
    this.#options.onProgress?.(this.#done, this.total);
  }

  async #bytes(index: number, size: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length !== size) throw new RangeError(`${bytes.length} bytes for a file of ${size}`);
    if (size > 0) await this.#emit(index, bytes, 0);
  }

  async #host(index: number, size: number, path: string): Promise<void> {
    const file = openHost(path);
    try {
      for (let done = 0; ; ) {
        // One byte more than there should be is asked for: the read that gets the last bytes shows that there are no others.
        const wanted = Math.min(READ_SIZE, size + 1 - done);
        const count = readHost(file, this.#buffer, { length: wanted, path });
        if (done + count > size) throw changed(path, `it has grown beyond ${size} bytes`);
        if (count > 0) await this.#emit(index, this.#buffer.subarray(0, count), done);
        done += count;
        if (done === size && count < wanted) return;
        if (count === 0) throw changed(path, `it has ${done} bytes instead of ${size}`);
      }
    } finally {
      closeSync(file);
    }
  }

  async #device(index: number, size: number, { device, offset }: Extract<Content, { kind: "device" }>): Promise<void> {
    for (let done = 0; done < size; ) {
      const chunk = this.#buffer.subarray(0, Math.min(READ_SIZE, size - done));
      device.read(chunk, offset + done);
      await this.#emit(index, chunk, done);
      done += chunk.length;
    }
  }

  /** Hands on what of the extent lies in the chunk; true when that was the last of it. */
  async #part(extent: Extent, chunk: Chunk): Promise<boolean> {
    const start = Math.max(extent.start, chunk.start);
    const end = Math.min(extent.end, chunk.end);
    if (end > start) {
      const bytes = chunk.bytes.subarray(start - chunk.start, end - chunk.start);
      await this.#emit(extent.index, bytes, start - extent.start);
    }
    if (end < extent.end) return false;
    if (++this.#filesThisTurn >= FILES_BETWEEN_TURNS) await this.turn();
    return true;
  }

  async #emit(index: number, chunk: Uint8Array, offset: number): Promise<void> {
    const pending = this.#options.write(index, chunk, offset);
    if (pending !== undefined) await pending;
    this.#done += chunk.length;
    this.#bytesThisTurn += chunk.length;
    if (this.#bytesThisTurn >= BYTES_BETWEEN_TURNS) await this.turn();
  }

  #extent(index: number): Extent {
    const file = this.#files[index];
    if (file?.content.kind !== "extent") throw new TypeError(`file ${index} is no extent`);
    return { index, start: file.content.offset, end: file.content.offset + file.size };
  }
}

interface Extent {
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

interface Chunk {
  readonly bytes: Uint8Array;
  /** Where in its stream it lies. */
  readonly start: number;
  readonly end: number;
}

/** The streams in the order in which they occur, each with its files in the order of their offsets. */
function groupByStream(files: readonly ContentSource[], extents: readonly number[]): Map<ContentStream, number[]> {
  const groups = new Map<ContentStream, number[]>();
  for (const index of extents) {
    const content = files[index]?.content;
    if (content?.kind !== "extent") continue;
    const group = groups.get(content.stream);
    if (group === undefined) groups.set(content.stream, [index]);
    else group.push(index);
  }
  const offset = (index: number): number => {
    const content = files[index]?.content;
    return content?.kind === "extent" ? content.offset : 0;
  };
  for (const group of groups.values()) group.sort((a, b) => offset(a) - offset(b));
  return groups;
}

/** Links that are to be followed were resolved when the tree was made: one that is here now is not what was looked at. */
function openHost(path: string): number {
  // O_NONBLOCK: opening what has become a FIFO since it was looked at must not wait for a writer.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
  try {
    return openSync(hostPath(path), flags);
  } catch (error) {
    if (isErrno(error, "ELOOP")) throw changed(path, "it has become a link");
    throw hostError(error, path);
  }
}

function readHost(file: number, target: Uint8Array, { length, path }: { length: number; path: string }): number {
  try {
    return readSync(file, target, 0, length, null);
  } catch (error) {
    throw hostError(error, path);
  }
}

function changed(path: string, how: string): CapstanError {
  return new CapstanError(`${quotePath(path)} has changed while it was read: ${how}`, {
    code: "file-changed",
    hint: "Try again when nothing writes to it.",
  });
}
