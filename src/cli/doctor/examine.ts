import { CapstanError } from "../../support/errors.ts";
import type { CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { type OpenStore, openStore } from "../store.ts";
import { type Check, type Finding, fromError, type Level } from "./finding.ts";
import { checkFolders } from "./folders.ts";
import { checkHypervisor } from "./hypervisor.ts";
import { checkRemotes } from "./remotes.ts";
import { checkRights } from "./rights.ts";
import { checkKernel, checkStore } from "./store.ts";
import { checkClock, checkProxy, checkSpace } from "./surroundings.ts";

export interface Examination {
  /** The worst of the findings. */
  readonly verdict: Level;
  readonly findings: readonly Finding[];
}

/** All checks side by side, their findings in this order. */
export async function examine(input: Input, context: CommandContext): Promise<Examination> {
  let store: OpenStore;
  try {
    store = openStore(context);
  } catch (error) {
    // Without settings, nobody knows where to look.
    return verdictOf([fromError("settings", "failure", error)]);
  }
  const patient = { context, store };
  const found = await Promise.all(checksFor(input).map((check) => findingsOf(check, patient)));
  return verdictOf(found.flat());
}

function checksFor(input: Input): readonly Check[] {
  return [
    { name: "qemu", run: checkHypervisor },
    { name: "kvm", run: checkRights },
    { name: "virtiofsd", run: checkFolders },
    { name: "installation", run: checkKernel },
    { name: "disk", run: checkSpace },
    { name: "clock", run: checkClock },
    { name: "proxy", run: checkProxy },
    { name: "remotes", run: (patient) => checkRemotes(patient, input) },
    { name: "store", run: checkStore },
  ];
}

/** One check that the system refuses hides none of the others. */
async function findingsOf({ name, run }: Check, patient: Parameters<Check["run"]>[0]): Promise<readonly Finding[]> {
  try {
    return await run(patient);
  } catch (error) {
    if (error instanceof CapstanError && error.code === "interrupted") throw error;
    return [fromError(name, "failure", error)];
  }
}

function verdictOf(findings: readonly Finding[]): Examination {
  const has = (level: Level) => findings.some((finding) => finding.level === level);
  return { verdict: has("failure") ? "failure" : has("warning") ? "warning" : "ok", findings };
}
