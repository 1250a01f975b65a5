import { formatSize, MiB } from "../support/bytes.ts";
import { CapstanError } from "../support/errors.ts";
import type { ReadableDevice } from "./device.ts";
import { quotePath } from "./names.ts";

/**
 * A file system as a program in it sees it, for reading: a folder of this machine taken as a root, or the tree of an image.
 * Paths are absolute. Links are followed inside the space: "/" and ".." never lead out of it.
 */
export interface FileSpace {
  /** For messages: "/", "/srv/root", "the image hello". */
  readonly name: string;
  /** What a program finds at `path`, links followed; undefined where there is nothing, links lead nowhere or in circles. */
  find(path: string): FoundFile | undefined;
  /** The names in a directory, in the order of their bytes; undefined where `path` is none that can be read. */
  list(path: string): readonly string[] | undefined;
  /** The target of the link that stands at `path` itself; undefined where there is no link. */
  readLink(path: string): string | undefined;
}

export interface FoundFile {
  readonly type: "file" | "directory" | "other";
  /** In the space, free of links: the same for all paths that lead to one entry. */
  readonly realPath: string;
  /** In bytes; 0 for what is no file. */
  readonly size: number;
  /** Permission bits (0o7777). */
  readonly mode: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
  /** Where its bytes lie on this machine; undefined in an image. */
  readonly hostPath: string | undefined;
  /** For reading its bytes at any place. Errors: CapstanError `os-…`, `not-a-file`. */
  open(): OpenFile;
}

export interface OpenFile extends ReadableDevice {
  close(): void;
}

/** Runs `use` on the file's bytes, and closes it. */
export function withOpenFile<T>(file: Pick<FoundFile, "open">, use: (open: OpenFile) => T): T {
  const open = file.open();
  try {
    return use(open);
  } finally {
    open.close();
  }
}

/** The whole of a file. Error: CapstanError `file-too-large` above `limit` bytes. */
export function readWhole(file: FoundFile, limit = 64 * MiB): Buffer {
  return withOpenFile(file, (open) => {
    if (open.size > limit) {
      throw new CapstanError(
        `${quotePath(file.realPath)} has ${formatSize(open.size)}, more than can be made sense of`,
        {
          code: "file-too-large",
          hint: `A file of this kind may have ${formatSize(limit)}.`,
        },
      );
    }
    const bytes = Buffer.alloc(open.size);
    open.read(bytes, 0);
    return bytes;
  });
}

export function notAFile(path: string): CapstanError {
  return new CapstanError(`${quotePath(path)} is not a regular file`, {
    code: "not-a-file",
    hint: "Give the path of a file.",
  });
}
