import { spawnSync } from "node:child_process";

/** Runs a program of this machine with these arguments; what it prints, or undefined when it is not there, fails or takes too long. */
export type RunProgram = (program: string, args: readonly string[]) => string | undefined;

const TIME_LIMIT_MS = 10_000;
const MOST_OUTPUT = 1 << 20;

/** Runs programs of this machine for `openDistribution`: without a shell, without input, in plain English, for ten seconds at most. */
export function programRunner(env: Readonly<Record<string, string | undefined>>): RunProgram {
  return (program, args) => {
    const { status, stdout } = spawnSync(program, [...args], {
      env: { ...env, LC_ALL: "C" },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: TIME_LIMIT_MS,
      maxBuffer: MOST_OUTPUT,
    });
    return status === 0 ? stdout : undefined;
  };
}
