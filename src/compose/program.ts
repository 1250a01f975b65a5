import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { FileTree } from "../filesystems/filetree.ts";
import { insert } from "../filesystems/tree-builder.ts";
import { parseIgnore } from "../project/capstanignore.ts";
import { DEFAULT_MANIFEST } from "../project/manifest.ts";
import type { Project } from "../project/project.ts";
import type { RunConfig } from "../project/run-config.ts";
import { fstab } from "./merge.ts";
import type { RootFilesystem } from "./root-filesystem.ts";

/** What is composed for a program of this machine in place of a project's folder. */
export interface ProgramContent {
  /** A short name, for messages. */
  readonly name: string;
  /** What goes over the packages; it is added to. */
  readonly tree: FileTree;
  /** Directories that the program writes to. */
  readonly writable: readonly string[];
  /** Of a program that a package's interpreter runs. */
  readonly runConfig?: RunConfig | undefined;
}

/** The project that nobody wrote: a program, and all that it loads. */
export function programProject({ name, runConfig }: ProgramContent): Project {
  return {
    dir: "/",
    // No package can have this name, so that none is taken for the program itself.
    manifest: { ...DEFAULT_MANIFEST, name: `program ${name}`, title: name },
    hasManifest: false,
    ignore: parseIgnore(""),
    ...(runConfig === undefined ? {} : { runConfig }),
  };
}

/** Where a program's image lies in the store: programs of one name in two folders do not get into each other's way. */
export function programImageName(name: string, path: string, sysroot: string | undefined): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([path, sysroot ?? ""]))
    .digest("hex");
  return `program/${safeName(name)}-${hash.slice(0, 8)}`;
}

/** A name that images, packages and instances can have. */
export function safeName(text: string): string {
  const safe = basename(text)
    .replace(/[^A-Za-z0-9._+-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "");
  return safe.slice(0, 60) || "program";
}

/** Makes the directories, and mounts memory on them where the root file system cannot be written to. */
export function addWritable(
  { tree, writable }: ProgramContent,
  root: Pick<RootFilesystem, "kind"> = { kind: "rofs" },
): void {
  if (writable.length === 0) return;
  const origin = "directories that the program writes to";
  for (const path of writable) {
    insert(tree, path, { type: "directory", mode: 0o777, mtime: 0, origin, children: new Map() });
  }
  if (root.kind !== "rofs") return;
  const bytes = Buffer.from(fstab(writable));
  const content = { kind: "bytes", bytes } as const;
  insert(tree, "/etc/fstab", { type: "file", mode: 0o644, mtime: 0, origin, size: bytes.length, content });
}
