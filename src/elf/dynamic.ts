import { KiB, MiB } from "../support/bytes.ts";
import { type ElfBytes, toNumber } from "./bytes.ts";
import type { Segment } from "./headers.ts";
import { PT_DYNAMIC, PT_LOAD, Tag } from "./layout.ts";

/** The dynamic section: what the program headers and it say of where things are. */
export interface Dynamic {
  /** The values of a tag, in their order. */
  all(tag: number): readonly bigint[];
  /** The last one, as in glibc's table of them. */
  value(tag: number): bigint | undefined;
  /** A tag that is a size or a count; 0 without one. */
  number(tag: number): number;
  /** The offset in the file of what a tag's address points to; undefined without the tag. */
  place(tag: number, what: string): number | undefined;
  /** Offset in the file, and size, of the string table. */
  readonly strings: { readonly offset: number; readonly size: number };
  /** A string of the string table. */
  string(at: bigint, what: string): string;
}

/** RPATHs of package managers with a folder a package are long. */
const MAX_STRING = 64 * KiB;
/** All strings of one dynamic section: many entries may name one long string. */
const MAX_STRINGS = 1 * MiB;
const MAX_SIZE = 1 * MiB;

/** Undefined without a PT_DYNAMIC. Errors: CapstanError `bad-elf`. */
export function readDynamic(bytes: ElfBytes, segments: readonly Segment[]): Dynamic | undefined {
  const segment = segments.find(({ type }) => type === PT_DYNAMIC);
  if (segment === undefined) return undefined;
  const entries = readEntries(bytes, segment);
  const value = (tag: number) => entries.get(tag)?.at(-1);
  const place = (tag: number, what: string) => {
    const address = value(tag);
    return address === undefined ? undefined : addressToOffset(bytes, segments, { address, what });
  };
  let strings: Dynamic["strings"] | undefined;
  let budget = MAX_STRINGS;
  const dynamic: Dynamic = {
    all: (tag) => entries.get(tag) ?? [],
    value,
    number: (tag) => toNumber(value(tag) ?? 0n),
    place,
    get strings() {
      strings ??= {
        offset: place(Tag.strtab, "its string table") ?? bytes.bad("it has no string table"),
        size: dynamic.number(Tag.strsz),
      };
      return strings;
    },
    string: (at, what) => {
      const { offset, size } = dynamic.strings;
      if (at >= BigInt(size)) bytes.bad(`${what} is at ${at} of a string table of ${size} bytes`);
      const text = bytes.text(offset + Number(at), { end: offset + size, limit: MAX_STRING, what });
      budget -= text.length;
      if (budget < 0) bytes.bad("the strings of its dynamic section are longer than any program's");
      return text;
    },
  };
  return dynamic;
}

function readEntries(bytes: ElfBytes, { offset, fileSize }: Segment): ReadonlyMap<number, bigint[]> {
  const { wordSize } = bytes.layout;
  if (fileSize > MAX_SIZE) bytes.bad(`its dynamic section (at ${offset}) has ${fileSize} bytes`);
  const table = bytes.bytes(offset, fileSize, "the entries of its dynamic section");
  const entries = new Map<number, bigint[]>();
  for (let at = 0; at + 2 * wordSize <= table.length; at += 2 * wordSize) {
    const tag = bytes.number(table, at);
    if (tag === Tag.null) break;
    const value = bytes.word(table, at + wordSize);
    const values = entries.get(tag);
    if (values === undefined) entries.set(tag, [value]);
    else values.push(value);
  }
  return entries;
}

interface Place {
  readonly address: bigint;
  readonly what: string;
}

function addressToOffset(bytes: ElfBytes, segments: readonly Segment[], { address, what }: Place): number {
  for (const segment of segments) {
    if (segment.type !== PT_LOAD || address < segment.address) continue;
    const within = address - segment.address;
    if (within < BigInt(segment.fileSize)) return segment.offset + Number(within);
  }
  return bytes.bad(`${what} (at the address 0x${address.toString(16)}) lie in no segment`);
}
