import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { CapstanError, ExitCode } from "../../support/errors.ts";

export interface QemuExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last of what it wrote to stderr. */
  readonly stderr: string;
}

export interface QemuProcess {
  readonly pid: number;
  /** The guest's console. Ending the input does not end the guest. */
  readonly input: Writable;
  readonly output: Readable;
  /** Resolves when the process has ended and the output has been read to its end. */
  readonly exited: Promise<QemuExit>;
  readonly hasExited: () => boolean;
  readonly signal: (signal: "SIGTERM" | "SIGKILL") => void;
}

export interface StartInput {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called with each line that QEMU writes to stderr. */
  readonly onDiagnostic?: (line: string) => void;
}

/**
 * Starts QEMU in a process group of its own: a Ctrl-C of the terminal reaches us, and what it means is decided there.
 * @throws CapstanError `qemu-not-started` (69)
 */
export function startQemu({ path, args, env, onDiagnostic }: StartInput): Promise<QemuProcess> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, [...args], { stdio: ["pipe", "pipe", "pipe"], detached: true, env: { ...env } });
    const exited = watchExit(child, onDiagnostic);
    // A guest that ends while input is on its way is no error.
    child.stdin.on("error", () => {});
    child.once("error", (error) => reject(notStarted(path, error)));
    child.once("spawn", () => {
      if (child.pid === undefined) throw new Error("a spawned process has no id");
      resolve({
        pid: child.pid,
        input: child.stdin,
        output: child.stdout,
        exited,
        hasExited: () => child.exitCode !== null || child.signalCode !== null,
        signal: (signal) => child.kill(signal),
      });
    });
  });
}

const KEPT_STDERR = 16 * 1024;

function watchExit(
  child: ChildProcessByStdio<Writable, Readable, Readable>,
  onDiagnostic: ((line: string) => void) | undefined,
): Promise<QemuExit> {
  let stderr = "";
  let line = "";
  child.stderr.setEncoding("utf8");
  child.stderr.on("data", (text: string) => {
    stderr = (stderr + text).slice(-KEPT_STDERR);
    const lines = (line + text).split("\n");
    line = (lines.pop() ?? "").slice(-KEPT_STDERR);
    for (const complete of lines) onDiagnostic?.(complete);
  });
  return new Promise((resolve) => {
    child.once("close", (code, signal) => {
      if (line !== "") onDiagnostic?.(line);
      resolve({ code, signal, stderr });
    });
  });
}

function notStarted(path: string, error: Error): CapstanError {
  return new CapstanError(`QEMU (${path}) does not start: ${error.message}`, {
    code: "qemu-not-started",
    hint: "Check that it is a program for this machine, or set CAPSTAN_QEMU_PATH to another one.",
    exitCode: ExitCode.unavailable,
    cause: error,
  });
}
