/** What an ELF file says of itself, as far as loading it goes. `readElf` in reader.ts makes it. */
export interface ElfFile {
  /** For messages: the path. */
  readonly path: string;
  readonly bits: 32 | 64;
  readonly byteOrder: "little" | "big";
  /** e_machine as a name: "x86-64", "aarch64", "i386", "arm", "riscv", "ppc64", "s390", … or "machine 123". */
  readonly machine: string;
  readonly kind: ElfKind;
  /** PT_INTERP. */
  readonly interpreter: string | undefined;
  /** DT_NEEDED, in their order. */
  readonly needed: readonly string[];
  readonly soname: string | undefined;
  /** DT_RPATH, as written, split at ":"; what ld.so ignores when there is a DT_RUNPATH. */
  readonly rpath: readonly string[];
  /** DT_RUNPATH, as written, split at ":". */
  readonly runpath: readonly string[];
  /** DT_RELR: relative relocations in the packed form of 2022, which older linkers do not know; OSv v0.57 is one. */
  readonly packedRelocations?: boolean;
  /** DF_1_NODEFLIB: the default directories and the cache are not for what this object needs. */
  readonly noDefaultLibraries: boolean;
  /** PT_TLS, in bytes of memory; 0 without one. */
  readonly tlsSize: number;
  readonly tlsAlignment: number;
  /** Versions of symbols that are needed (.gnu.version_r): of which file, which. */
  readonly versionsNeeded: readonly VersionsNeeded[];
  /** Versions that this object defines (.gnu.version_d), without its own base name. */
  readonly versionsDefined: readonly string[];
  /** NT_GNU_ABI_TAG: the oldest Linux kernel it runs on, "3.2.0". */
  readonly oldestKernel: string | undefined;
  /** The compiler or language that shows: "go" by its build id note or .go.buildinfo. */
  readonly language: "go" | undefined;
  /** NT_GNU_BUILD_ID, in hexadecimal digits. */
  readonly buildId: string | undefined;
  /** Read when they are first asked for, then kept. Errors: as of readElf. */
  symbols(): ElfSymbols;
  /** The types of the dynamic relocations (DT_RELA, DT_REL, DT_JMPREL), each once; read when first asked for. */
  relocationTypes(): ReadonlySet<number>;
  /** The names of the variables among the defined symbols that hold addresses: a relocation writes into them; read when first asked for. */
  relocatedVariables(): ReadonlySet<string>;
}

export type ElfKind =
  /** ET_EXEC with a dynamic section. */
  | "position-dependent"
  /** ET_DYN with an interpreter, or marked DF_1_PIE. */
  | "pie"
  /** ET_EXEC without a dynamic section and interpreter. */
  | "static"
  /** ET_DYN, DF_1_PIE or an entry, without interpreter and without DT_NEEDED. */
  | "static-pie"
  /** ET_DYN for others to load. */
  | "shared-object"
  /** ET_REL, ET_CORE and whatever else cannot be run. */
  | "other";

export interface VersionsNeeded {
  /** The SONAME of the library. */
  readonly file: string;
  readonly versions: readonly { readonly name: string; readonly weak: boolean }[];
}

export interface ElfSymbols {
  /** Of .dynsym: what others must provide. */
  readonly undefined: readonly UndefinedSymbol[];
  /** Of .dynsym: what others can bind to (global, weak and unique ones of default or protected visibility). */
  readonly defined: readonly DefinedSymbol[];
}

export interface UndefinedSymbol {
  readonly name: string;
  /** "GLIBC_2.34"; undefined without a version. */
  readonly version: string | undefined;
  /** The library that the version is of. */
  readonly file: string | undefined;
  /** It may stay undefined. */
  readonly weak: boolean;
  readonly type: SymbolType;
}

export interface DefinedSymbol {
  readonly name: string;
  readonly version: string | undefined;
  /** Not the default version of its name: only those that ask for this version get it. */
  readonly hidden: boolean;
  readonly type: SymbolType;
}

export type SymbolType = "function" | "object" | "tls" | "ifunc" | "other";
