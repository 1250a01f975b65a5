import { execFile } from "node:child_process";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { platform, userInfo } from "node:os";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { promisify } from "node:util";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { isRecord } from "../../support/records.ts";

/** The program that serves a folder of this machine to a guest. */
export interface Virtiofsd {
  readonly path: string;
  /** The one that came with QEMU up to 7.2 is written in C and needs root; today's is written in Rust and does not. */
  readonly kind: "c" | "rust";
  /** As it says it itself, such as `1.13.2`; empty where it does not. */
  readonly version: string;
}

export interface FindVirtiofsdInput {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/**
 * The first one that can be used: CAPSTAN_VIRTIOFSD_PATH, those on PATH, those where distributions put it aside.
 * @throws CapstanError `virtiofsd-not-found` (69), or `virtiofsd-needs-root` (69) when only the old one is there
 */
export async function findVirtiofsd(input: FindVirtiofsdInput): Promise<Virtiofsd> {
  if (platform() !== "linux") throw onlyLinux();
  const found: Virtiofsd[] = [];
  for (const path of chosenPath(input) ?? candidates(input.env)) {
    const virtiofsd = await ask(path);
    if (virtiofsd === undefined) continue;
    if (isUsable(virtiofsd)) return virtiofsd;
    found.push(virtiofsd);
  }
  const [first] = found;
  throw first === undefined ? notFound() : needsRoot(first);
}

/** Whether this process has a capability, by its bit in linux/capability.h. */
export function hasCapability(bit: number): boolean {
  try {
    const found = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"));
    return found !== null && (BigInt(`0x${found[1]}`) & (1n << BigInt(bit))) !== 0n;
  } catch {
    return userInfo().uid === 0;
  }
}

export const CAP_SYS_CHROOT = 18;
export const CAP_SYS_ADMIN = 21;

const PROGRAM = "virtiofsd";

const ASIDE = [
  "/usr/libexec/virtiofsd",
  "/usr/lib/virtiofsd",
  "/usr/local/libexec/virtiofsd",
  "/usr/local/bin/virtiofsd",
  "/usr/lib/qemu/virtiofsd",
] as const;

function candidates(env: FindVirtiofsdInput["env"]): string[] {
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
  return [...new Set([...folders.map((folder) => join(folder, PROGRAM)), ...ASIDE])].filter(isExecutableFile);
}

function chosenPath({ env, cwd }: FindVirtiofsdInput): string[] | undefined {
  const chosen = env.CAPSTAN_VIRTIOFSD_PATH;
  if (chosen === undefined || chosen === "") return undefined;
  const path = resolve(cwd, chosen);
  if (isExecutableFile(path)) return [path];
  throw new CapstanError(`CAPSTAN_VIRTIOFSD_PATH is '${chosen}', which is not a program`, {
    code: "virtiofsd-not-found",
    hint: `Set it to the path of ${PROGRAM}, or unset it to have it looked for.`,
    exitCode: ExitCode.unavailable,
  });
}

function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Undefined for what does not answer as a virtiofsd. */
async function ask(path: string): Promise<Virtiofsd | undefined> {
  try {
    const { stdout, stderr } = await promisify(execFile)(path, ["--version"], { timeout: 10_000, maxBuffer: 1 << 20 });
    const said = `${stdout}\n${stderr}`;
    const version = /\bvirtiofsd\b[^\n\d]{0,40}(\d+(?:\.\d+)+)/.exec(said)?.[1];
    if (version === undefined) return undefined;
    return { path, version, kind: /QEMU Project|FUSE kernel interface/i.test(said) ? "c" : "rust" };
  } catch (error) {
    // Without root's rights, the one in C does not even tell its version (QEMU 7.2: tools/virtiofsd/passthrough_ll.c).
    const isOld = isRecord(error) && typeof error.stderr === "string" && /setgroups\(\) failed/.test(error.stderr);
    return isOld ? { path, version: "", kind: "c" } : undefined;
  }
}

function isUsable({ kind }: Virtiofsd): boolean {
  return kind === "rust" || (userInfo().uid === 0 && (hasCapability(CAP_SYS_ADMIN) || hasCapability(CAP_SYS_CHROOT)));
}

const HOW_TO_GET =
  "Install it: apt-get install virtiofsd (Debian 13, Ubuntu 24.04 and newer), dnf install virtiofsd, pacman -S virtiofsd, " +
  "or cargo install virtiofsd. If it lies elsewhere, set CAPSTAN_VIRTIOFSD_PATH.";

function notFound(): CapstanError {
  return new CapstanError("Folders are shared by virtiofsd, which is not installed", {
    code: "virtiofsd-not-found",
    hint: HOW_TO_GET,
    exitCode: ExitCode.unavailable,
  });
}

function needsRoot({ path, version }: Virtiofsd): CapstanError {
  return new CapstanError(
    `${path}${version && ` (${version})`} is the old virtiofsd of QEMU, which shares folders for root only`,
    {
      code: "virtiofsd-needs-root",
      hint: `The newer one needs no root. ${HOW_TO_GET}`,
      exitCode: ExitCode.unavailable,
    },
  );
}

function onlyLinux(): CapstanError {
  return new CapstanError("Folders are shared by virtiofsd, which there is for Linux only", {
    code: "virtiofsd-not-found",
    hint: "Put the files into the image, or onto a volume: capstan volume create NAME --fs rofs --from DIR",
    exitCode: ExitCode.unavailable,
  });
}
