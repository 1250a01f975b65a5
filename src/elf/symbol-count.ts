import type { ElfBytes } from "./bytes.ts";
import type { Dynamic } from "./dynamic.ts";
import type { Section } from "./headers.ts";
import { SHT_DYNSYM, Tag } from "./layout.ts";

export interface SymbolsPlace {
  /** Offset of the table in the file. */
  readonly start: number;
  readonly sections: readonly Section[];
}

/**
 * The number of dynamic symbols, which nothing says directly. In this order: DT_HASH, which has a chain for each symbol;
 * the section header, which a stripped file may lack; DT_GNU_HASH, whose last chain ends with the last symbol.
 * Errors: CapstanError `bad-elf`.
 */
export function countSymbols(bytes: ElfBytes, dynamic: Dynamic, { start, sections }: SymbolsPlace): number {
  return (
    countByHash(bytes, dynamic) ??
    countBySections(bytes, start, sections) ??
    Math.max(countByGnuHash(bytes, dynamic), countByNeighbour(bytes, dynamic, start))
  );
}

/** nbucket, nchain; alpha and s390x have words of 8 bytes there, whose halves would be 0 and a number. */
function countByHash(bytes: ElfBytes, dynamic: Dynamic): number | undefined {
  const place = dynamic.place(Tag.hash, "its hash table");
  if (place === undefined) return undefined;
  const head = bytes.bytes(place, 8, "its hash table");
  const chains = bytes.u32(head, 4);
  return chains * bytes.layout.symbol.size <= bytes.size && chains > 0 ? chains : undefined;
}

function countBySections(bytes: ElfBytes, start: number, sections: readonly Section[]): number | undefined {
  const section = sections.find(({ type, offset }) => type === SHT_DYNSYM && offset === start);
  return section && Math.floor(section.size / bytes.layout.symbol.size);
}

/**
 * nbuckets, the first symbol in it, words of the bloom filter, shift; the filter; the buckets, each with its first symbol;
 * a hash for each symbol, whose lowest bit ends a chain.
 */
function countByGnuHash(bytes: ElfBytes, dynamic: Dynamic): number {
  const what = "its GNU hash table";
  const place = dynamic.place(Tag.gnuHash, what);
  if (place === undefined) return 0;
  const head = bytes.bytes(place, 16, what);
  const [bucketCount, first, filterWords] = [bytes.u32(head, 0), bytes.u32(head, 4), bytes.u32(head, 8)];
  const bucketsAt = place + 16 + filterWords * bytes.layout.wordSize;
  const buckets = bytes.bytes(bucketsAt, bucketCount * 4, what);
  let last = 0;
  for (let at = 0; at < buckets.length; at += 4) last = Math.max(last, bytes.u32(buckets, at));
  if (last < first) return first;
  const hashesAt = bucketsAt + buckets.length;
  const most = Math.floor(bytes.size / bytes.layout.symbol.size);
  for (; last < most; last++) {
    if (bytes.u32(bytes.bytes(hashesAt + (last - first) * 4, 4, what), 0) & 1) return last + 1;
  }
  return bytes.bad(`the last chain of its GNU hash table (at ${place}) does not end`);
}

/** A GNU hash table of no symbol does not say how many undefined ones there are: they end where the next table starts. */
function countByNeighbour(bytes: ElfBytes, dynamic: Dynamic, start: number): number {
  const places = NEIGHBOURS.flatMap((tag) => dynamic.place(tag, "a table of its dynamic section") ?? []);
  const next = Math.min(...places.filter((place) => place > start), bytes.size);
  return places.length === 0 ? 0 : Math.floor((next - start) / bytes.layout.symbol.size);
}

const NEIGHBOURS = [
  Tag.strtab,
  Tag.hash,
  Tag.gnuHash,
  Tag.versym,
  Tag.verdef,
  Tag.verneed,
  Tag.rela,
  Tag.rel,
  Tag.jmprel,
];
