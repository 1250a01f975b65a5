/**
 * The numbers of ELF that loading needs. Sources: System V ABI, chapters 4 and 5 (gABI, sco.com/developers/gabi); glibc's
 * elf.h for what GNU added; Linux Standard Base, "Symbol Versioning", for .gnu.version*; the notes' owners for their notes.
 */

/** e_ident: "\x7fELF", then EI_CLASS, EI_DATA and EI_VERSION. */
export const MAGIC = Buffer.from("\x7fELF", "latin1");
export const IDENT_SIZE = 16;
export const EI_CLASS = 4;
export const EI_DATA = 5;
export const EI_VERSION = 6;
export const ELFCLASS32 = 1;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;
export const ELFDATA2MSB = 2;
export const EV_CURRENT = 1;

/** e_type */
export const ET_EXEC = 2;
export const ET_DYN = 3;

/** p_type */
export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_INTERP = 3;
export const PT_NOTE = 4;
export const PT_TLS = 7;

/** e_phnum when there are more: the number is sh_info of section 0. */
export const PN_XNUM = 0xffff;

/** sh_type */
export const SHT_NOTE = 7;
export const SHT_DYNSYM = 11;

/** d_tag */
export const Tag = {
  null: 0,
  needed: 1,
  pltrelsz: 2,
  hash: 4,
  strtab: 5,
  symtab: 6,
  rela: 7,
  relasz: 8,
  strsz: 10,
  soname: 14,
  rpath: 15,
  rel: 17,
  relsz: 18,
  pltrel: 20,
  debug: 21,
  jmprel: 23,
  runpath: 29,
  relrsz: 35,
  relr: 36,
  gnuHash: 0x6ffffef5,
  versym: 0x6ffffff0,
  flags1: 0x6ffffffb,
  verdef: 0x6ffffffc,
  verdefnum: 0x6ffffffd,
  verneed: 0x6ffffffe,
  verneednum: 0x6fffffff,
} as const;

/** DT_FLAGS_1 */
export const DF_1_NODEFLIB = 0x800n;
export const DF_1_PIE = 0x8000000n;

/** Symbols: st_info is binding << 4 | type; the low two bits of st_other are the visibility. */
export const SHN_UNDEF = 0;
export const STB_LOCAL = 0;
export const STB_WEAK = 2;
export const STV_DEFAULT = 0;
export const STV_PROTECTED = 3;
export const STT_OBJECT = 1;
export const STT_FUNC = 2;
export const STT_COMMON = 5;
export const STT_TLS = 6;
export const STT_GNU_IFUNC = 10;

/** .gnu.version: an index of a version, 0 and 1 for none, with a bit for "not the default one". */
export const VERSYM_HIDDEN = 0x8000;
export const VERSYM_VERSION = 0x7fff;
export const VER_FLG_BASE = 1;
export const VER_FLG_WEAK = 2;

/** Records of .gnu.version_r and .gnu.version_d are the same in both classes. */
export const VERNEED_SIZE = 16;
export const VERNAUX_SIZE = 16;
export const VERDEF_SIZE = 20;
export const VERDAUX_SIZE = 8;

/** Notes: n_namesz, n_descsz, n_type, then name and description, each padded. */
export const NOTE_HEADER_SIZE = 12;
export const NT_GNU_ABI_TAG = 1;
export const NT_GNU_BUILD_ID = 3;
/** The first word of an ABI tag. */
export const ELF_NOTE_OS_LINUX = 0;
/** cmd/internal/buildid of Go: note of the owner "Go". */
export const NT_GO_BUILD_ID = 4;

/** Where fields lie in the records whose shape differs by class, and the sizes of these. */
export interface ClassLayout {
  readonly wordSize: 4 | 8;
  readonly header: {
    readonly size: number;
    readonly entry: number;
    readonly phoff: number;
    readonly shoff: number;
    /** e_phentsize; e_phnum, e_shentsize, e_shnum and e_shstrndx follow, each of 2 bytes. */
    readonly phentsize: number;
  };
  readonly program: {
    readonly size: number;
    readonly offset: number;
    readonly vaddr: number;
    readonly filesz: number;
    readonly memsz: number;
    readonly align: number;
  };
  readonly section: {
    readonly size: number;
    readonly offset: number;
    readonly sizeField: number;
    readonly info: number;
    readonly align: number;
  };
  readonly symbol: {
    readonly size: number;
    readonly info: number;
    readonly other: number;
    readonly shndx: number;
    readonly value: number;
    readonly sizeField: number;
  };
  readonly relocation: { readonly rel: number; readonly rela: number; readonly info: number };
}

export const LAYOUT_32: ClassLayout = {
  wordSize: 4,
  header: { size: 52, entry: 24, phoff: 28, shoff: 32, phentsize: 42 },
  program: { size: 32, offset: 4, vaddr: 8, filesz: 16, memsz: 20, align: 28 },
  section: { size: 40, offset: 16, sizeField: 20, info: 28, align: 32 },
  symbol: { size: 16, info: 12, other: 13, shndx: 14, value: 4, sizeField: 8 },
  relocation: { rel: 8, rela: 12, info: 4 },
};

export const LAYOUT_64: ClassLayout = {
  wordSize: 8,
  header: { size: 64, entry: 24, phoff: 32, shoff: 40, phentsize: 54 },
  program: { size: 56, offset: 8, vaddr: 16, filesz: 32, memsz: 40, align: 48 },
  section: { size: 64, offset: 24, sizeField: 32, info: 44, align: 48 },
  symbol: { size: 24, info: 4, other: 5, shndx: 6, value: 8, sizeField: 16 },
  relocation: { rel: 16, rela: 24, info: 8 },
};
