import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { type ConsolePipe, openConsolePipe } from "./console-pipe.ts";

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
export async function startQemu(input: StartInput): Promise<QemuProcess> {
  const pipe = await openConsolePipe(input.env);
  try {
    return await spawnQemu(input, pipe);
  } catch (error) {
    pipe?.output.destroy();
    throw error;
  } finally {
    // QEMU has its own by now: as long as ours is open, the output has no end.
    if (pipe !== undefined) closeSync(pipe.writeEnd);
  }
}

function spawnQemu({ path, args, env, onDiagnostic }: StartInput, pipe: ConsolePipe | undefined): Promise<QemuProcess> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, [...args], {
      stdio: ["pipe", pipe?.writeEnd ?? "pipe", "pipe"],
      detached: true,
      env: { ...env },
    });
    const { stdin, stdout, stderr } = child;
    const output = pipe?.output ?? stdout;
    if (stdin === null || stderr === null || output === null) throw new Error("a spawned process lacks its streams");
    const exited = watchExit(child, { stderr, output, onDiagnostic });
    // A guest that ends while input is on its way is no error.
    stdin.on("error", () => {});
    child.once("error", (error) => reject(notStarted(path, error)));
    child.once("spawn", () => {
      if (child.pid === undefined) throw new Error("a spawned process has no id");
      resolve({
        pid: child.pid,
        input: stdin,
        output,
        exited,
        hasExited: () => child.exitCode !== null || child.signalCode !== null,
        signal: (signal) => child.kill(signal),
      });
    });
  });
}

const KEPT_STDERR = 16 * 1024;

interface ExitStreams {
  readonly stderr: Readable;
  readonly output: Readable;
  readonly onDiagnostic: ((line: string) => void) | undefined;
}

function watchExit(child: ChildProcess, { stderr: errors, output, onDiagnostic }: ExitStreams): Promise<QemuExit> {
  let stderr = "";
  let line = "";
  errors.setEncoding("utf8");
  errors.on("data", (text: string) => {
    stderr = (stderr + text).slice(-KEPT_STDERR);
    const lines = (line + text).split("\n");
    line = (lines.pop() ?? "").slice(-KEPT_STDERR);
    for (const complete of lines) onDiagnostic?.(complete);
  });
  const isRead = new Promise<void>((resolve) => {
    output.once("close", resolve);
  });
  child.once("exit", () => {
    // What nobody has read so far, nobody will.
    if (output.readableFlowing === null) output.resume();
  });
  return new Promise((resolve) => {
    child.once("close", async (code: number | null, signal: NodeJS.Signals | null) => {
      await isRead;
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
