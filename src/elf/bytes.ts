import { isUtf8 } from "node:buffer";

import type { ReadableDevice } from "../filesystems/device.ts";
import { quotePath } from "../filesystems/names.ts";
import { KiB, MiB } from "../support/bytes.ts";
import { CapstanError } from "../support/errors.ts";
import type { ElfFile } from "./elf-file.ts";
import { type ClassLayout, LAYOUT_32, LAYOUT_64 } from "./layout.ts";

export interface ElfFormat extends Pick<ElfFile, "bits" | "byteOrder"> {
  readonly path: string;
}

/** No table that loading needs is larger, not even in a browser. */
const MAX_TABLE = 256 * MiB;
/** Small reads are served from pieces of this size, so that a file's headers cost few system calls. */
const PIECE = 8 * KiB;
const MAX_PIECES = 64;

/** The bytes of an ELF file in its own byte order and class. All that reads outside of the file is CapstanError `bad-elf`. */
export class ElfBytes {
  readonly format: ElfFormat;
  readonly layout: ClassLayout;
  readonly size: number;
  readonly #device: ReadableDevice;
  readonly #little: boolean;
  readonly #pieces = new Map<number, Buffer>();

  constructor(device: ReadableDevice, format: ElfFormat) {
    this.format = format;
    this.layout = format.bits === 64 ? LAYOUT_64 : LAYOUT_32;
    this.size = device.size;
    this.#device = device;
    this.#little = format.byteOrder === "little";
  }

  /** `what` is the subject of the error: "the program headers". The buffer is not the caller's to change. */
  bytes(offset: number, length: number, what: string): Buffer {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      return this.bad(`${what} (${length} bytes at ${offset}) lie outside the file of ${this.size} bytes`);
    }
    if (length > MAX_TABLE) this.bad(`${what} have ${length} bytes at ${offset}, more than any program needs`);
    const number = Math.floor(offset / PIECE);
    const within = offset - number * PIECE;
    return within + length > PIECE ? this.#read(offset, length) : this.#piece(number).subarray(within, within + length);
  }

  /** The text at `offset` up to its NUL, which must come before `end` and within `limit` bytes. */
  text(offset: number, { end, limit, what }: { end: number; limit: number; what: string }): string {
    const last = Math.min(end, this.size, offset + limit);
    const parts: Buffer[] = [];
    for (let at = offset; at < last; ) {
      const next = Math.min(last, (Math.floor(at / PIECE) + 1) * PIECE);
      const part = this.bytes(at, next - at, what);
      const nul = part.indexOf(0);
      if (nul >= 0) return decodeText(Buffer.concat([...parts, part.subarray(0, nul)]));
      parts.push(part);
      at = next;
    }
    return this.bad(`${what} at ${offset} does not end`);
  }

  u16(from: Buffer, at: number): number {
    return this.#little ? from.readUInt16LE(at) : from.readUInt16BE(at);
  }

  u32(from: Buffer, at: number): number {
    return this.#little ? from.readUInt32LE(at) : from.readUInt32BE(at);
  }

  /** Of the size of the class: an address, or a number that may be as large. */
  word(from: Buffer, at: number): bigint {
    if (this.layout.wordSize === 4) return BigInt(this.u32(from, at));
    return this.#little ? from.readBigUInt64LE(at) : from.readBigUInt64BE(at);
  }

  /** A word that is an offset, size or count. What no file can hold becomes the largest number, which every check refuses. */
  number(from: Buffer, at: number): number {
    return toNumber(this.word(from, at));
  }

  bad(why: string): never {
    throw badElf(this.format.path, why);
  }

  #piece(number: number): Buffer {
    const known = this.#pieces.get(number);
    if (known !== undefined) return known;
    if (this.#pieces.size >= MAX_PIECES) this.#pieces.clear();
    const piece = this.#read(number * PIECE, Math.min(PIECE, this.size - number * PIECE));
    this.#pieces.set(number, piece);
    return piece;
  }

  #read(offset: number, length: number): Buffer {
    const target = Buffer.allocUnsafeSlow(length);
    try {
      this.#device.read(target, offset);
    } catch (error) {
      if (error instanceof RangeError) this.bad(`it became shorter while its ${length} bytes at ${offset} were read`);
      throw error;
    }
    return target;
  }
}

export function toNumber(word: bigint): number {
  return word > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(word);
}

/** ELF says nothing of the encoding of names: UTF-8 where it is that, otherwise one character a byte. */
export function decodeText(bytes: Buffer): string {
  return bytes.toString(isUtf8(bytes) ? "utf8" : "latin1");
}

export function badElf(path: string, why: string): CapstanError {
  return new CapstanError(`${quotePath(path)} is a damaged ELF file: ${why}`, {
    code: "bad-elf",
    hint: "Install or build it anew; 'readelf -a' shows what is in it.",
  });
}
