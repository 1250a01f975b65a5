import { isUtf8 } from "node:buffer";

import { MiB } from "../support/bytes.ts";
import type { ElfBytes } from "./bytes.ts";
import type { Dynamic } from "./dynamic.ts";
import type { DefinedSymbol, ElfSymbols, SymbolType, UndefinedSymbol } from "./elf-file.ts";
import type { Section } from "./headers.ts";
import {
  SHN_UNDEF,
  STB_LOCAL,
  STB_WEAK,
  STT_COMMON,
  STT_FUNC,
  STT_GNU_IFUNC,
  STT_OBJECT,
  STT_TLS,
  STV_DEFAULT,
  STV_PROTECTED,
  Tag,
  VERSYM_HIDDEN,
  VERSYM_VERSION,
} from "./layout.ts";
import { countSymbols } from "./symbol-count.ts";
import { readVersions } from "./versions.ts";

/** The dynamic symbols. Errors: CapstanError `bad-elf`. */
export function readSymbols(bytes: ElfBytes, dynamic: Dynamic | undefined, sections: readonly Section[]): ElfSymbols {
  const undefinedOnes: UndefinedSymbol[] = [];
  const defined: DefinedSymbol[] = [];
  const table = readTable(bytes, dynamic, sections);
  if (dynamic === undefined || table === undefined) return { undefined: undefinedOnes, defined };
  const { symbol } = bytes.layout;
  const count = table.length / symbol.size;
  const versionOf = readVersionIndex(bytes, dynamic, count);
  const nameAt = names(bytes, dynamic);
  for (let index = 1; index < count; index++) {
    const at = index * symbol.size;
    const info = table.readUInt8(at + symbol.info);
    const binding = info >> 4;
    if (binding === STB_LOCAL) continue;
    const name = nameAt(bytes.u32(table, at));
    if (name === "") continue;
    const type = TYPES.get(info & 0xf) ?? "other";
    const { version, file, hidden } = versionOf(index);
    if (bytes.u16(table, at + symbol.shndx) === SHN_UNDEF) {
      undefinedOnes.push({ name, version, file, weak: binding === STB_WEAK, type });
      continue;
    }
    const visibility = table.readUInt8(at + symbol.other) & 3;
    if (visibility === STV_DEFAULT || visibility === STV_PROTECTED) defined.push({ name, version, hidden, type });
  }
  return { undefined: undefinedOnes, defined };
}

export interface Variable {
  readonly name: string;
  /** Its addresses in the object's own numbers: the first, and the one behind the last. */
  readonly start: number;
  readonly end: number;
}

/** The variables among the dynamic symbols that the object defines, wherever they lie. Errors: CapstanError `bad-elf`. */
export function readVariables(
  bytes: ElfBytes,
  dynamic: Dynamic | undefined,
  sections: readonly Section[],
): readonly Variable[] {
  const table = readTable(bytes, dynamic, sections);
  if (dynamic === undefined || table === undefined) return [];
  const { symbol } = bytes.layout;
  const nameAt = names(bytes, dynamic);
  const variables: Variable[] = [];
  for (let at = symbol.size; at < table.length; at += symbol.size) {
    const type = TYPES.get(table.readUInt8(at + symbol.info) & 0xf);
    if (type !== "object" || bytes.u16(table, at + symbol.shndx) === SHN_UNDEF) continue;
    const start = bytes.number(table, at + symbol.value);
    const end = start + bytes.number(table, at + symbol.sizeField);
    variables.push({ name: nameAt(bytes.u32(table, at)), start, end });
  }
  return variables;
}

function readTable(bytes: ElfBytes, dynamic: Dynamic | undefined, sections: readonly Section[]): Buffer | undefined {
  const start = dynamic?.place(Tag.symtab, "its symbols");
  if (dynamic === undefined || start === undefined) return undefined;
  const count = countSymbols(bytes, dynamic, { start, sections });
  return bytes.bytes(start, count * bytes.layout.symbol.size, "its symbols");
}

const TYPES: ReadonlyMap<number, SymbolType> = new Map([
  [STT_OBJECT, "object"],
  [STT_COMMON, "object"],
  [STT_FUNC, "function"],
  [STT_TLS, "tls"],
  [STT_GNU_IFUNC, "ifunc"],
]);

interface SymbolVersion {
  readonly version: string | undefined;
  readonly file: string | undefined;
  readonly hidden: boolean;
}

function readVersionIndex(bytes: ElfBytes, dynamic: Dynamic, count: number): (index: number) => SymbolVersion {
  const start = dynamic.place(Tag.versym, "the versions of its symbols");
  if (start === undefined) return () => UNVERSIONED;
  const table = bytes.bytes(start, count * 2, "the versions of its symbols");
  const { byIndex } = readVersions(bytes, dynamic);
  return (index) => {
    const value = bytes.u16(table, index * 2);
    const known = byIndex.get(value & VERSYM_VERSION);
    return { version: known?.name, file: known?.file, hidden: (value & VERSYM_HIDDEN) !== 0 };
  };
}

const UNVERSIONED: SymbolVersion = { version: undefined, file: undefined, hidden: false };

/**
 * Strings may share their ends, so names together can be longer than the table, but not much longer in a real file.
 * Without a limit, a million symbols that all name one long string would keep a machine busy for hours.
 */
const SHARING = 8;
const ALWAYS_ALLOWED = 16 * MiB;

function names(bytes: ElfBytes, dynamic: Dynamic): (offset: number) => string {
  const { offset: start, size } = dynamic.strings;
  const table = bytes.bytes(start, size, "its strings").toString("latin1");
  let budget = ALWAYS_ALLOWED + size * SHARING;
  return (offset) => {
    const end = offset < size ? table.indexOf("\0", offset) : -1;
    if (end < 0) return bytes.bad(`the name of a symbol (${offset} of its strings at ${start}) does not end`);
    budget -= end - offset;
    if (budget < 0) bytes.bad(`the names of its symbols (strings at ${start}) are longer than any program's`);
    const text = table.slice(offset, end);
    if (!NOT_ASCII.test(text)) return text;
    const raw = Buffer.from(text, "latin1");
    return isUtf8(raw) ? raw.toString("utf8") : text;
  };
}

const NOT_ASCII = /[\x80-\xff]/;
