import type { FileTree } from "../filesystems/filetree.ts";
import { type FollowLinks, treeFromHost } from "../filesystems/host-tree.ts";
import { createTree, insert, type Replacement } from "../filesystems/tree-builder.ts";
import { isOwnOutput } from "../packages/build-package.ts";
import { packageTree } from "../packages/package-index.ts";
import type { Project } from "../project/project.ts";
import type { RunScript } from "../project/run-scripts.ts";
import type { Context } from "../support/context.ts";
import type { Plan } from "./plan.ts";

export interface MergeOptions {
  readonly followLinks: FollowLinks;
  /** Called with every entry of the project's folder, as the host tells of it: what a fingerprint is made of. */
  readonly onHostEntry?: HostEntryCallback | undefined;
  /** What is laid over the packages in place of the project's folder. */
  readonly own?: FileTree | undefined;
}

export type HostEntryCallback = NonNullable<Parameters<typeof treeFromHost>[1]["onEntry"]>;

/** Lays the packages over one another in their order, the project over them, and the scripts of the sets on top. */
export async function mergeTree(plan: Plan, options: MergeOptions, context: Context): Promise<FileTree> {
  const tree = createTree();
  const onReplace = (replacement: Replacement) => {
    if (context.reporter.verbose) context.reporter.report({ kind: "detail", text: sentence(replacement) });
  };
  if (!plan.hasBase) insert(tree, "/", baseTree());
  for (const planned of plan.packages) {
    insert(tree, "/", packageTree(planned.index, planned.name), { onReplace });
  }
  insert(tree, "/", options.own ?? (await projectTree(plan.project, options, context)), { onReplace });
  for (const script of plan.scripts) insertScript(tree, script, onReplace);
  return tree;
}

async function projectTree(project: Project, options: MergeOptions, context: Context): Promise<FileTree> {
  const own = await treeFromHost(project.dir, {
    origin: project.manifest.name,
    ignore: (path, isDirectory) =>
      isOwnOutput(path, project.manifest.name) || project.ignore.ignores(path, isDirectory),
    followLinks: options.followLinks,
    onEntry: options.onHostEntry,
    signal: context.signal,
  });
  // Its content is left out by the ignore rules; the empty folder would only puzzle.
  const meta = own.children.get("meta");
  if (meta?.type === "directory" && meta.children.size === 0) own.children.delete("meta");
  return own;
}

function insertScript(tree: FileTree, script: RunScript, onReplace: (replacement: Replacement) => void): void {
  const bytes = Buffer.from(script.text);
  insert(
    tree,
    script.scriptPath,
    {
      type: "file",
      mode: script.mode,
      mtime: 0,
      origin: `${script.origin} (meta/run.yaml)`,
      size: bytes.length,
      content: { kind: "bytes", bytes },
    },
    { onReplace },
  );
}

/**
 * What an OSv kernel mounts on, and a /tmp that can be written to: the part of osv.bootstrap that is text.
 * Mount points and the fstab syntax: tools/mkbootfs and fs/vfs/main.cc of OSv; the base manifest of its images.
 */
export function baseTree(): FileTree {
  const tree = createTree();
  const origin = "Capstan's base files";
  const directory = (path: string) =>
    insert(tree, path, { type: "directory", mode: 0o755, mtime: 0, origin, children: new Map() });
  const file = (path: string, text: string) => {
    const bytes = Buffer.from(text);
    const content = { kind: "bytes", bytes } as const;
    insert(tree, path, { type: "file", mode: 0o644, mtime: 0, origin, size: bytes.length, content });
  };
  for (const path of ["/dev", "/etc", "/proc", "/sys", "/tmp"]) directory(path);
  file("/etc/fstab", fstab([]));
  file("/etc/hosts", "127.0.0.1 localhost\n");
  insert(tree, "/etc/mnttab", { type: "symlink", mode: 0o777, mtime: 0, origin, target: "/proc/mounts" });
  return tree;
}

/** OSv's mount table, with further directories that can be written to and forget at the end what they hold. */
export function fstab(writable: readonly string[]): string {
  const ramfs = ["/tmp", ...writable].map((path) => `none ${path} ramfs defaults 0 0\n`).join("");
  return `none /dev devfs defaults 0 0\nnone /proc procfs defaults 0 0\nnone /sys sysfs defaults 0 0\n${ramfs}`;
}

function sentence({ path, before, after, through }: Replacement): string {
  if (through !== undefined)
    return `${path} of ${after.origin} goes into ${through}, where the link of ${before.origin} leads`;
  const what = before.type === after.type ? `that of ${before.origin}` : `the ${before.type} of ${before.origin}`;
  return `${path}: the ${after.type} of ${after.origin} replaces ${what}`;
}
