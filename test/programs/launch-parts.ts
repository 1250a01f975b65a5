import type { DefinedSymbol, ElfFile, UndefinedSymbol } from "../../src/elf/elf-file.ts";
import { readElfFile } from "../../src/elf/reader.ts";
import { openHostFile } from "../../src/filesystems/host-space.ts";
import type { Kernel, KernelAbilities } from "../../src/kernels/kernel.ts";
import type { Closure, LoadedObject } from "../../src/linker/closure.ts";

/** A kernel of a test: an OSv of its generation, but for what is given. */
export function kernel(
  generation: "old" | "new" | "demo",
  change: Partial<Kernel> = {},
  can: Partial<KernelAbilities> = {},
): Kernel {
  const isNew = generation === "new";
  const osv: Kernel = {
    kind: "osv",
    version: isNew ? "v0.57.0-398-g0e34e4dc" : "v0.57.0",
    machine: "x86-64",
    title: `the kernel OSv ${generation}`,
    supplies: new Set(["libc.so.6", "libstdc++.so.6"]),
    exports: new Set(["puts", "stdout", "errno_of_libc"]),
    can: {
      native: true,
      linuxLoader: isNew ? "explicit" : false,
      staticPrograms: isNew,
      tlsLimit: isNew ? 536 : 120,
      fork: false,
      relocations: new Set([1, 5, 6, 7, 8, 16, 17, 18, ...(isNew ? [37] : [])]),
      ...can,
    },
    libraryPath: ["/", "/usr/lib"],
    ...change,
  };
  if (generation !== "demo") return osv;
  const demo = {
    native: false,
    linuxLoader: "interpreter",
    staticPrograms: true,
    tlsLimit: undefined,
    relocations: undefined,
  } as const;
  return {
    ...osv,
    kind: "demo",
    title: "the demo kernel",
    supplies: new Set(),
    exports: new Set(),
    can: { ...osv.can, ...demo },
  };
}

export interface Made extends Partial<Omit<ElfFile, "symbols" | "relocationTypes" | "relocatedVariables">> {
  readonly asks?: readonly (Partial<UndefinedSymbol> & { readonly name: string })[];
  readonly has?: readonly (Partial<DefinedSymbol> & { readonly name: string })[];
  readonly relocations?: readonly number[];
  /** Variables with addresses in them. */
  readonly relocated?: readonly string[];
}

/** A loaded object that exists in the test alone: a dynamic PIE for glibc, but for what is given. */
export function object(
  path: string,
  { asks = [], has = [], relocations = [], relocated = [], ...made }: Made = {},
): LoadedObject {
  const isProgram = !path.includes(".so");
  const elf: ElfFile = {
    path,
    bits: 64,
    byteOrder: "little",
    machine: "x86-64",
    kind: isProgram ? "pie" : "shared-object",
    interpreter: isProgram ? "/lib64/ld-linux-x86-64.so.2" : undefined,
    needed: [],
    soname: isProgram ? undefined : path.slice(path.lastIndexOf("/") + 1),
    rpath: [],
    runpath: [],
    noDefaultLibraries: false,
    tlsSize: 0,
    tlsAlignment: 0,
    versionsNeeded: [],
    versionsDefined: [],
    oldestKernel: undefined,
    language: undefined,
    buildId: undefined,
    symbols: () => ({
      undefined: asks.map((symbol) => ({
        version: undefined,
        file: undefined,
        weak: false,
        type: "function",
        ...symbol,
      })),
      defined: has.map((symbol) => ({ version: undefined, hidden: false, type: "function", ...symbol })),
    }),
    relocationTypes: () => new Set(relocations),
    relocatedVariables: () => new Set(relocated),
    ...made,
  };
  const name = isProgram ? path : path.slice(path.lastIndexOf("/") + 1);
  return { name, path, realPath: path, how: isProgram ? "program" : "default", through: undefined, neededBy: [], elf };
}

const LOADER = object("/lib64/ld-linux-x86-64.so.2", { has: [{ name: "__tls_get_addr" }] });

export function closure(
  program: LoadedObject,
  libraries: readonly LoadedObject[] = [],
  interpreter: LoadedObject | undefined = LOADER,
): Closure {
  return { program, interpreter, libraries, missing: [] };
}

/** What lies in a file of this machine. */
export function loaded(path: string, name = path): LoadedObject {
  const elf = readElfFile({ realPath: path, open: () => openHostFile(path) });
  return { name, path, realPath: path, how: "default", through: undefined, neededBy: [], elf };
}
