import { spawn } from "node:child_process";
import { MiB } from "../../support/bytes.ts";
import { checkAborted } from "../../support/errors.ts";
import type { Acceleration } from "../machine.ts";
import { qemuArguments } from "./arguments.ts";
import type { Qemu } from "./find.ts";

export interface ProofInput {
  readonly acceleration: Acceleration;
  readonly qemu: Qemu;
  readonly kernel: string;
  readonly signal?: AbortSignal | undefined;
  readonly limitMs?: number | undefined;
}

export interface ProofResult {
  readonly runs: boolean;
  /** Completes the sentence "a guest that was started under it …". */
  readonly reason: string;
}

/** A program inside the demo kernel, which needs no disk (guest/README.md), and what it prints. */
const COMMAND = "/proc/self-test";
const PASSED = "Self-test passed.";

/** Runs a program in a guest: a kernel's own lines prove little, since some hosts fail only when user mode is entered. */
export async function guestRuns(input: ProofInput): Promise<ProofResult> {
  const { limitMs = 3000, qemu, signal } = input;
  checkAborted(signal);
  const result = await new Promise<ProofResult>((resolve) => {
    const child = spawn(qemu.path, proofArguments(input), { stdio: ["ignore", "pipe", "pipe"], detached: true });
    let verdict: ProofResult | undefined;
    let complaint = "";
    let printed = "";
    const decide = (reached: ProofResult) => {
      verdict ??= reached;
      child.kill("SIGKILL");
    };
    const timer = setTimeout(
      () => decide({ runs: false, reason: `${missed(printed)} within ${limitMs / 1000} s` }),
      limitMs,
    );
    const onAbort = () => decide({ runs: false, reason: "was interrupted" });
    signal?.addEventListener("abort", onAbort, { once: true });

    child.stdout.on("data", (chunk: Buffer) => {
      if (printed.length < 20_000) printed += chunk.toString("latin1");
      if (hasLine(printed, PASSED)) decide({ runs: true, reason: "ran" });
    });
    child.stderr.on("data", (chunk: Buffer) => {
      if (complaint.length < 2000) complaint += chunk.toString("utf8");
    });
    const finish = (fallback: ProofResult) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      resolve(verdict ?? fallback);
    };
    child.on("error", (error) => finish({ runs: false, reason: `did not start (${error.message})` }));
    child.on("close", () => finish({ runs: false, reason: `ended at once (${firstLine(complaint)})` }));
  });
  checkAborted(signal);
  return result;
}

function proofArguments({ acceleration, kernel, qemu }: ProofInput): string[] {
  const machine = {
    name: "capstan-proof",
    memory: 128 * MiB,
    cpus: 1,
    acceleration,
    boot: { kind: "kernel", kernel, commandLine: COMMAND },
    disks: [],
    cards: [],
  } as const;
  return qemuArguments(machine, qemu.capabilities);
}

/** An unfinished last line does not count. */
function hasLine(text: string, line: string): boolean {
  return text.split(/\r?\n/).slice(0, -1).includes(line);
}

function missed(printed: string): string {
  return printed === "" ? "printed nothing" : "did not pass its self-test";
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0]?.slice(0, 200) || "without a word";
}
