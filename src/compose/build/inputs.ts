import { createHash } from "node:crypto";
import type { FileEntry, FileTree } from "../../filesystems/filetree.ts";
import { openContent } from "../../filesystems/tree-space.ts";
import { walk } from "../../filesystems/tree-walk.ts";
import type { Loader } from "../../store/loaders.ts";
import { MiB } from "../../support/bytes.ts";
import { checkAborted } from "../../support/errors.ts";
import { fileIdentity } from "../fingerprint.ts";
import { type RootFilesystem, rootIdentity } from "../root-filesystem.ts";

export interface BuildInputs {
  readonly base: Loader;
  readonly root: RootFilesystem;
  readonly commandLine: string;
  /** What is laid over the base. */
  readonly overlay: FileTree;
}

/**
 * A digest of all that an image is built from: equal inputs make an equal image. Files count by what is in them: a build
 * command that makes the same once more makes no other image.
 */
export function buildInputs({ base, root, commandLine, overlay }: BuildInputs, signal: AbortSignal): string {
  const hash = createHash("sha256");
  const add = (...parts: readonly string[]) => hash.update(`${JSON.stringify(parts)}\n`);
  add("built", FORMAT);
  add("base", fileIdentity(base.image), base.kernel === undefined ? "" : fileIdentity(base.kernel));
  add("root", rootIdentity(root));
  add("command line", commandLine);
  for (const { path, entry } of walk(overlay)) {
    // Times are kept by ZFS alone.
    const time = root.kind === "zfs" ? String(entry.mtime) : "";
    add(path, entry.type, String(entry.mode), time, entry.type === "symlink" ? entry.target : "");
    if (entry.type === "file") add(contentDigest(path, entry, signal));
  }
  return hash.digest("hex");
}

/** Raised when the same inputs come to make another image. */
const FORMAT = "1";
const PIECE = MiB;

function contentDigest(path: string, file: FileEntry, signal: AbortSignal): string {
  const hash = createHash("sha256");
  const open = openContent(path, file);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(PIECE, open.size));
    for (let at = 0; at < open.size; ) {
      checkAborted(signal);
      const piece = buffer.subarray(0, Math.min(buffer.length, open.size - at));
      open.read(piece, at);
      hash.update(piece);
      at += piece.length;
    }
  } finally {
    open.close();
  }
  return hash.digest("hex");
}
