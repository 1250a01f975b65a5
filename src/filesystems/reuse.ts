import { setImmediate } from "node:timers/promises";
import { MiB } from "../support/bytes.ts";
import { checkAborted } from "../support/errors.ts";
import { type ContentSource, type EmitOptions, emitContents } from "./content.ts";
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
  /**
   * Takes files that lie in the older image one behind the other as they are to lie in the new one, with what is between
   * them: `bytes` begin `offset` bytes behind the start of file `first`. Without it, they come file by file.
   */
  readonly run?: RunOptions | undefined;
}

export interface RunOptions {
  /** Where each file is to lie, in bytes: of the indexes of `files`. */
  readonly startOf: (index: number) => number;
  /** Where the padding of a file ends that ends at `end`. */
  readonly paddedEnd: (end: number) => number;
  readonly write: (first: number, bytes: Uint8Array, offset: number) => void;
}

/**
 * As `emitContents`, for files that are in the order of `emissionOrder`: they come strictly in this order, but those that
 * an older image has are read there. So what is written is the same, byte for byte and write for write.
 */
export async function emitPlanned(files: readonly FileEntry[], options: PlannedEmission): Promise<void> {
  const { reuse } = options;
  if (reuse === undefined) return await emitContents(files, options);
  const device = new ReadAhead(reuse.device);
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const onProgress = (part: number) => options.onProgress?.(done + part, total);
  for (const members of segmentsOf(placed(files, reuse), options.run)) {
    const place = members[0]?.place;
    if (place !== undefined && options.run !== undefined) {
      await copyRun({ place, members }, { device: reuse.device, run: options.run }, options);
    } else {
      const write: EmitOptions["write"] = (number, chunk, offset) =>
        options.write(members[number]?.index ?? 0, chunk, offset);
      const contents = members.map((member) => fromDevice(member, device));
      await emitContents(contents, { write, signal: options.signal, onProgress });
    }
    done += members.reduce((sum, { file }) => sum + file.size, 0);
    onProgress(0);
  }
}

/** A file that is not empty. */
interface Placed {
  readonly file: FileEntry;
  readonly index: number;
  /** Where it lies in the older image; undefined for one that is read where it lies. */
  readonly place: number | undefined;
}

function fromDevice({ file, place }: Placed, device: ReadableDevice): ContentSource {
  return place === undefined ? file : { size: file.size, content: { kind: "device", device, offset: place } };
}

/**
 * What the older image has. A stream of which something is needed passes by anyway, with all that it has. So does one whose
 * files overlap: their bytes come interleaved, which makes another order of writes.
 */
function placed(files: readonly FileEntry[], reuse: Reuse): Placed[] {
  const found = files.flatMap((file, index) => (file.size === 0 ? [] : [{ file, index, place: reuse.place(file) }]));
  const needed = new Set<ContentStream>();
  const ends = new Map<ContentStream, number>();
  for (const { file, place } of found) {
    if (file.content.kind !== "extent") continue;
    const { stream, offset } = file.content;
    if (place === undefined || offset < (ends.get(stream) ?? 0)) needed.add(stream);
    ends.set(stream, offset + file.size);
  }
  return found.map((one) => {
    const { content } = one.file;
    return content.kind === "extent" && needed.has(content.stream) ? { ...one, place: undefined } : one;
  });
}

/**
 * Neighbours that are handled together. In runs: files that are read anew, and files that lie to each other in the older
 * image as they are to lie in the new one. Without: extents, which come behind all else that is emitted with them, and all others.
 */
function* segmentsOf(all: readonly Placed[], run: RunOptions | undefined): Generator<readonly Placed[]> {
  const key = ({ file, index, place }: Placed) => {
    if (run === undefined) return place === undefined && file.content.kind === "extent";
    return place === undefined ? undefined : place - run.startOf(index);
  };
  let members: Placed[] = [];
  for (const one of all) {
    const [first] = members;
    if (first !== undefined && key(one) !== key(first)) {
      yield members;
      members = [];
    }
    members.push(one);
  }
  if (members.length > 0) yield members;
}

interface RunSource {
  readonly device: ReadableDevice;
  readonly run: RunOptions;
}

const PIECE = MiB;
const BYTES_BETWEEN_TURNS = 8 * MiB;

async function copyRun(
  { place, members }: { readonly place: number; readonly members: readonly Placed[] },
  { device, run }: RunSource,
  { signal }: EmitOptions,
): Promise<void> {
  const [first, last] = [members[0], members.at(-1)];
  if (first === undefined || last === undefined) return;
  const length = run.paddedEnd(run.startOf(last.index) + last.file.size) - run.startOf(first.index);
  const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE, length));
  for (let done = 0; done < length; ) {
    const piece = buffer.subarray(0, Math.min(PIECE, length - done));
    device.read(piece, place + done);
    run.write(first.index, piece, done);
    done += piece.length;
    if (done % BYTES_BETWEEN_TURNS < PIECE) await setImmediate();
    checkAborted(signal);
  }
}

/** Small files that lie near to each other are read together. */
class ReadAhead implements ReadableDevice {
  readonly size: number;
  readonly #device: ReadableDevice;
  readonly #buffer = Buffer.allocUnsafeSlow(PIECE);
  #start = 0;
  #end = 0;

  constructor(device: ReadableDevice) {
    this.#device = device;
    this.size = device.size;
  }

  read(target: Uint8Array, offset: number): void {
    if (target.length > PIECE / 4 || offset + target.length > this.size) {
      this.#device.read(target, offset);
      return;
    }
    if (offset < this.#start || offset + target.length > this.#end) this.#fill(offset);
    target.set(this.#buffer.subarray(offset - this.#start, offset - this.#start + target.length));
  }

  #fill(offset: number): void {
    const length = Math.min(PIECE, this.size - offset);
    this.#end = 0;
    this.#device.read(this.#buffer.subarray(0, length), offset);
    this.#start = offset;
    this.#end = offset + length;
  }
}
