import { closeSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { CapstanError, ExitCode, isErrno } from "../../support/errors.ts";
import { isRecord } from "../../support/records.ts";
import { readCache, writeCache } from "../cache-file.ts";
import type { Host } from "../host.ts";
import type { Acceleration } from "../machine.ts";
import type { Qemu } from "./find.ts";
import { guestRuns, type ProofResult } from "./proof.ts";

export type WantedAcceleration = "auto" | Acceleration;

export interface AccelerationInput {
  readonly wanted: WantedAcceleration;
  /** The user's setting `disable_kvm`: no hardware acceleration, and no warning about it. */
  readonly disabled: boolean;
  readonly qemu: Qemu;
  readonly host: Host;
  /** Where verdicts are remembered. */
  readonly cacheFolder: string;
  /** The demo kernel's ELF, which holds the program that proves that guests run. */
  readonly proofKernel: string | undefined;
  /** How long a guest may take when it is tried out; 3 s. */
  readonly proofLimitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface AccelerationChoice {
  readonly acceleration: Acceleration;
  /** Why it is not the fast one, and the cure. */
  readonly warning?: { readonly text: string; readonly hint: string; readonly detail: string | undefined };
}

/**
 * The acceleration to use. An unforced one is used only when a guest has run under it since this machine was booted:
 * a /dev/kvm that opens, and lets a machine be created in which nothing ever runs, is common where machines are nested.
 * @throws CapstanError `acceleration-unavailable` (69) when a forced one cannot be had
 */
export async function chooseAcceleration(input: AccelerationInput): Promise<AccelerationChoice> {
  if (input.wanted === "tcg") return { acceleration: "tcg" };
  if (input.wanted !== "auto") return forced(input.wanted, input.host);
  if (input.disabled) return { acceleration: "tcg" };

  const hardware = input.host.platform === "darwin" ? "hvf" : "kvm";
  const refusal = obstacle(hardware, input.host) ?? (await refusalByTrying(hardware, input));
  return refusal === undefined ? { acceleration: hardware } : { acceleration: "tcg", warning: toWarning(refusal) };
}

interface Refusal {
  readonly reason: string;
  readonly cure: string;
  /** What was seen, for those who look into it. */
  readonly detail?: string;
}

function forced(wanted: "kvm" | "hvf", host: Host): AccelerationChoice {
  const refusal = obstacle(wanted, host);
  if (refusal === undefined) return { acceleration: wanted };
  throw new CapstanError(`Acceleration by ${NAMES[wanted]} was asked for and cannot be had: ${refusal.reason}`, {
    code: "acceleration-unavailable",
    hint: `${refusal.cure} Or leave the choice to capstan: --accel auto.`,
    exitCode: ExitCode.unavailable,
  });
}

const NAMES = { kvm: "KVM", hvf: "HVF" } as const;

/** What can be seen without starting anything. */
function obstacle(hardware: "kvm" | "hvf", host: Host): Refusal | undefined {
  const home = hardware === "kvm" ? "linux" : "darwin";
  if (host.platform !== home) {
    return {
      reason: `${NAMES[hardware]} belongs to ${hardware === "kvm" ? "Linux" : "macOS"}`,
      cure: "Use what this system has.",
    };
  }
  if (host.arch !== "x64") {
    return {
      reason: `guests are x86-64 and this machine's processor is ${host.arch}`,
      cure: "An x86-64 machine runs them faster.",
    };
  }
  return hardware === "kvm" ? kvmObstacle(host.kvmDevice) : undefined;
}

function kvmObstacle(device: string): Refusal | undefined {
  try {
    closeSync(openSync(device, "r+"));
    return undefined;
  } catch (error) {
    if (isErrno(error, "ENOENT")) {
      return {
        reason: `there is no ${device}`,
        cure: "Enable virtualisation in the firmware, or nested virtualisation if this is a virtual machine, and load the module kvm_intel or kvm_amd.",
      };
    }
    if (isErrno(error, "EACCES", "EPERM")) {
      return {
        reason: `you may not open ${device}`,
        cure: "Join the group that may (sudo usermod -aG kvm $USER, then log in again); if its mode lets no group in, change that first.",
      };
    }
    return {
      reason: `${device} does not open (${error instanceof Error && "code" in error ? error.code : error})`,
      cure: "Load the module kvm_intel or kvm_amd.",
    };
  }
}

async function refusalByTrying(hardware: "kvm" | "hvf", input: AccelerationInput): Promise<Refusal | undefined> {
  const { proofKernel, proofLimitMs, qemu, signal } = input;
  if (proofKernel === undefined) {
    return {
      reason: "the kernel that would try it out is not installed",
      cure: "Force it with --accel, or reinstall capstan.",
    };
  }
  const result = await remembered(input, `${hardware} ${qemu.identity} ${kernelIdentity(proofKernel)}`, () =>
    guestRuns({ acceleration: hardware, qemu, kernel: proofKernel, limitMs: proofLimitMs, signal }),
  );
  if (result.runs) return undefined;
  return {
    reason: `${NAMES[hardware]} is there, but no guest runs under it`,
    cure: "If this is a virtual machine, its host must allow nested virtualisation.",
    detail: `A guest that was started under ${NAMES[hardware]} ${result.reason}; --accel ${hardware} forces it`,
  };
}

function kernelIdentity(path: string): string {
  const { size, mtimeMs } = statSync(path);
  return `${size}:${mtimeMs}`;
}

/** A verdict holds for this boot of the machine, this QEMU and this kernel of ours: with another one it is tried anew. */
async function remembered(
  { cacheFolder, host }: AccelerationInput,
  key: string,
  tryIt: () => Promise<ProofResult>,
): Promise<ProofResult> {
  const path = join(cacheFolder, "acceleration.json");
  const cache = readCache(path);
  const verdicts = cache.bootId === host.bootId && isRecord(cache.verdicts) ? cache.verdicts : {};
  const known = verdicts[key];
  if (isRecord(known) && typeof known.runs === "boolean" && typeof known.reason === "string") {
    return { runs: known.runs, reason: known.reason };
  }
  const result = await tryIt();
  await writeCache(path, { bootId: host.bootId, verdicts: { ...verdicts, [key]: result } });
  return result;
}

function toWarning({ reason, cure, detail }: Refusal): NonNullable<AccelerationChoice["warning"]> {
  return {
    text: `No hardware acceleration, so the guest is several times slower: ${reason}`,
    hint: `${cure} CAPSTAN_DISABLE_KVM=1 ends this warning.`,
    detail,
  };
}
