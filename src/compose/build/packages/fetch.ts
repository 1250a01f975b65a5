import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { quotePath } from "../../../filesystems/names.ts";
import type { PackageEntry } from "../../../project/capstanfile.ts";
import type { Context } from "../../../support/context.ts";
import { CapstanError, checkAborted, doing, ExitCode, isErrno } from "../../../support/errors.ts";
import { hashFile } from "../../../support/hash-file.ts";

export interface FetchOptions {
  /** What paths are relative to. */
  readonly dir: string;
  /** Where packages are kept that were fetched. */
  readonly cacheFolder: string;
}

/**
 * The package file: the one that is named, or the one that the distribution's package manager fetches. Nothing is installed.
 * Errors: CapstanError `no-such-file`, `package-manager-missing`, `package-not-fetched`, `offline`; InterruptedError.
 */
export async function packageFile(entry: PackageEntry, options: FetchOptions, context: Context): Promise<string> {
  const { source, where } = entry;
  if (source.path !== undefined) return localFile(resolve(options.dir, source.path), where);
  const beside = resolve(options.dir, `${source.name}.${source.kind}`);
  if (existsSync(beside)) return beside;
  mkdirSync(options.cacheFolder, { recursive: true });
  return source.kind === "deb"
    ? await fetchDeb(entry, options.cacheFolder, context)
    : await fetchRpm(entry, options.cacheFolder, context);
}

function localFile(path: string, where: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return path;
  throw new CapstanError(`${where}: there is no package file ${quotePath(path)}`, {
    code: "no-such-file",
    hint: "Check the path: it starts in the folder of the Capstanfile.",
    exitCode: ExitCode.noInput,
  });
}

/** What apt would fetch shows in its lists, with a digest: a file of before is the same, or it is fetched anew. */
async function fetchDeb(entry: PackageEntry, folder: string, context: Context): Promise<string> {
  const { name } = entry.source;
  return await inOwnFolder(folder, async (own) => {
    const managing = { entry, folder: own, context };
    const printed = await runManager(["apt-get", "download", "--print-uris", name], managing);
    const line = /^'[^']*' (?<file>[^/\s]+\.deb) \d+ SHA256:(?<sha256>[0-9a-f]{64})\s*$/m.exec(printed)?.groups;
    const known = line?.file === undefined ? undefined : join(folder, line.file);
    if (known !== undefined && existsSync(known) && (await hashFile(known, context.signal)) === line?.sha256)
      return known;
    return await fetchNew(["apt-get", "download", "-q", name], managing);
  });
}

/** A package in a certain version is the same whenever it is fetched. */
async function fetchRpm(entry: PackageEntry, folder: string, context: Context): Promise<string> {
  const { name } = entry.source;
  const known = join(folder, `${name}.rpm`);
  if (existsSync(known)) return known;
  return await inOwnFolder(folder, (own) => fetchNew(["dnf", "download", "-q", name], { entry, folder: own, context }));
}

interface Managing {
  readonly entry: PackageEntry;
  /** Where the package manager is started, and what it fetches lands. */
  readonly folder: string;
  readonly context: Context;
}

/** Empty at first: apt says nothing of what is there already, and the new file is the only one. */
async function inOwnFolder<T>(folder: string, work: (own: string) => Promise<T>): Promise<T> {
  const own = doing(`Making a folder in ${folder}`, () => mkdtempSync(join(folder, ".fetch-")));
  try {
    return await work(own);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

async function fetchNew(command: readonly string[], { entry, folder, context }: Managing): Promise<string> {
  const { kind, name } = entry.source;
  if (isOffline(context)) {
    throw new CapstanError(`${entry.where}: CAPSTAN_OFFLINE is set, so ${kind}:${name} is not fetched`, {
      code: "offline",
      hint: `Unset it, or name a package file: ${kind}:./${name}.${kind}`,
      exitCode: ExitCode.unavailable,
    });
  }
  context.reporter.report({ kind: "step", text: `Fetching ${kind}:${name} with ${command[0]}` });
  await runManager(command, { entry, folder, context });
  const [file] = readdirSync(folder).filter((one) => one.endsWith(`.${kind}`));
  if (file === undefined) throw notFetched(entry, `${command[0]} fetched no .${kind} file`);
  const path = join(folder, "..", file);
  renameSync(join(folder, file), path);
  return path;
}

function isOffline({ env }: Context): boolean {
  return env.CAPSTAN_OFFLINE !== undefined && !["", "0", "false", "no"].includes(env.CAPSTAN_OFFLINE);
}

async function runManager(command: readonly string[], { entry, folder, context }: Managing): Promise<string> {
  const { signal, env } = context;
  checkAborted(signal);
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    ...{ cwd: folder, env: { ...env, LC_ALL: "C" }, signal },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, error] = [collect(child.stdout), collect(child.stderr)];
  const code = await new Promise<number | null>((end, fail) => {
    child.on("error", fail);
    child.on("close", end);
  }).catch((failure: unknown) => {
    checkAborted(signal);
    throw isErrno(failure, "ENOENT") ? noManager(entry, program) : failure;
  });
  if (code === 0) return out();
  const said =
    error()
      .trim()
      .split("\n")
      .find((line) => /^(E:|Error)/.test(line)) ?? error().trim().split("\n")[0];
  throw notFetched(entry, said || `${program} ended with ${code}`);
}

const MOST_OUTPUT = 1 << 20;

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.on("data", (chunk: Buffer) => {
    if (text.length < MOST_OUTPUT) text += chunk.toString("utf8");
  });
  return () => text;
}

function noManager({ source, where }: PackageEntry, program: string): CapstanError {
  return new CapstanError(
    `${where}: ${program} is not on this machine, and ${source.kind}:${source.name} is fetched with it`,
    {
      code: "package-manager-missing",
      hint: `Get the package file elsewhere, and name it: ${source.kind}:./FILE.${source.kind}`,
      exitCode: ExitCode.unavailable,
    },
  );
}

function notFetched({ source, where }: PackageEntry, reason: string): CapstanError {
  return new CapstanError(`${where}: ${source.kind}:${source.name} could not be fetched: ${reason}`, {
    code: "package-not-fetched",
    hint: "Check the name, and bring the lists of the package manager up to date (apt-get update, dnf makecache).",
    exitCode: ExitCode.unavailable,
  });
}
