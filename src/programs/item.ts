import type { PartRole } from "./application.ts";

/** A file, link or folder that goes into the image, and why: what --dry-run shows, and the manifest of a project keeps. */
export interface Item {
  /** In the image. */
  readonly target: string;
  readonly type: "file" | "link" | "folder";
  /** What a link says. */
  readonly to?: string | undefined;
  /** Files in it: 1 for a file, 0 for a link. */
  readonly files: number;
  /** In bytes, of all files together. */
  readonly size: number;
  /** Where it comes from, on this machine; undefined for what is generated, and for links. */
  readonly source: string | undefined;
  readonly role: PartRole;
  /** Paths of the image, or words ("--with"). */
  readonly neededBy: readonly string[];
}
