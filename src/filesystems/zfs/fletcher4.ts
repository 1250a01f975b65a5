import { roundUp } from "../../support/bytes.ts";

/**
 * The checksum of ZFS over blocks that lie in the linear memory of a WebAssembly instance: 64-bit sums are too slow in
 * JavaScript, and a block that is read into this memory and written from there is copied once.
 *
 * Format: the words w of the input (u32, little-endian) go into four sums, a += w, b += a, c += b, d += c, modulo 2^64
 * (OSv's common/zfs/zfs_fletcher.c, which has fletcher2 as well).
 */
export class Fletcher4 {
  /** The linear memory. It never grows, so views of it stay. */
  readonly memory: Uint8Array;
  readonly #result: Uint8Array;
  readonly #run: Functions;

  /** `bytes`: how much memory, rounded up to pages of 64 KiB. */
  constructor(bytes: number) {
    const size = roundUp(Math.max(bytes, 1), PAGE_SIZE);
    const pages = size / PAGE_SIZE + 1;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.memory = new Uint8Array(memory.buffer, 0, size);
    this.#result = new Uint8Array(memory.buffer, size, 32);
    this.#run = new WebAssembly.Instance(compiled(), { m: { m: memory } }).exports as Functions;
  }

  /** Writes the checksum of memory[offset, offset + length) to `target`, as four u64. `length` is a multiple of 4. */
  sum(offset: number, length: number, target: Uint8Array, targetOffset: number): void {
    this.#checkRange(offset, length, 4);
    this.#run.fletcher4(offset, offset + length - (length % UNROLLED), offset + length, this.#result.byteOffset);
    target.set(this.#result, targetOffset);
  }

  /** The same with fletcher2, of which only old pools have blocks. `length` is a multiple of 16. */
  sumFletcher2(offset: number, length: number, target: Uint8Array, targetOffset: number): void {
    this.#checkRange(offset, length, 16);
    this.#run.fletcher2(offset, offset + length - (length % UNROLLED), offset + length, this.#result.byteOffset);
    target.set(this.#result, targetOffset);
  }

  #checkRange(offset: number, length: number, unit: number): void {
    if (offset < 0 || length < 0 || offset + length > this.memory.length || length % unit !== 0) {
      throw new RangeError(`no checksum of ${length} bytes at ${offset}`);
    }
  }
}

/** What the module exports. */
type Functions = Record<
  "fletcher4" | "fletcher2",
  (from: number, unrolledEnd: number, end: number, to: number) => void
>;

/** The checksum of some bytes, a multiple of 4; they are copied for it. */
export function fletcher4(bytes: Uint8Array): Uint8Array {
  const instance = new Fletcher4(bytes.length);
  instance.memory.set(bytes);
  const sum = new Uint8Array(32);
  instance.sum(0, bytes.length, sum, 0);
  return sum;
}

const PAGE_SIZE = 65536;

/** What is used of it here: neither lib.es2023 nor Node's types have it. */
declare const WebAssembly: {
  Memory: new (limits: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: object };
};

let module: object | undefined;

function compiled(): object {
  module ??= new WebAssembly.Module(assemble());
  return module;
}

/** Bytes that a round of the fast loop takes. */
const UNROLLED = 64;

/*
 * (module
 *   (import "m" "m" (memory 1))
 *   (func (export "fletcher4") (param $from i32) (param $unrolledEnd i32) (param $end i32) (param $to i32)
 *     (local $a i64) (local $b i64) (local $c i64) (local $d i64)
 *     (block (loop
 *       (br_if 1 (i32.ge_u (local.get $from) (local.get $unrolledEnd)))
 *       ;; 16 times, with offset 0, 4, … 60
 *       (local.set $d (i64.add (local.tee $c (i64.add (local.tee $b (i64.add (local.tee $a (i64.add
 *         (i64.load32_u offset=0 (local.get $from)) (local.get $a))) (local.get $b))) (local.get $c))) (local.get $d)))
 *       (local.set $from (i32.add (local.get $from) (i32.const 64)))
 *       (br 0)))
 *     ;; the same loop with one word a round, until $end
 *     (i64.store offset=0 (local.get $to) (local.get $a)) …)
 *   (func (export "fletcher2") …)) ;; the same, with the words of two u64: a += x, b += y, c += a, d += b
 */
function assemble(): Uint8Array {
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // \0asm, version 1
    ...section(1, [1, 0x60, 4, I32, I32, I32, I32, 0]), // one type: four i32, no result
    ...section(2, [1, ...name("m"), ...name("m"), 2, 0, 1]), // a memory of at least a page
    ...section(3, [2, 0, 0]), // two functions of type 0
    ...section(7, [2, ...name("fletcher4"), 0, 0, ...name("fletcher2"), 0, 1]),
    ...section(10, [2, ...checksum(addWord, 4), ...checksum(addPair, 16)]),
  ]);
}

const [I32, I64] = [0x7f, 0x7e];
/** Numbers of the locals; the first four are the parameters. */
const [FROM, UNROLLED_END, END, TO, A, B, C, D] = [0, 1, 2, 3, 4, 5, 6, 7];

/** A function body; `add(offset)` takes the `unit` bytes at $from + offset into the sums. */
function checksum(add: (offset: number) => number[], unit: number): number[] {
  const unrolled = Array.from({ length: UNROLLED / unit }, (_, index) => add(index * unit)).flat();
  const body = [
    ...[1, 4, I64], // locals: 4 × i64
    ...loop(UNROLLED_END, unrolled, UNROLLED),
    ...loop(END, add(0), unit),
    ...[A, B, C, D].flatMap((sum, index) => [...get(TO), ...get(sum), 0x37, 3, ...leb(8 * index)]), // i64.store
    0x0b, // end
  ];
  return [...leb(body.length), ...body];
}

/** Until $from reaches `limit`. */
function loop(limit: number, work: readonly number[], step: number): number[] {
  return [
    ...[0x02, 0x40, 0x03, 0x40], // block, loop, without results
    ...[...get(FROM), ...get(limit), 0x4f, 0x0d, 1], // i32.ge_u, br_if 1
    ...work,
    ...[...get(FROM), 0x41, ...signedLeb(step), 0x6a, 0x21, FROM], // i32.const, i32.add, local.set
    ...[0x0c, 0, 0x0b, 0x0b], // br 0, end, end
  ];
}

/** Each sum grows by the one before it: what is on the stack after `local.tee`. */
function addWord(offset: number): number[] {
  const load = [...get(FROM), 0x35, 2, ...leb(offset)]; // i64.load32_u
  return [...load, ...[A, B, C].flatMap((sum) => [...get(sum), ADD, TEE, sum]), ...get(D), ADD, SET, D];
}

function addPair(offset: number): number[] {
  return [
    [A, C, 0],
    [B, D, 8],
  ].flatMap(([sum = 0, second = 0, half = 0]) => [
    ...[...get(FROM), 0x29, 3, ...leb(offset + half)], // i64.load
    ...[...get(sum), ADD, TEE, sum, ...get(second), ADD, SET, second],
  ]);
}

const [GET, SET, TEE, ADD] = [0x20, 0x21, 0x22, 0x7c];

function get(local: number): number[] {
  return [GET, local];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

function name(text: string): number[] {
  return [text.length, ...Buffer.from(text)];
}

/** Unsigned LEB128. */
function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

/** Signed LEB128 of a number that is not negative: bit 6 of the last byte is its sign. */
function signedLeb(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signedLeb(value >>> 7)];
}
