import { rmSync } from "node:fs";
import { join } from "node:path";
import { thisHost } from "../../hypervisors/host.ts";
import { chooseAcceleration } from "../../hypervisors/qemu/acceleration.ts";
import { findQemu, type Qemu } from "../../hypervisors/qemu/find.ts";
import { isAtLeast } from "../../hypervisors/qemu/version.ts";
import { cacheFolder } from "../../instances/layout.ts";
import { SHARES_FOLDERS } from "../../instances/mounts/can-share.ts";
import { type Finding, failure, fromError, ok, type Patient, warning } from "./finding.ts";

/** QEMU, and what it makes of this machine's processor. */
export async function checkHypervisor(patient: Patient): Promise<readonly Finding[]> {
  const { context, store } = patient;
  const cache = cacheFolder(store.settings.root.value);
  let qemu: Qemu;
  try {
    qemu = await findQemu({ ...context, cacheFolder: cache, platform: thisHost().platform });
  } catch (error) {
    return [fromError("qemu", "failure", error)];
  }
  return [aboutQemu(qemu), await aboutAcceleration(qemu, cache, patient)];
}

/** Older ones were never tried. */
const OLDEST = [2, 12];

function aboutQemu({ path, version }: Qemu): Finding {
  const what = `QEMU ${version.join(".")} (${path})`;
  if (!isAtLeast(version, OLDEST)) return failure("qemu", `${what} is too old`, "Install QEMU 5.1 or newer.");
  if (!isAtLeast(version, SHARES_FOLDERS)) {
    return warning("qemu", `${what} is old: run --mount does not work with it`, "Install QEMU 5.1 or newer.");
  }
  return ok("qemu", what);
}

async function aboutAcceleration(qemu: Qemu, cache: string, { context, store }: Patient): Promise<Finding> {
  const check = "acceleration";
  const { settings, builtin } = store;
  if (settings.disableKvm.value) {
    const cure = "Unset CAPSTAN_DISABLE_KVM, and disable_kvm in config.yaml, to have it tried.";
    return warning(check, `It is switched off (${settings.disableKvm.from}): guests are several times slower`, cure);
  }
  // What was found out before may have been mended meanwhile: it is tried anew, and that is remembered.
  rmSync(join(cache, "acceleration.json"), { force: true });
  try {
    const choice = await chooseAcceleration({
      ...{ wanted: "auto", disabled: false, qemu, host: thisHost(), cacheFolder: cache },
      ...{ proofKernel: builtin.kernel, signal: context.signal },
    });
    if (choice.warning === undefined) return ok(check, `A guest ran under ${choice.acceleration.toUpperCase()}`);
    const { text, hint, detail } = choice.warning;
    return warning(check, detail === undefined ? text : `${text}. ${detail}`, hint);
  } catch (error) {
    return fromError(check, "warning", error);
  }
}
