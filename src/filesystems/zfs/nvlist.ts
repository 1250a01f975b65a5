import { isUtf8 } from "node:buffer";

import { roundUp } from "../../support/bytes.ts";
import { asBuffer } from "./integers.ts";

/**
 * Lists of named values in the XDR encoding: labels and the configuration in the MOS. Decoding gives a bigint only for
 * numbers beyond 2^53. Source: OSv's common/nvpair/nvpair.c, and RFC 4506.
 */
export type NvList = ReadonlyMap<string, NvValue>;
export type NvValue = number | bigint | string | boolean | NvList | readonly NvList[];

/** Errors of decoding: what is wrong, for a message. */
export class NvListError extends Error {}

/** With the four bytes that say the encoding. A boolean `true` has no value on disk, `false` cannot be written. */
export function encodeNvList(list: NvList): Buffer {
  return Buffer.concat([XDR_HEADER, encodeEmbedded(list)]);
}

/** Decodes the list at the start of `source`. Pairs of types that are not of use here are left out. Error: NvListError. */
export function decodeNvList(source: Uint8Array): NvList {
  const bytes = asBuffer(source);
  if (bytes.length < 4 || bytes[0] !== XDR_HEADER[0]) throw new NvListError("its encoding is not XDR");
  return new Decoder(bytes).list(4, 0).list;
}

/** Encoding XDR, written by a little-endian machine. */
const XDR_HEADER = Buffer.from([1, 1, 0, 0]);
/** NV_VERSION and NV_UNIQUE_NAME. */
const LIST_HEADER = Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]);
const LIST_END = Buffer.alloc(8);

/** nvpair.h: enum data_type. */
const DataType = { boolean: 1, uint64: 8, string: 9, nvlist: 19, nvlistArray: 20 } as const;

function encodeEmbedded(list: NvList): Buffer {
  const pairs = [...list].map(([name, value]) => encodePair(name, value));
  return Buffer.concat([LIST_HEADER, ...pairs, LIST_END]);
}

function encodePair(name: string, value: NvValue): Buffer {
  const { type, count, bytes, decodedSize } = encodeValue(value);
  const body = Buffer.concat([xdrString(name), u32(type), u32(count), bytes]);
  // i_decode: what the pair takes in memory, NV_ALIGN of a header of 16 bytes and the name, and the value.
  const decoded = roundUp(16 + Buffer.byteLength(name) + 1, 8) + decodedSize;
  return Buffer.concat([u32(body.length + 8), u32(decoded), body]);
}

function encodeValue(value: NvValue): { type: number; count: number; bytes: Buffer; decodedSize: number } {
  if (typeof value === "string") {
    const decodedSize = roundUp(Buffer.byteLength(value) + 1, 8);
    return { type: DataType.string, count: 1, bytes: xdrString(value), decodedSize };
  }
  if (typeof value === "number" || typeof value === "bigint") {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(value));
    return { type: DataType.uint64, count: 1, bytes, decodedSize: 8 };
  }
  if (typeof value === "boolean") {
    if (!value) throw new TypeError("an nvlist holds no false");
    return { type: DataType.boolean, count: 0, bytes: Buffer.alloc(0), decodedSize: 0 };
  }
  if (isListArray(value)) {
    const bytes = Buffer.concat(value.map(encodeEmbedded));
    return { type: DataType.nvlistArray, count: value.length, bytes, decodedSize: 32 * value.length };
  }
  return { type: DataType.nvlist, count: 1, bytes: encodeEmbedded(value), decodedSize: 24 };
}

function isListArray(value: NvList | readonly NvList[]): value is readonly NvList[] {
  return Array.isArray(value);
}

/** Length, bytes, and zeros up to a multiple of 4. */
function xdrString(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([u32(bytes.length), bytes, Buffer.alloc(roundUp(bytes.length, 4) - bytes.length)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Of lists in lists; a pool of OSv has 4. */
const MAX_DEPTH = 16;

class Decoder {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The list at `start`, and where it ends. */
  list(start: number, depth: number): { list: NvList; end: number } {
    if (depth > MAX_DEPTH) throw new NvListError("lists are nested too deeply");
    const list = new Map<string, NvValue>();
    let at = start + 8; // version and flags
    for (;;) {
      const size = this.#u32(at);
      if (size === 0) return { list, end: at + 8 };
      // The smallest pair: sizes, name, type and count.
      if (size < 20 || at + size > this.#bytes.length) throw new NvListError(`a pair has ${size} bytes`);
      this.#pair(list, at + 8, depth);
      at += size;
    }
  }

  #pair(list: Map<string, NvValue>, at: number, depth: number): void {
    const { text: name, end } = this.#string(at);
    const type = this.#u32(end);
    const count = this.#u32(end + 4);
    const value = this.#value(type, { count, at: end + 8, depth });
    if (value !== undefined) list.set(name, value);
  }

  #value(type: number, { count, at, depth }: { count: number; at: number; depth: number }): NvValue | undefined {
    switch (type) {
      case DataType.boolean:
        return true;
      case DataType.uint64:
        return this.#u64(at);
      case DataType.string:
        return this.#string(at).text;
      case DataType.nvlist:
        return this.list(at, depth + 1).list;
      case DataType.nvlistArray:
        return this.#lists(at, count, depth);
      default:
        return undefined;
    }
  }

  #lists(at: number, count: number, depth: number): readonly NvList[] {
    const lists: NvList[] = [];
    let start = at;
    // Each list takes 16 bytes at least, so a wild count soon meets the end.
    for (let index = 0; index < count; index++) {
      const { list, end } = this.list(start, depth + 1);
      lists.push(list);
      start = end;
    }
    return lists;
  }

  #string(at: number): { text: string; end: number } {
    const length = this.#u32(at);
    const end = at + 4 + roundUp(length, 4);
    if (end > this.#bytes.length) throw new NvListError(`a string has ${length} bytes`);
    const bytes = this.#bytes.subarray(at + 4, at + 4 + length);
    if (!isUtf8(bytes)) throw new NvListError("a string is not UTF-8");
    return { text: bytes.toString("utf8"), end };
  }

  #u64(at: number): number | bigint {
    if (at + 8 > this.#bytes.length) throw new NvListError("it is cut off");
    const value = this.#bytes.readBigUInt64BE(at);
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }

  #u32(at: number): number {
    if (at + 4 > this.#bytes.length) throw new NvListError("it is cut off");
    return this.#bytes.readUInt32BE(at);
  }
}
