import { closeSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { extname, resolve } from "node:path";
import { probeFormat } from "../disks/probe.ts";
import { hostError } from "../filesystems/host-error.ts";
import { fileOfSystem } from "../programs/system-space.ts";
import { hasCapstanfile, isProject } from "../project/folder.ts";
import { findImage } from "../store/images.ts";
import { CapstanError, isErrno } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { openStore } from "./store.ts";

/** What a word of the command line is on this machine, when it names no image of the store. */
export type NamedPath =
  | { readonly kind: "project"; readonly path: string }
  | { readonly kind: "program"; readonly path: string }
  | undefined;

/**
 * A word that looks like a path, or that has the ending of a script, and what lies there: a project's folder, or
 * something to run. With `--sysroot`, also a file that only the other system has at that path. Undefined for other words,
 * for disk images, and where nothing is: those are looked up as images.
 */
export function findProgram(word: string, { cwd }: Pick<CommandContext, "cwd">, sysroot?: string): NamedPath {
  if (!word.includes("/") && word !== "." && word !== ".." && !SCRIPTS.has(extname(word).toLowerCase())) {
    return undefined;
  }
  const path = resolve(cwd, word);
  const system = sysroot === undefined ? undefined : resolve(cwd, sysroot);
  if (fileOfSystem(path, system) !== undefined) return { kind: "program", path };
  const stats = statsOf(path);
  if (stats === undefined) return undefined;
  if (stats.isDirectory()) return { kind: isProject(path) || hasCapstanfile(path) ? "project" : "program", path };
  // Reading a FIFO would wait for a writer.
  if (!stats.isFile()) return { kind: "program", path };
  return isDiskImage(path) || DISKS.has(extname(path)) ? undefined : { kind: "program", path };
}

/** What is there and cannot be looked at is told when it is recognised; `a/b` may be an image where `a` is a file. */
function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (isErrno(error, "ENOTDIR", "ENAMETOOLONG", "EINVAL")) return undefined;
    throw hostError(error, path);
  }
}

/** The error that a word names no image, with a hint for those who meant a file. */
export function notAnImage(error: CapstanError, word: string, context: CommandContext): CapstanError {
  const hint = fileHint(word, context);
  const { message, code, exitCode, details } = error;
  return hint === undefined ? error : new CapstanError(message, { code, exitCode, details, hint, cause: error });
}

function fileHint(word: string, { cwd }: CommandContext): string | undefined {
  if (SCRIPTS.has(extname(word).toLowerCase()) && !word.includes("/")) {
    return `There is no file ${word} in ${cwd} either: check its name, or write its path.`;
  }
  return word !== "" && !word.includes("/") && statsOf(resolve(cwd, word)) !== undefined
    ? `There is a file or folder of that name here: as a program, it is ./${word}`
    : undefined;
}

/** An archive with a disk in it, as its name tells. */
export function looksPacked(word: string): boolean {
  return PACKED.test(word);
}

export const PACKED = /\.(ova|tar\.gz|tgz)$/i;

export function isStored(name: string, context: CommandContext): boolean {
  try {
    findImage(openStore(context).layout, name);
    return true;
  } catch (error) {
    if (error instanceof CapstanError) return false;
    throw error;
  }
}

const SCRIPTS: ReadonlySet<string> = new Set(
  ".py .pyz .js .mjs .cjs .jar .class .php .rb .pl .lua .tcl .sh".split(" "),
);

const DISKS: ReadonlySet<string> = new Set([".qcow2", ".qemu", ".img", ".raw", ".vmdk", ".vdi", ".vhd"]);

/** A disk in a format of its own, or one with a boot sector: what a program never begins with. */
function isDiskImage(path: string): boolean {
  const sector = Buffer.alloc(512);
  try {
    const descriptor = openSync(path, "r");
    try {
      readSync(descriptor, sector, 0, sector.length, 0);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // It is told when it is opened for good.
    return false;
  }
  if (hasDiskFormat(path)) return true;
  return sector.readUInt16LE(510) === 0xaa55 && !/^(?:\x7fELF|#!|PK)/.test(sector.toString("latin1", 0, 4));
}

function hasDiskFormat(path: string): boolean {
  try {
    return probeFormat(path) !== "raw";
  } catch {
    return false;
  }
}
