import type { ElfBytes } from "./bytes.ts";
import { ET_DYN, ET_EXEC, EV_CURRENT, PN_XNUM } from "./layout.ts";

export interface ElfHeader {
  readonly type: number;
  readonly machine: number;
  readonly entry: bigint;
  readonly segments: readonly Segment[];
  /** Empty where there is no table, or one that makes no sense: nothing needs it for loading. Where they lie is unchecked. */
  readonly sections: () => readonly Section[];
  /** The index of the section with the names of sections. */
  readonly sectionNames: number;
}

export interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: bigint;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly alignment: number;
}

export interface Section {
  /** Offset of the name in the section names. */
  readonly name: number;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly alignment: number;
}

/** The ELF header and the program headers. Errors: CapstanError `bad-elf`. */
export function readHeader(bytes: ElfBytes): ElfHeader {
  const { header } = bytes.layout;
  const head = bytes.bytes(0, header.size, "its header");
  const version = bytes.u32(head, 20);
  if (version !== EV_CURRENT) bytes.bad(`its version at 20 is ${version}, and only ${EV_CURRENT} is known`);
  const type = bytes.u16(head, 16);
  const place: SectionsPlace = {
    offset: bytes.number(head, header.shoff),
    entrySize: bytes.u16(head, header.phentsize + 4),
    count: bytes.u16(head, header.phentsize + 6),
  };
  let sections: readonly Section[] | undefined;
  return {
    type,
    machine: bytes.u16(head, 18),
    entry: bytes.word(head, header.entry),
    segments: type === ET_EXEC || type === ET_DYN ? readSegments(bytes, head, place) : [],
    sections: () => {
      sections ??= readSections(bytes, place);
      return sections;
    },
    sectionNames: bytes.u16(head, header.phentsize + 8),
  };
}

interface SectionsPlace {
  readonly offset: number;
  readonly entrySize: number;
  readonly count: number;
}

function readSegments(bytes: ElfBytes, head: Buffer, sections: SectionsPlace): Segment[] {
  const { header, program, section } = bytes.layout;
  const offset = bytes.number(head, header.phoff);
  const entrySize = bytes.u16(head, header.phentsize);
  let count = bytes.u16(head, header.phentsize + 2);
  if (count === 0) return [];
  if (count === PN_XNUM && sections.offset > 0) {
    count = bytes.u32(bytes.bytes(sections.offset, section.size, "its first section header"), section.info);
  }
  if (entrySize !== program.size) {
    bytes.bad(`its program headers (at ${offset}) have ${entrySize} bytes each instead of ${program.size}`);
  }
  const table = bytes.bytes(offset, count * program.size, "its program headers");
  return Array.from({ length: count }, (_, index) => {
    const at = index * program.size;
    return {
      type: bytes.u32(table, at),
      offset: bytes.number(table, at + program.offset),
      address: bytes.word(table, at + program.vaddr),
      fileSize: bytes.number(table, at + program.filesz),
      memorySize: bytes.number(table, at + program.memsz),
      alignment: bytes.number(table, at + program.align),
    };
  });
}

/** The number of section headers that is looked at: a program has a few dozen; with -ffunction-sections only .o files have more. */
const MAX_SECTIONS = 4096;

function readSections(bytes: ElfBytes, place: SectionsPlace): Section[] {
  const { section } = bytes.layout;
  const length = place.count * section.size;
  if (place.offset === 0 || place.entrySize !== section.size || place.count > MAX_SECTIONS) return [];
  if (place.offset + length > bytes.size) return [];
  const table = bytes.bytes(place.offset, length, "its section headers");
  return Array.from({ length: place.count }, (_, index) => {
    const at = index * section.size;
    return {
      name: bytes.u32(table, at),
      type: bytes.u32(table, at + 4),
      offset: bytes.number(table, at + section.offset),
      size: bytes.number(table, at + section.sizeField),
      alignment: bytes.number(table, at + section.align),
    };
  });
}
