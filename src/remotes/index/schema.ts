/**
 * index.json: all that a repository offers, in one document. The format is Capstan's own.
 *
 *     {
 *       "schema": 1,
 *       "generated": "2026-11-20T09:11:00Z",
 *       "packages": [
 *         {
 *           "name": "hello", "version": "1.2", "arch": "x86_64", "title": "Says hello", "author": "Somebody",
 *           "created": "2026-11-20T09:11:00Z", "platform": "Ubuntu-24.04", "require": ["osv.bootstrap"],
 *           "url": "packages/hello.mpm", "size": 12345, "sha256": "…",
 *           "manifest": { "url": "packages/hello.yaml", "size": 123, "sha256": "…" }
 *         }
 *       ],
 *       "images": [
 *         {
 *           "name": "mike/osv-loader", "version": "0.57.0", "arch": "x86_64", "description": "OSv kernel",
 *           "created": "2026-11-20 09:11", "platform": "Ubuntu-24.04",
 *           "disk": { "url": "mike/osv-loader/osv-loader.qemu.gz", "size": 1, "sha256": "…", "gzip": true },
 *           "kernel": { … }, "index": { … }
 *         }
 *       ]
 *     }
 *
 * Addresses are relative to the folder of index.json and stay below it. Sizes and digests are those of the bytes as they
 * are transferred; `gzip` says that these are to be unpacked. Keys that a reader does not know are passed over; what
 * such a reader would get wrong is a new schema.
 */
export const INDEX_SCHEMA = 1;

export const INDEX_NAME = "index.json";

/** Beside it: the detached signature, see signature.ts. */
export const SIGNATURE_NAME = "index.json.sig";

export interface RepositoryIndex {
  /** RFC 3339, UTC, whole seconds. */
  readonly generated: string;
  readonly packages: readonly IndexedPackage[];
  readonly images: readonly IndexedImage[];
}

export interface IndexedFile {
  /** A path of segments joined by slashes, not percent-encoded: `packages/hello.mpm`. */
  readonly path: string;
  /** Of the bytes as they are transferred. */
  readonly size: number;
  /** In 64 lower case hexadecimal digits; undefined only in what was never written: a folder that is looked at as it is. */
  readonly sha256: string | undefined;
  /** Whether the bytes are to be unpacked after they have come. */
  readonly gzip: boolean;
}

interface IndexedItem {
  readonly name: string;
  readonly version: string | undefined;
  readonly arch: string | undefined;
  /** As it was written in the manifest or in index.yaml. */
  readonly created: string | undefined;
  readonly platform: string | undefined;
}

export interface IndexedPackage extends IndexedItem {
  readonly title: string | undefined;
  readonly author: string | undefined;
  readonly require: readonly string[];
  readonly archive: IndexedFile;
  readonly manifest: IndexedFile;
}

export interface IndexedImage extends IndexedItem {
  readonly description: string | undefined;
  readonly disk: IndexedFile;
  readonly kernel: IndexedFile | undefined;
  readonly index: IndexedFile | undefined;
}

export const IndexLimit = {
  /** Of the document, in bytes. */
  document: 64 * 2 ** 20,
  /** Of packages, and of images. */
  items: 200_000,
  /** Of titles and the like, in UTF-16 units. */
  text: 4096,
  /** Of requirements of one package. */
  requirements: 1000,
  /** Of an address. */
  url: 2048,
  /** Of problems that are told. */
  problems: 50,
} as const;
