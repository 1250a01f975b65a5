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

/** Starts a guest and waits for the first line on its console: nothing less proves that guests run. */
export async function guestRuns(input: ProofInput): Promise<ProofResult> {
  const { limitMs = 3000, qemu, signal } = input;
  checkAborted(signal);
  const result = await new Promise<ProofResult>((resolve) => {
    const child = spawn(qemu.path, proofArguments(input), { stdio: ["ignore", "pipe", "pipe"], detached: true });
    let verdict: ProofResult | undefined;
    let complaint = "";
    const decide = (reached: ProofResult) => {
      verdict ??= reached;
      child.kill("SIGKILL");
    };
    const timer = setTimeout(
      () => decide({ runs: false, reason: `printed nothing within ${limitMs / 1000} s` }),
      limitMs,
    );
    const onAbort = () => decide({ runs: false, reason: "was interrupted" });
    signal?.addEventListener("abort", onAbort, { once: true });

    child.stdout.on("data", (chunk: Buffer) => {
      if (chunk.includes(0x0a)) decide({ runs: true, reason: "ran" });
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
    boot: { kind: "kernel", kernel, commandLine: "" },
    disks: [],
    network: { kind: "none" },
  } as const;
  return qemuArguments(machine, qemu.capabilities);
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0]?.slice(0, 200) || "without a word";
}
