import { setImmediate } from "node:timers/promises";
import { MiB } from "../support/bytes.ts";
import { checkAborted } from "../support/errors.ts";
import { type EmitOptions, emitContents } from "./content.ts";
import type { ReadableDevice } from "./device.ts";
import type { ContentStream, FileEntry } from "./filetree.ts";

/** Bytes that need not be read anew, as an older image has them. */
export interface Reuse {
  /** The partition of the older image. */
  readonly device: ReadableDevice;
  /** Where on it the bytes of the file lie in one piece; undefined where they are not known to be the same. */
  readonly place: (file: FileEntry) => number | undefined;
}

export interface PlannedEmission extends EmitOptions {
  readonly reuse?: Reuse | undefined;
  readonly run: RunOptions;
}

export interface RunOptions {
  /** How many bytes file `index` takes up where it lies in one piece: its size, and its padding. */
  readonly spanOf: (index: number) => number;
  /** Takes a run. Yields how many bytes it took, a few MiB at a time: others get their turn in between. */
  readonly copy: (run: Run) => Iterable<number>;
}

/** Files that lie in the older image one right behind the other, as they are to lie in the new one, padding included. */
export interface Run {
  readonly device: ReadableDevice;
  /** Where on it the first one lies. */
  readonly place: number;
  /** Of `files`; none of them is empty. */
  readonly indexes: readonly number[];
  /** The spans of all of them together. */
  readonly length: number;
}

/**
 * As `emitContents`, for files that are in the order of `emissionOrder`: they come strictly in this order, but those that
 * an older image has are read there. So what is written is the same, byte for byte.
 */
export async function emitPlanned(files: readonly FileEntry[], options: PlannedEmission): Promise<void> {
  const { reuse } = options;
  if (reuse === undefined) return await emitContents(files, options);
  const places = placesOf(files, reuse, options.run);
  const progress = new Progress(files, options);
  for (let index = 0; index < files.length; ) {
    const isKnown = (places[index] ?? UNKNOWN) !== UNKNOWN;
    const indexes = isKnown
      ? runFrom(index, { files, places, run: options.run })
      : unknownFrom(index, { files, places });
    index = (indexes.at(-1) ?? index) + 1;
    if (isKnown) await copyRun(indexes, { places, device: reuse.device, run: options.run, progress });
    else await emitAnew(indexes, { files, options, progress });
  }
  progress.end();
}

/** In place of a number: the file is read where it lies. */
const UNKNOWN = -1;

/**
 * Where the older image has each file. A stream of which something is needed passes by anyway, with all that it has. So does
 * one whose files overlap: their bytes come interleaved, which makes another order of writes.
 */
function placesOf(files: readonly FileEntry[], { device, place }: Reuse, { spanOf }: RunOptions): Float64Array {
  const places = new Float64Array(files.length).fill(UNKNOWN);
  const needed = new Set<ContentStream>();
  const ends = new Map<ContentStream, number>();
  let index = -1;
  for (const file of files) {
    index++;
    const { size, content } = file;
    if (size === 0) continue;
    const found = place(file);
    const isInside = found !== undefined && found + spanOf(index) <= device.size;
    if (isInside) places[index] = found;
    if (content.kind !== "extent") continue;
    if (!isInside || content.offset < (ends.get(content.stream) ?? 0)) needed.add(content.stream);
    ends.set(content.stream, content.offset + size);
  }
  if (needed.size === 0) return places;
  for (const [index, { content }] of files.entries()) {
    if (content.kind === "extent" && needed.has(content.stream)) places[index] = UNKNOWN;
  }
  return places;
}

interface Placed {
  readonly files: readonly FileEntry[];
  readonly places: Float64Array;
}

/** Empty files in between do not end it. */
function runFrom(first: number, { files, places, run }: Placed & { readonly run: RunOptions }): number[] {
  const indexes = [first];
  let end = (places[first] ?? 0) + run.spanOf(first);
  for (let index = first + 1; index < files.length; index++) {
    if (files[index]?.size === 0) continue;
    if (places[index] !== end) break;
    indexes.push(index);
    end += run.spanOf(index);
  }
  return indexes;
}

function unknownFrom(first: number, { files, places }: Placed): number[] {
  const indexes: number[] = [];
  for (let index = first; index < files.length && places[index] === UNKNOWN; index++) indexes.push(index);
  return indexes;
}

interface RunSource {
  readonly places: Float64Array;
  readonly device: ReadableDevice;
  readonly run: RunOptions;
  readonly progress: Progress;
}

async function copyRun(indexes: readonly number[], { places, device, run, progress }: RunSource): Promise<void> {
  const length = indexes.reduce((sum, index) => sum + run.spanOf(index), 0);
  const place = places[indexes[0] ?? 0] ?? 0;
  for (const bytes of run.copy({ device, place, indexes, length })) await progress.copied(bytes);
  progress.ended(indexes);
}

interface Anew {
  readonly files: readonly FileEntry[];
  readonly options: PlannedEmission;
  readonly progress: Progress;
}

async function emitAnew(indexes: readonly number[], { files, options, progress }: Anew): Promise<void> {
  const members = indexes.flatMap((index) => files[index] ?? []);
  await emitContents(members, {
    write: (number, chunk, offset) => options.write(indexes[number] ?? 0, chunk, offset),
    signal: options.signal,
    onProgress: (part) => progress.show(part),
  });
  progress.ended(indexes);
}

const BYTES_BETWEEN_TURNS = 8 * MiB;

/** How far all of it is; gives others their turn. */
class Progress {
  readonly #files: readonly FileEntry[];
  readonly #options: EmitOptions;
  readonly #total: number;
  #done = 0;
  #inRun = 0;
  #sinceTurn = 0;

  constructor(files: readonly FileEntry[], options: EmitOptions) {
    this.#files = files;
    this.#options = options;
    this.#total = files.reduce((sum, { size }) => sum + size, 0);
  }

  async copied(bytes: number): Promise<void> {
    this.#inRun += bytes;
    this.#sinceTurn += bytes;
    if (this.#sinceTurn < BYTES_BETWEEN_TURNS) return;
    this.#sinceTurn = 0;
    await setImmediate();
    checkAborted(this.#options.signal);
    this.show(this.#inRun);
  }

  ended(indexes: readonly number[]): void {
    this.#inRun = 0;
    for (const index of indexes) this.#done += this.#files[index]?.size ?? 0;
  }

  /** `part`: of what has not ended, in bytes; padding may count. */
  show(part: number): void {
    this.#options.onProgress?.(Math.min(this.#total, this.#done + part), this.#total);
  }

  end(): void {
    this.show(0);
    checkAborted(this.#options.signal);
  }
}
