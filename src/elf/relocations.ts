import { MiB } from "../support/bytes.ts";
import type { ElfBytes } from "./bytes.ts";
import type { Dynamic } from "./dynamic.ts";
import { Tag } from "./layout.ts";

/** The types of all dynamic relocations. Errors: CapstanError `bad-elf`. */
export function readRelocationTypes(bytes: ElfBytes, dynamic: Dynamic | undefined): ReadonlySet<number> {
  const types = new Set<number>();
  if (dynamic === undefined) return types;
  const { rel, rela } = bytes.layout.relocation;
  for (const [tag, sizeTag, entrySize] of [
    [Tag.rela, Tag.relasz, rela],
    [Tag.rel, Tag.relsz, rel],
    [Tag.jmprel, Tag.pltrelsz, dynamic.number(Tag.pltrel) === Tag.rel ? rel : rela],
  ] as const) {
    const size = dynamic.number(sizeTag);
    const start = size === 0 ? undefined : dynamic.place(tag, "its relocations");
    if (start !== undefined) collect(bytes, { start, end: start + size, entrySize }, types);
  }
  return types;
}

interface Table {
  readonly start: number;
  readonly end: number;
  readonly entrySize: number;
}

/** r_info: the type is in the low 32 bits of 64, or the low 8 of 32. */
function collect(bytes: ElfBytes, { start, end, entrySize }: Table, types: Set<number>): void {
  const { bits, byteOrder } = bytes.format;
  const step = Math.floor(MiB / entrySize) * entrySize;
  const low = bits === 64 && byteOrder === "big" ? 4 : 0;
  const at = bytes.layout.relocation.info + low;
  for (let from = start; from < end; from += step) {
    const part = bytes.bytes(from, Math.min(step, end - from), "its relocations");
    for (let entry = 0; entry + entrySize <= part.length; entry += entrySize) {
      const info = bytes.u32(part, entry + at);
      types.add(bits === 64 ? info : info & 0xff);
    }
  }
}
