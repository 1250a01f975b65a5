import { spawn } from "node:child_process";
import type { Writable } from "node:stream";
import type { CapstanfileLayer } from "../../project/capstanfile.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, checkAborted, ExitCode } from "../../support/errors.ts";

/**
 * Runs the build commands of the layers, each by a shell, as it is written, in the folder of its file. What they print goes
 * to `output` as it comes. Errors: CapstanError `build-failed`, `no-shell`; InterruptedError, when the command and all that it
 * started have been told to end.
 */
export async function runBuildCommands(
  layers: readonly CapstanfileLayer[],
  output: Writable,
  context: Context,
): Promise<void> {
  for (const { build, dir, name } of layers) {
    if (build === undefined) continue;
    context.reporter.report({ kind: "step", text: `Running the build command of ${name}` });
    const { code, signal } = await runShell({ command: build.text, dir, output }, context);
    checkAborted(context.signal);
    if (code === 0) continue;
    throw new CapstanError(`${build.where}: the build command ended with ${signal ?? `exit code ${code}`}`, {
      code: "build-failed",
      hint: "What it printed stands above. Correct that, or leave the command out with --no-build.",
      exitCode: ExitCode.badData,
    });
  }
}

interface ShellCommand {
  readonly command: string;
  readonly dir: string;
  readonly output: Writable;
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

function runShell({ command, dir, output }: ShellCommand, { env, signal }: Context): Promise<Ended> {
  checkAborted(signal);
  return new Promise((resolve, reject) => {
    // A group of its own, so that all that it starts can be ended with it.
    const child = spawn("/bin/sh", ["-c", command], {
      ...{ cwd: dir, env, detached: true },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let killing: NodeJS.Timeout | undefined;
    const stop = () => {
      endGroup(child.pid, "SIGTERM");
      killing = setTimeout(() => endGroup(child.pid, "SIGKILL"), TIME_TO_END_MS);
    };
    signal.addEventListener("abort", stop, { once: true });
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => void output.write(chunk));
    child.on("error", (error) => {
      signal.removeEventListener("abort", stop);
      reject(noShell(error));
    });
    child.on("exit", () => {
      // What it left running in the background may hold its output open for ever.
      const streams = setTimeout(() => [child.stdout, child.stderr].map((stream) => stream.destroy()), TIME_TO_END_MS);
      child.on("close", () => clearTimeout(streams));
    });
    child.on("close", (code, ended) => {
      clearTimeout(killing);
      signal.removeEventListener("abort", stop);
      resolve({ code, signal: ended });
    });
  });
}

const TIME_TO_END_MS = 3000;

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended in the meantime.
  }
}

function noShell(cause: Error): CapstanError {
  return new CapstanError(`The build command could not be started: ${cause.message}`, {
    code: "no-shell",
    hint: "It is run by /bin/sh, in the folder of the Capstanfile.",
    exitCode: ExitCode.osError,
    cause,
  });
}
