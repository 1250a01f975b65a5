/**
 * The merged content of an image: path → entry, and where the bytes of a file lie. It holds no file content.
 * Names and targets of links are bytes in the formats; here they are the strings of name-bytes.ts.
 */
import type { ReadableDevice } from "./device.ts";

/** A stream of bytes, such as an unpacked archive, of which file contents are extents. */
export interface ContentStream {
  /** For messages: the path of the archive. */
  readonly name: string;
  /** Opens the stream at its start; chunks arrive in order. May be opened more than once. */
  open(signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

/** What the host told of a file when it was looked at: a file that was written to since then has another change time. */
export interface HostStamp {
  readonly ino: number;
  /** Milliseconds since 1970, with fractions. No program can set the change time back. */
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

/** Where the bytes of a regular file lie. */
export type Content =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "host"; readonly path: string; readonly stamp?: HostStamp }
  | { readonly kind: "extent"; readonly stream: ContentStream; readonly offset: number }
  /** A run of bytes of a disk: what the reader of a file system yields. */
  | { readonly kind: "device"; readonly device: ReadableDevice; readonly offset: number };

interface EntryBase {
  /** Permission bits (0o7777). */
  readonly mode: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
  /** Owner; root (0) where it is not said. Only some file systems keep it. */
  readonly uid?: number;
  readonly gid?: number;
  /** For messages and for `image`-like reports: which package or the project this came from. */
  readonly origin: string;
}

export interface FileEntry extends EntryBase {
  readonly type: "file";
  /** In bytes; a writer fails when the content turns out to be of another size. */
  readonly size: number;
  readonly content: Content;
  /**
   * Entries of one tree with the same text are names of one file, where its file system has such; undefined where
   * it has one name. They agree in all else.
   */
  readonly hardLink?: string;
}

export interface LinkEntry extends EntryBase {
  readonly type: "symlink";
  /** As the link says, never resolved or rewritten. */
  readonly target: string;
}

export interface DirectoryEntry extends EntryBase {
  readonly type: "directory";
  /** Nobody listed this directory, something below it needs it: its mode and origin give way to those of one that was listed. */
  readonly implied?: true;
  readonly children: Map<string, TreeEntry>;
}

export type TreeEntry = FileEntry | LinkEntry | DirectoryEntry;

/** A tree is its root directory. */
export type FileTree = DirectoryEntry;
