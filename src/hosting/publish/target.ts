import type { Context } from "../../support/context.ts";

/** Where a repository is published to. */
export interface PublishTarget {
  /** For messages. */
  readonly address: string;
  /** A small file that was published before; undefined where there is none. */
  read(path: string, context: Context): Promise<Uint8Array | undefined>;
  /** Whole or not at all. */
  write(file: PublishedFile, context: Context): Promise<void>;
}

export interface PublishedFile {
  /** Relative to the repository, with slashes. */
  readonly path: string;
  /** Where it lies. */
  readonly source: string;
  readonly size: number;
  readonly sha256: string;
}
