import type { ElfFile } from "../elf/elf-file.ts";
import { readElfFile } from "../elf/reader.ts";
import type { FileSpace } from "../filesystems/file-space.ts";
import { CapstanError } from "../support/errors.ts";

/** What lies at a path where a library was looked for. */
export type Inspected =
  | { readonly kind: "nothing" }
  | { readonly kind: "elf"; readonly realPath: string; readonly elf: ElfFile }
  /** Something that cannot be read: linkers pass over it, as over nothing. */
  | { readonly kind: "unreadable"; readonly why: string }
  /** Something that no linker loads. */
  | { readonly kind: "refused"; readonly why: string };

/** Programs of one system ask for the same few thousand paths; a linker that serves longer forgets them all at once. */
const MAX_KEPT = 200_000;

/** Looks at files, each once: by path, and ELF files by where they really are. */
export class Inspector {
  readonly space: FileSpace;
  readonly #byPath = new Map<string, Inspected>();
  readonly #byRealPath = new Map<string, Inspected>();

  constructor(space: FileSpace) {
    this.space = space;
  }

  at(path: string): Inspected {
    const known = this.#byPath.get(path);
    if (known !== undefined) return known;
    if (this.#byPath.size >= MAX_KEPT) this.#byPath.clear();
    const inspected = this.#look(path);
    this.#byPath.set(path, inspected);
    return inspected;
  }

  #look(path: string): Inspected {
    const file = this.space.find(path);
    if (file === undefined) return { kind: "nothing" };
    if (file.type !== "file")
      return { kind: "refused", why: file.type === "directory" ? "is a directory" : "is no file" };
    const known = this.#byRealPath.get(file.realPath);
    if (known !== undefined) return known;
    if (this.#byRealPath.size >= MAX_KEPT) this.#byRealPath.clear();
    const inspected = readOrRefuse(file);
    this.#byRealPath.set(file.realPath, inspected);
    return inspected;
  }
}

function readOrRefuse(file: Parameters<typeof readElfFile>[0]): Inspected {
  try {
    return { kind: "elf", realPath: file.realPath, elf: readElfFile(file) };
  } catch (error) {
    if (!(error instanceof CapstanError)) throw error;
    if (error.code === "not-elf") return { kind: "refused", why: "is no ELF file" };
    if (error.code === "bad-elf") return { kind: "refused", why: "is a damaged ELF file" };
    return { kind: "unreadable", why: "cannot be read" };
  }
}
