import { MiB } from "../support/bytes.ts";
import type { ElfBytes } from "./bytes.ts";
import type { Dynamic } from "./dynamic.ts";
import { Tag } from "./layout.ts";

/** The types of all dynamic relocations. Errors: CapstanError `bad-elf`. */
export function readRelocationTypes(bytes: ElfBytes, dynamic: Dynamic | undefined): ReadonlySet<number> {
  const types = new Set<number>();
  const { bits, byteOrder } = bytes.format;
  // r_info: the type is in the low 32 bits of 64, or the low 8 of 32.
  const low = bits === 64 && byteOrder === "big" ? 4 : 0;
  const at = bytes.layout.relocation.info + low;
  eachEntry(bytes, dynamic, (part, entry) => {
    const info = bytes.u32(part, entry + at);
    types.add(bits === 64 ? info : info & 0xff);
  });
  return types;
}

/** The addresses that dynamic relocations write to, in the object's own numbers, in no order. Errors: CapstanError `bad-elf`. */
export function readRelocatedAddresses(bytes: ElfBytes, dynamic: Dynamic | undefined): readonly number[] {
  const addresses: number[] = [];
  const add = (address: number) => {
    if (addresses.push(address) > MOST) bytes.bad("it has more relocations than any program");
  };
  eachEntry(bytes, dynamic, (part, entry) => add(bytes.number(part, entry)));
  if (dynamic !== undefined) eachPacked(bytes, dynamic, add);
  return addresses;
}

/** Browsers have a million or so; packed ones would fill a machine's memory from a small file. */
const MOST = 8_000_000;

function eachEntry(bytes: ElfBytes, dynamic: Dynamic | undefined, visit: (part: Buffer, entry: number) => void): void {
  if (dynamic === undefined) return;
  const { rel, rela } = bytes.layout.relocation;
  for (const [tag, sizeTag, entrySize] of [
    [Tag.rela, Tag.relasz, rela],
    [Tag.rel, Tag.relsz, rel],
    [Tag.jmprel, Tag.pltrelsz, dynamic.number(Tag.pltrel) === Tag.rel ? rel : rela],
  ] as const) {
    const size = dynamic.number(sizeTag);
    const start = size === 0 ? undefined : dynamic.place(tag, "its relocations");
    if (start === undefined) continue;
    const step = Math.floor(MiB / entrySize) * entrySize;
    for (let from = start; from < start + size; from += step) {
      const part = bytes.bytes(from, Math.min(step, start + size - from), "its relocations");
      for (let entry = 0; entry + entrySize <= part.length; entry += entrySize) visit(part, entry);
    }
  }
}

/**
 * DT_RELR, gABI: an even word is an address; an odd one has a bit for each of the words that follow, from bit 1 on, and stands for
 * one word less than it has bits.
 */
function eachPacked(bytes: ElfBytes, dynamic: Dynamic, visit: (address: number) => void): void {
  const size = dynamic.number(Tag.relrsz);
  const start = size === 0 ? undefined : dynamic.place(Tag.relr, "its packed relocations");
  if (start === undefined) return;
  const { wordSize } = bytes.layout;
  const table = bytes.bytes(start, size, "its packed relocations");
  let next = 0;
  for (let at = 0; at + wordSize <= table.length; at += wordSize) {
    const entry = bytes.word(table, at);
    if ((entry & 1n) === 0n) {
      visit(Number(entry));
      next = Number(entry) + wordSize;
      continue;
    }
    for (let bit = 1; bit < wordSize * 8; bit++) {
      if ((entry >> BigInt(bit)) & 1n) visit(next + (bit - 1) * wordSize);
    }
    next += (wordSize * 8 - 1) * wordSize;
  }
}
