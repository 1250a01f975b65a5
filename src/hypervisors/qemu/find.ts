import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { promisify } from "node:util";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { isRecord } from "../../support/records.ts";
import { readCache, writeCache } from "../cache-file.ts";
import { capabilitiesOf, type QemuCapabilities } from "./capabilities.ts";
import { parseQemuVersion, type Version } from "./version.ts";

export interface Qemu {
  readonly path: string;
  readonly version: Version;
  readonly capabilities: QemuCapabilities;
  /** Differs when the program at the path has been replaced by another. */
  readonly identity: string;
}

export interface FindQemuInput {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Where the version is remembered, so that a start costs no further process. */
  readonly cacheFolder: string;
  readonly platform: string;
}

/**
 * The QEMU to use: CAPSTAN_QEMU_PATH, else the first one on PATH, else where distributions put it aside.
 * @throws CapstanError `qemu-not-found` (69), `qemu-unusable` (69)
 */
export async function findQemu(input: FindQemuInput): Promise<Qemu> {
  const path = chosenPath(input) ?? firstExecutable(candidates(input.env)) ?? throwNotFound(input);
  const { size, mtimeMs } = statSync(path);
  const identity = `${path} ${size} ${mtimeMs}`;
  const version = await rememberedVersion(path, { identity, cacheFolder: input.cacheFolder });
  return { path, version, capabilities: capabilitiesOf(version), identity };
}

const PROGRAM = "qemu-system-x86_64";

/** A path that is set and wrong is told, not passed over: another QEMU than the one asked for is a surprise. */
function chosenPath({ env, cwd }: FindQemuInput): string | undefined {
  const chosen = env.CAPSTAN_QEMU_PATH;
  if (chosen === undefined || chosen === "") return undefined;
  const path = resolve(cwd, chosen);
  if (isExecutableFile(path)) return path;
  throw new CapstanError(`CAPSTAN_QEMU_PATH is '${chosen}', which is not a program`, {
    code: "qemu-not-found",
    hint: `Set it to the path of ${PROGRAM}, or unset it to use the one on PATH.`,
    exitCode: ExitCode.unavailable,
  });
}

function candidates(env: FindQemuInput["env"]): string[] {
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
  return [
    ...folders.map((folder) => join(folder, PROGRAM)),
    `/usr/bin/${PROGRAM}`,
    `/usr/local/bin/${PROGRAM}`,
    `/opt/homebrew/bin/${PROGRAM}`,
    // Where Red Hat's distributions keep it, off the PATH.
    "/usr/libexec/qemu-kvm",
  ];
}

function firstExecutable(paths: readonly string[]): string | undefined {
  return paths.find(isExecutableFile);
}

function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function throwNotFound({ platform }: FindQemuInput): never {
  throw new CapstanError(`QEMU is not installed: there is no ${PROGRAM} on PATH`, {
    code: "qemu-not-found",
    hint: installHint(platform),
    exitCode: ExitCode.unavailable,
  });
}

function installHint(platform: string): string {
  if (platform === "darwin") return "Install it: brew install qemu";
  if (existsSync("/usr/bin/apt-get")) return "Install it: sudo apt-get install qemu-system-x86";
  if (existsSync("/usr/bin/dnf")) return "Install it: sudo dnf install qemu-system-x86";
  return "Install it: apt-get install qemu-system-x86, dnf install qemu-system-x86, or brew install qemu. If it lies elsewhere, set CAPSTAN_QEMU_PATH.";
}

async function rememberedVersion(
  path: string,
  { identity, cacheFolder }: { identity: string; cacheFolder: string },
): Promise<Version> {
  const cachePath = join(cacheFolder, "qemu.json");
  const cache = readCache(cachePath);
  const remembered = cache[path];
  if (isRecord(remembered) && remembered.identity === identity && isVersion(remembered.version)) {
    return remembered.version;
  }
  const version = await askVersion(path);
  await writeCache(cachePath, { ...cache, [path]: { identity, version } });
  return version;
}

function isVersion(value: unknown): value is Version {
  return Array.isArray(value) && value.length > 0 && value.every((part) => Number.isSafeInteger(part));
}

async function askVersion(path: string): Promise<Version> {
  let output: string;
  try {
    const { stdout } = await promisify(execFile)(path, ["-version"], { timeout: 20_000, maxBuffer: 1 << 20 });
    output = stdout;
  } catch (error) {
    throw unusable(path, error);
  }
  const version = parseQemuVersion(output);
  if (version === undefined) throw unusable(path);
  return version;
}

function unusable(path: string, cause?: unknown): CapstanError {
  return new CapstanError(`${path} does not answer with a QEMU version when it is called with -version`, {
    code: "qemu-unusable",
    hint: "Reinstall QEMU, or set CAPSTAN_QEMU_PATH to another one.",
    exitCode: ExitCode.unavailable,
    cause,
  });
}
