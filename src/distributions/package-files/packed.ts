import { CapstanError } from "../../support/errors.ts";

/** Where in a package file the files that it installs lie, packed. */
export interface PackedFiles {
  readonly archive: "tar" | "cpio";
  readonly compression: Compression;
  /** In bytes from the start of the package file. */
  readonly offset: number;
  readonly size: number;
}

export type Compression = "none" | "gzip" | "xz" | "zstd" | "bzip2" | "lzma";

export function damagedPackage(path: string, problem: string): CapstanError {
  return new CapstanError(`The package file ${path} is damaged: ${problem}`, {
    code: "bad-package-file",
    hint: "Get it again.",
  });
}
