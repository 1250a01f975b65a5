import { randomBytes } from "node:crypto";
import { createReadStream, createWriteStream, existsSync, renameSync, rmSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, dirname, join, posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { MiB } from "../../support/bytes.ts";
import { CapstanError, doing, ExitCode, withNoun } from "../../support/errors.ts";
import { filePath, type GuestFile, guestFile, listGuestFiles } from "./info.ts";
import { GuestRefusal, type GuestRest } from "./rest.ts";

export interface Copied {
  readonly files: number;
  readonly bytes: number;
}

/** How deep folders may be nested: a guest's listing is not to be trusted. */
const DEEPEST = 64;
/** How many files and folders are taken: the server shows links as what they lead to, and they may lead upwards. */
const MOST_ENTRIES = 100_000;

/**
 * Copies a file or folder of the guest to `target`, into it where it is a folder that is there. Files are written beside
 * and renamed.
 */
export async function copyFromGuest(rest: GuestRest, path: string, target: string): Promise<Copied> {
  const status = await guestFile(rest, path);
  const name = posix.basename(posix.resolve("/", path));
  const into = existsSync(target) && statSync(target).isDirectory() && name !== "" ? join(target, name) : target;
  return await fetchEntry(rest, { path, status, target: into, depth: 0, seen: { entries: 0 } });
}

/** How much a file may have grown since its folder was listed: some are written to all the time. */
const MOST_GROWN = 64 * MiB;
/** Of a name, in bytes: NAME_MAX of Linux's limits.h. */
const LONGEST_NAME = 255;

interface Entry {
  readonly path: string;
  readonly status: GuestFile;
  readonly target: string;
  readonly depth: number;
  /** Shared by all of one copy. */
  readonly seen: { entries: number };
}

/** The server reads a whole file into the guest's memory, and a device has no end. */
function isDevice(path: string): boolean {
  return /^\/+dev(\/|$)/.test(path);
}

async function fetchEntry(rest: GuestRest, { path, status, target, depth, seen }: Entry): Promise<Copied> {
  if (isDevice(path)) {
    if (depth > 0) return { files: 0, bytes: 0 };
    throw notCopied(path, "devices have no content of their own", "Copy files and folders outside of /dev.");
  }
  if (++seen.entries > MOST_ENTRIES) throw strange(path, `there are more than ${MOST_ENTRIES} files`);
  if (status.type !== "directory") return await fetchFile(rest, { path, status, target });
  if (depth > DEEPEST) throw strange(path, "it is nested too deeply");
  await doing(`Copying ${path} to ${target}`, () => mkdir(target, { recursive: true }));
  let [files, bytes] = [0, 0];
  const names = new Set<string>();
  for (const child of await listGuestFiles(rest, path)) {
    if (!isPlainName(child.name))
      throw strange(path, `it lists '${child.name.slice(0, 60)}', which is no name of a file`);
    if (names.has(child.name)) throw strange(path, `it lists '${child.name}' twice`);
    names.add(child.name);
    const copied = await fetchEntry(rest, {
      path: `${path.replace(/\/+$/, "")}/${child.name}`,
      status: child,
      target: join(target, child.name),
      depth: depth + 1,
      seen,
    });
    files += copied.files;
    bytes += copied.bytes;
  }
  return { files, bytes };
}

async function fetchFile(rest: GuestRest, { path, status, target }: Omit<Entry, "depth" | "seen">): Promise<Copied> {
  const part = join(dirname(target), `.capstan-${randomBytes(6).toString("hex")}.part`);
  const limit = status.size + MOST_GROWN;
  let bytes = 0;
  try {
    const body = await rest.open(`${filePath(path)}?op=GET`);
    const expected = Number(body.headers["content-length"] ?? Number.NaN);
    body.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limit) body.destroy(strange(path, `it was to have ${status.size} bytes, and has no end`));
    });
    await pipeline(body, createWriteStream(part, { flags: "wx", mode: 0o600 | (status.mode & 0o777) }));
    if (Number.isFinite(expected) && bytes !== expected) throw strange(path, `${bytes} of ${expected} bytes came`);
    renameSync(part, target);
  } catch (error) {
    rmSync(part, { force: true });
    throw withNoun(error, `Copying ${path} to ${target}`);
  }
  return { files: 1, bytes };
}

/** Copies a file of this machine to the guest, into `path` where that is a folder of the guest's. */
export async function copyToGuest(rest: GuestRest, source: string, path: string): Promise<Copied> {
  const { size } = fileToSend(source);
  const target = (await isGuestFolder(rest, path)) ? `${path.replace(/\/+$/, "")}/${basename(source)}` : path;
  await checkWritable(rest, target);
  await rest.upload(filePath(target), { size, body: bytesOf(source, size) });
  const arrived = await guestFile(rest, target);
  if (arrived.size !== size) throw strange(target, `${arrived.size} of ${size} bytes arrived`);
  return { files: 1, bytes: size };
}

/**
 * Makes a folder beside the target and deletes it again: where that fails, an upload would not only fail, but end the REST
 * server for good (an exception that nobody catches; modules/httpserver-api/connection.cc of OSv).
 */
async function checkWritable(rest: GuestRest, target: string): Promise<void> {
  const folder = posix.dirname(target);
  if ((await guestFile(rest, folder)).type !== "directory") throw notWritable(target, `${folder} is no folder`);
  const trial = filePath(`${folder}/.capstan-${randomBytes(6).toString("hex")}`);
  try {
    await rest.put("PUT", `${trial}?op=MKDIRS`);
  } catch (error) {
    if (error instanceof GuestRefusal) throw notWritable(target, `the guest cannot write in ${folder}`);
    throw error;
  }
  await rest.put("DELETE", `${trial}?op=DELETE`);
}

/** No more than was announced, though the file may grow meanwhile. */
function bytesOf(source: string, size: number): Readable {
  return size === 0 ? Readable.from([]) : createReadStream(source, { end: size - 1 });
}

async function isGuestFolder(rest: GuestRest, path: string): Promise<boolean> {
  if (path.endsWith("/")) return true;
  try {
    return (await guestFile(rest, path)).type === "directory";
  } catch (error) {
    if (error instanceof CapstanError && error.code === "no-such-file") return false;
    throw error;
  }
}

function fileToSend(source: string): { readonly size: number } {
  const status = statSync(source, { throwIfNoEntry: false });
  if (status?.isFile() === true) return status;
  throw new CapstanError(`${source} ${status === undefined ? "does not exist" : "is not a regular file"}`, {
    code: "no-such-file",
    hint: "Only files are copied into a guest, one at a time.",
    exitCode: ExitCode.noInput,
  });
}

/** Half of a pair of surrogates, which JSON can spell, has no bytes. */
function isPlainName(name: string): boolean {
  const isName = name !== "" && name !== "." && name !== ".." && !name.includes("/") && !name.includes("\0");
  return isName && Buffer.byteLength(name) <= LONGEST_NAME && !/\p{Surrogate}/u.test(name);
}

function strange(path: string, why: string): CapstanError {
  return notCopied(path, why, "Try once more.");
}

function notCopied(path: string, why: string, hint: string): CapstanError {
  return new CapstanError(`${path} of the guest was not copied: ${why}`, { code: "guest-answer", hint });
}

function notWritable(path: string, why: string): CapstanError {
  return new CapstanError(`Nothing was copied to ${path} of the guest: ${why}`, {
    code: "guest-read-only",
    hint: "Copy it to a folder that the guest can write, such as /tmp.",
    exitCode: ExitCode.cannotCreate,
  });
}
