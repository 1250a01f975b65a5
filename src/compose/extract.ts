import { chmodSync, closeSync, constants, mkdirSync, openSync, symlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { emitContents } from "../filesystems/content.ts";
import type { FileEntry, FileTree } from "../filesystems/filetree.ts";
import { walk } from "../filesystems/tree-walk.ts";
import type { Context } from "../support/context.ts";
import { doing } from "../support/errors.ts";
import { hostPath } from "../support/host-paths.ts";

export interface Extracted {
  readonly files: number;
  readonly links: number;
  readonly directories: number;
}

/**
 * Writes a tree into `folder`, which must not exist yet. Nothing can get outside: directories come first, then files,
 * each created anew without following links, and links last. Permission bits are kept but for setuid, setgid and sticky.
 */
export async function extractTree(tree: FileTree, folder: string, context: Context): Promise<Extracted> {
  const directories: { readonly path: string; readonly mode: number }[] = [];
  const links: { readonly path: string; readonly target: string }[] = [];
  const files: FileEntry[] = [];
  const paths: string[] = [];
  for (const { path, entry } of walk(tree)) {
    const target = join(folder, path);
    if (entry.type === "directory") directories.push({ path: target, mode: entry.mode });
    else if (entry.type === "symlink") links.push({ path: target, target: entry.target });
    else {
      files.push(entry);
      paths.push(target);
    }
  }
  doing(`Making ${folder}`, () => mkdirSync(hostPath(folder)));
  for (const { path } of directories) doing(`Making ${path}`, () => mkdirSync(hostPath(path)));
  for (const [index, path] of paths.entries()) {
    doing(`Writing ${path}`, () =>
      closeSync(openSync(hostPath(path), CREATE, 0o600 | ((files[index]?.mode ?? 0) & 0o777))),
    );
  }
  await fillFiles(files, paths, context);
  for (const { path, target } of links)
    doing(`Making the link ${path}`, () => symlinkSync(hostPath(target), hostPath(path)));
  for (const { path, mode } of directories.reverse()) chmodSync(hostPath(path), (mode & 0o777) | 0o700);
  return { files: files.length, links: links.length, directories: directories.length };
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const REOPEN = constants.O_WRONLY | constants.O_NOFOLLOW;

/** Keeps the file open that is being written: chunks of a file arrive one after the other. */
async function fillFiles(files: readonly FileEntry[], paths: readonly string[], context: Context): Promise<void> {
  let current = -1;
  let descriptor: number | undefined;
  const close = () => {
    if (descriptor !== undefined) closeSync(descriptor);
    descriptor = undefined;
  };
  try {
    await emitContents(files, {
      signal: context.signal,
      onProgress: (done, total) =>
        context.reporter.report({ kind: "progress", text: "Writing files", done, total, unit: "bytes" }),
      write: (index, chunk, offset) => {
        const path = paths[index] ?? "";
        doing(`Writing ${path}`, () => {
          if (index !== current || descriptor === undefined) {
            close();
            descriptor = openSync(hostPath(path), REOPEN);
            current = index;
          }
          for (let done = 0; done < chunk.length; ) {
            done += writeSync(descriptor, chunk, done, chunk.length - done, offset + done);
          }
        });
      },
    });
  } finally {
    close();
  }
}
