import type { ElfBytes } from "./bytes.ts";
import type { Dynamic } from "./dynamic.ts";
import type { VersionsNeeded } from "./elf-file.ts";
import {
  Tag,
  VER_FLG_BASE,
  VER_FLG_WEAK,
  VERDAUX_SIZE,
  VERDEF_SIZE,
  VERNAUX_SIZE,
  VERNEED_SIZE,
  VERSYM_VERSION,
} from "./layout.ts";

export interface Versions {
  readonly needed: readonly VersionsNeeded[];
  readonly defined: readonly string[];
  /** By the index that .gnu.version has for a symbol. */
  readonly byIndex: ReadonlyMap<number, { readonly name: string; readonly file: string | undefined }>;
}

/** Indices have 15 bits: no file has more records. Records may be shared, so it is counted how many are read. */
const MAX_RECORDS = 1 << 15;

/** .gnu.version_r and .gnu.version_d. Errors: CapstanError `bad-elf`. */
export function readVersions(bytes: ElfBytes, dynamic: Dynamic): Versions {
  const byIndex = new Map<number, { name: string; file: string | undefined }>();
  const needed = readNeeded(bytes, dynamic, byIndex);
  const defined = readDefined(bytes, dynamic, byIndex);
  return { needed, defined, byIndex };
}

type ByIndex = Map<number, { name: string; file: string | undefined }>;

function readNeeded(bytes: ElfBytes, dynamic: Dynamic, byIndex: ByIndex): VersionsNeeded[] {
  const what = "the versions that it needs";
  const budget = { records: MAX_RECORDS };
  const start = dynamic.place(Tag.verneed, what);
  const files: VersionsNeeded[] = [];
  if (start === undefined) return files;
  for (const { record, at } of chain(bytes, {
    start,
    count: dynamic.number(Tag.verneednum),
    next: 12,
    size: VERNEED_SIZE,
    budget,
    what,
  })) {
    const file = dynamic.string(BigInt(bytes.u32(record, 4)), "the file of a version");
    const aux = { start: at + bytes.u32(record, 8), count: bytes.u16(record, 2), next: 12, size: VERNAUX_SIZE };
    const versions: { name: string; weak: boolean }[] = [];
    for (const { record: one } of chain(bytes, { ...aux, budget, what })) {
      const name = dynamic.string(BigInt(bytes.u32(one, 8)), "the name of a version");
      versions.push({ name, weak: (bytes.u16(one, 4) & VER_FLG_WEAK) !== 0 });
      byIndex.set(bytes.u16(one, 6) & VERSYM_VERSION, { name, file });
    }
    files.push({ file, versions });
  }
  return files;
}

function readDefined(bytes: ElfBytes, dynamic: Dynamic, byIndex: ByIndex): string[] {
  const what = "the versions that it defines";
  const budget = { records: MAX_RECORDS };
  const start = dynamic.place(Tag.verdef, what);
  const names: string[] = [];
  if (start === undefined) return names;
  for (const { record, at } of chain(bytes, {
    start,
    count: dynamic.number(Tag.verdefnum),
    next: 16,
    size: VERDEF_SIZE,
    budget,
    what,
  })) {
    if (bytes.u16(record, 2) & VER_FLG_BASE || bytes.u16(record, 6) === 0) continue;
    // The first name is the version's own; those behind it are of its predecessors.
    const own = bytes.bytes(at + bytes.u32(record, 12), VERDAUX_SIZE, what);
    const name = dynamic.string(BigInt(bytes.u32(own, 0)), "the name of a version");
    names.push(name);
    byIndex.set(bytes.u16(record, 4) & VERSYM_VERSION, { name, file: undefined });
  }
  return names;
}

interface Chain {
  readonly start: number;
  readonly count: number;
  /** Where in a record the distance to the next one is; 0 in the last one. */
  readonly next: number;
  readonly size: number;
  readonly budget: { records: number };
  readonly what: string;
}

/** Records that each say how far behind them the next one is: so none comes twice. */
function* chain(
  bytes: ElfBytes,
  { start, count, next, size, budget, what }: Chain,
): Generator<{ record: Buffer; at: number }> {
  for (let at = start, left = count; left > 0; left--) {
    if (budget.records-- <= 0) bytes.bad(`${what} (at ${start}) are more than ${MAX_RECORDS}`);
    const record = bytes.bytes(at, size, what);
    yield { record, at };
    const distance = bytes.u32(record, next);
    if (distance === 0) return;
    at += distance;
  }
}
