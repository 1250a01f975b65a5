import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { userInfo } from "node:os";
import { setTimeout } from "node:timers/promises";
import { CapstanError, checkAborted, doing, ExitCode } from "../../support/errors.ts";
import { CAP_SYS_ADMIN, CAP_SYS_CHROOT, hasCapability, type Virtiofsd } from "./find-virtiofsd.ts";
import type { Mount } from "./mount.ts";

export interface DaemonInput {
  readonly virtiofsd: Virtiofsd;
  readonly mount: Mount;
  /** Where it is to listen: a path that a unix socket can have. */
  readonly socket: string;
  /** What it says goes into this file: a pipe would end with us, and the guest may go on. */
  readonly log: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
}

/** A virtiofsd that waits for its guest. It ends by itself when the guest's QEMU ends. */
export interface Daemon {
  readonly pid: number;
  /** Ends it if it is there still, and removes its socket. Synchronous, and harmless when called again. */
  readonly stop: () => void;
}

/**
 * Starts a virtiofsd, shut in as far as this user may: in name spaces, else by chroot, else (Rust only) not at all, where
 * it still serves nothing but the folder.
 * @throws CapstanError `virtiofsd-failed` (69) with what it said
 */
export async function startDaemon(input: DaemonInput): Promise<Daemon> {
  const refusals: string[] = [];
  for (const sandbox of sandboxes(input.virtiofsd)) {
    const result = await tryStart(input, sandbox);
    if (typeof result !== "string") return result;
    refusals.push(`--sandbox ${sandbox}: ${result}`);
  }
  throw new CapstanError(`${input.virtiofsd.path} cannot share ${input.mount.source}`, {
    code: "virtiofsd-failed",
    hint: "Run it by hand to see more, or name another one in CAPSTAN_VIRTIOFSD_PATH.",
    exitCode: ExitCode.unavailable,
    details: refusals,
  });
}

type Sandbox = "namespace" | "chroot" | "none";

/** The old one enters its sandbox only when the guest is there, so that trying would be too late: rights decide. */
function sandboxes({ kind }: Virtiofsd): readonly Sandbox[] {
  if (kind === "c") return [hasCapability(CAP_SYS_ADMIN) ? "namespace" : "chroot"];
  if (userInfo().uid !== 0) return ["namespace", "none"];
  return hasCapability(CAP_SYS_ADMIN)
    ? ["namespace", "chroot", "none"]
    : hasCapability(CAP_SYS_CHROOT)
      ? ["chroot", "none"]
      : ["none"];
}

function programArguments({ virtiofsd, mount, socket }: DaemonInput, sandbox: Sandbox): string[] {
  if (virtiofsd.kind === "c") {
    // Commas separate options here, and a backslash takes their meaning.
    const source = mount.source.replace(/[\\,]/g, "\\$&");
    return [`--socket-path=${socket}`, "-f", "-o", `source=${source}`, "-o", `sandbox=${sandbox}`];
  }
  const readonly = mount.readonly && hasReadonly(virtiofsd) ? ["--readonly"] : [];
  return ["--socket-path", socket, "--shared-dir", mount.source, "--sandbox", sandbox, ...readonly];
}

/** Since 1.13. Without it the guest is trusted to keep to what OSv does, which is reading. */
function hasReadonly({ version }: Virtiofsd): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 1 || (major === 1 && minor >= 13);
}

const READY = "Waiting for vhost-user socket connection";
const LIMIT_MS = 15_000;
const POLL_MS = 5;

/** The running daemon, or why there is none. */
async function tryStart(input: DaemonInput, sandbox: Sandbox): Promise<Daemon | string> {
  const { virtiofsd, socket, log, env, signal } = input;
  checkAborted(signal);
  removeSocket(socket);
  const output = doing(`Writing ${log}`, () => openSync(log, "w", 0o600));
  let child: ChildProcess;
  try {
    child = spawn(virtiofsd.path, programArguments(input, sandbox), {
      stdio: ["ignore", output, output],
      detached: true,
      env: { ...env },
      cwd: "/",
    });
  } finally {
    closeSync(output);
  }
  let failure: string | undefined;
  child.once("error", (error) => {
    failure = error.message;
  });
  child.once("exit", (code, killed) => {
    failure ??= `it ended with ${killed ?? `exit code ${code}`}`;
  });
  const stop = () => {
    if (failure === undefined) end(child);
    removeSocket(socket);
  };
  try {
    for (let waited = 0; waited < LIMIT_MS; waited += POLL_MS) {
      checkAborted(signal);
      const said = readFileSync(log, "utf8");
      if (failure !== undefined) {
        stop();
        return lastWords(said) ?? failure;
      }
      if (child.pid !== undefined && said.includes(READY) && existsSync(socket)) {
        child.unref();
        return { pid: child.pid, stop };
      }
      await setTimeout(POLL_MS);
    }
  } catch (error) {
    stop();
    throw error;
  }
  stop();
  return `it was not ready within ${LIMIT_MS / 1000} s`;
}

/** With a sandbox of name spaces there are two processes: the group is ours alone. */
function end({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** virtiofsd writes its number beside its socket, and leaves that there. */
function removeSocket(socket: string): void {
  for (const path of [socket, `${socket}.pid`]) rmSync(path, { force: true });
}

function lastWords(said: string): string | undefined {
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  const error = lines.find((line) => /ERROR|error|panicked/.test(line)) ?? lines.at(-1);
  return error?.trim().slice(0, 300);
}
