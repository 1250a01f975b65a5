import type { ElfFile } from "../elf/elf-file.ts";
import type { Closure, LoadedObject } from "../linker/closure.ts";

/** A variable of a library that lies in the program instead (a COPY relocation): at the start its value is copied from the library. */
export interface CopiedVariable {
  readonly symbol: string;
  readonly version: string | undefined;
  /** The first library in load order that has it. */
  readonly library: LoadedObject;
  /** Whether addresses are in it, such as in a pointer to a text or in a virtual table. */
  readonly holdsAddresses: () => boolean;
}

/** R_X86_64_COPY and R_AARCH64_COPY of the psABIs. */
const COPY: Readonly<Record<string, number>> = { "x86-64": 5, aarch64: 1024 };

/**
 * The program defines what is copied into it. It shows by being a variable of a library as well, of the same version:
 * a variable of the program's own that happens to have the name of one in glibc has no version.
 */
export function copiedVariables({ program, libraries }: Closure): readonly CopiedVariable[] {
  if (!hasCopies(program.elf)) return [];
  const places = new Map<string, LoadedObject>();
  for (const library of libraries) {
    for (const { name, version, type } of library.elf.symbols().defined) {
      const key = keyOf(name, version);
      if (type === "object" && !places.has(key)) places.set(key, library);
    }
  }
  return program.elf.symbols().defined.flatMap(({ name, version, type }) => {
    const library = type === "object" ? places.get(keyOf(name, version)) : undefined;
    if (library === undefined) return [];
    const holdsAddresses = () => library.elf.relocatedVariables().has(name);
    return [{ symbol: name, version, library, holdsAddresses }];
  });
}

function hasCopies(elf: ElfFile): boolean {
  const copy = COPY[elf.machine];
  return copy !== undefined && elf.relocationTypes().has(copy);
}

function keyOf(name: string, version: string | undefined): string {
  return `${name}@${version ?? ""}`;
}
