import { spawn } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { formatSize, MiB } from "../../support/bytes.ts";
import { CapstanError, checkAborted, ExitCode, isErrno } from "../../support/errors.ts";
import { type Compression, damagedPackage, type PackedFiles } from "./packed.ts";

export interface UnpackOptions {
  /** In bytes. */
  readonly limit: number;
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Writes the files of a package, unpacked but in one archive still, into the new file `target`. What Node.js cannot unpack by
 * itself is unpacked by the program of that name. Errors: CapstanError `bad-package-file`, `unpacker-missing`,
 * `package-too-large`; InterruptedError.
 */
export async function unpackFiles(
  path: string,
  packed: PackedFiles,
  target: string,
  options: UnpackOptions,
): Promise<void> {
  const { signal } = options;
  const { offset, size, compression } = packed;
  if (size === 0) throw damagedPackage(path, "it holds no files");
  const source = createReadStream(path, { start: offset, end: offset + size - 1, highWaterMark: MiB });
  const sink = createWriteStream(target, { flags: "wx" });
  try {
    const unpacked = unpack(source, { path, compression }, options);
    await pipeline(unpacked, limited(path, options.limit), sink, { signal });
  } catch (error) {
    checkAborted(signal);
    if (isErrno(error, "Z_DATA_ERROR", "Z_BUF_ERROR")) throw damagedPackage(path, error.message);
    throw error;
  } finally {
    source.destroy();
    sink.destroy();
  }
}

const PROGRAMS: Readonly<Record<Exclude<Compression, "none" | "gzip">, readonly string[]>> = {
  xz: ["xz", "-dc"],
  lzma: ["xz", "-dc", "--format=lzma"],
  zstd: ["zstd", "-dcq"],
  bzip2: ["bzip2", "-dc"],
};

function unpack(
  source: Readable,
  { path, compression }: { readonly path: string; readonly compression: Compression },
  options: UnpackOptions,
): AsyncIterable<Uint8Array> {
  if (compression === "none") return source;
  if (compression === "gzip") return source.pipe(createGunzip({ chunkSize: MiB }));
  return throughProgram(source, { path, command: PROGRAMS[compression] }, options);
}

async function* throughProgram(
  source: Readable,
  { path, command }: { readonly path: string; readonly command: readonly string[] },
  { env, signal }: UnpackOptions,
): AsyncGenerator<Uint8Array> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { env, signal, stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    if (said.length < MOST_SAID) said += chunk.toString("latin1");
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", (error) => reject(isErrno(error, "ENOENT") ? missing(program, path) : error));
    child.on("close", resolve);
  });
  ended.catch(() => undefined);
  // It may end before it has read all: what it says then is the reason.
  child.stdin.on("error", () => undefined);
  source.pipe(child.stdin);
  try {
    yield* child.stdout;
    const code = await ended;
    if (code !== 0) throw damagedPackage(path, said.trim().split("\n")[0] || `${program} ended with ${code}`);
  } finally {
    child.kill();
  }
}

const MOST_SAID = 1000;

function limited(path: string, limit: number): Transform {
  let total = 0;
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      total += chunk.length;
      done(total > limit ? tooLarge(path, limit) : null, chunk);
    },
  });
}

function tooLarge(path: string, limit: number): CapstanError {
  return new CapstanError(`The package file ${path} unpacks to more than ${formatSize(limit)}`, {
    code: "package-too-large",
    hint: "If it is to be as large as that, raise the limit with --unpack-limit.",
  });
}

function missing(program: string, path: string): CapstanError {
  return new CapstanError(`${path} is packed with ${program}, which is not on this machine`, {
    code: "unpacker-missing",
    hint: `Install ${program === "xz" ? "xz-utils" : program}.`,
    exitCode: ExitCode.unavailable,
  });
}
