import type { Dynamic } from "./dynamic.ts";
import type { ElfFile, ElfKind } from "./elf-file.ts";
import type { ElfHeader } from "./headers.ts";
import { DF_1_PIE, ET_DYN, ET_EXEC, Tag } from "./layout.ts";

export interface KindFacts extends Pick<ElfFile, "interpreter" | "needed" | "soname"> {
  readonly dynamic: Dynamic | undefined;
}

/**
 * ET_DYN is a program as well as a library. Linkers since 2015 (binutils 2.26) mark programs with DF_1_PIE. For others: a
 * program has an entry and no SONAME, which tells it from libraries that can be run (libc.so.6, the dynamic loader itself);
 * and what links programs gives them a DT_DEBUG or a PT_INTERP, which plugins without SONAME do not have.
 */
export function elfKind({ type, entry }: Pick<ElfHeader, "type" | "entry">, facts: KindFacts): ElfKind {
  const { dynamic, interpreter, needed, soname } = facts;
  if (type === ET_EXEC) return dynamic === undefined && interpreter === undefined ? "static" : "position-dependent";
  if (type !== ET_DYN) return "other";
  const marked = ((dynamic?.value(Tag.flags1) ?? 0n) & DF_1_PIE) !== 0n;
  const looksRun = entry !== 0n && soname === undefined;
  if (interpreter !== undefined) return marked || looksRun ? "pie" : "shared-object";
  if (!marked && !(looksRun && (dynamic === undefined || dynamic.value(Tag.debug) !== undefined))) {
    return "shared-object";
  }
  return needed.length === 0 ? "static-pie" : "pie";
}
