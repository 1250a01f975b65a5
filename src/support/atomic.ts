import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { CapstanError, doing, ExitCode } from "./errors.ts";
import { hostPath } from "./host-paths.ts";

/**
 * Writes a file so that others see the whole of it or nothing: beside its final place, synced, then renamed over it.
 * `write` fills the temporary file of that path; when it throws, the temporary file is removed and the old one stays.
 */
export async function writeBeside<T>(path: string, write: (temporary: string) => T | Promise<T>): Promise<T> {
  mkdirSync(hostPath(dirname(path)), { recursive: true });
  const temporary = temporaryBeside(path);
  try {
    const result = await write(temporary);
    renameSync(hostPath(temporary), hostPath(path));
    return result;
  } catch (error) {
    rmSync(hostPath(temporary), { force: true, recursive: true });
    throw error;
  }
}

/**
 * For places that a user names: a folder that is not there is rather a mistake, and none is made.
 * @throws CapstanError `no-such-folder` (73)
 */
export function checkFolderOf(path: string, flag: string): void {
  const folder = dirname(path);
  if (existsSync(folder)) return;
  throw new CapstanError(`The folder ${folder} does not exist`, {
    code: "no-such-folder",
    hint: `Make it first, or choose another place with ${flag}.`,
    exitCode: ExitCode.cannotCreate,
  });
}

/**
 * For places that a user names: what is renamed over a device or a pipe, such as /dev/stdout, would take its place.
 * @throws CapstanError `not-a-file` (73)
 */
export function checkReplaceable(path: string): void {
  const there = doing(`Looking at ${path}`, () => statSync(path, { throwIfNoEntry: false }));
  if (there === undefined || there.isFile()) return;
  throw new CapstanError(`${path} is ${there.isDirectory() ? "a folder" : "no regular file"}`, {
    code: "not-a-file",
    hint: "Name a file to be written.",
    exitCode: ExitCode.cannotCreate,
  });
}

/** A name in the same folder that no other process chooses; it starts with a dot, and listings pass such names over. */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(4).toString("hex")}.part`);
}

/** The process for which `temporaryBeside` chose this name; undefined for all other names. */
export function temporaryOwner(name: string): number | undefined {
  const pid = TEMPORARY_NAME.exec(name)?.groups?.pid;
  return pid === undefined ? undefined : Number(pid);
}

const TEMPORARY_NAME = /^\..+\.(?<pid>[0-9]+)-[0-9a-f]{8}\.part$/;

/** Small files: the text or bytes, whole or not at all. */
export async function writeFileAtomically(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  await doing(`Writing ${path}`, () => writeBeside(path, (temporary) => writeSynced(temporary, content, { mode })));
}

/** Writes a file in its place, and brings it to the disk; a new one (`wx`), or over what is there (`w`). */
export function writeSynced(
  path: string,
  content: string | Uint8Array,
  { flag = "wx", mode = 0o644 }: { readonly flag?: "w" | "wx"; readonly mode?: number } = {},
): void {
  const file = openSync(path, flag, mode);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
