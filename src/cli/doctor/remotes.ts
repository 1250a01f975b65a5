import type { RemoteSetting } from "../../config/remotes.ts";
import { CapstanError } from "../../support/errors.ts";
import type { CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { configuredRemotes, isOffline, machineArch, openRemote } from "../remotes.ts";
import { type Finding, fromError, ok, type Patient, warning } from "./finding.ts";

const LIMIT_MS = 20_000;

/** Whether the remotes answer. What is in the store works without them. */
export async function checkRemotes({ context, store }: Patient, input: Input): Promise<readonly Finding[]> {
  const settings = configuredRemotes(store.settings);
  if (isOffline(context)) return [ok("remotes", "Not asked, as CAPSTAN_OFFLINE is set")];
  return await Promise.all(settings.map((setting) => aboutRemote(setting, input, context)));
}

/** One package that every repository of OSv has is asked for: whether it is there does not matter. */
async function aboutRemote(setting: RemoteSetting, input: Input, context: CommandContext): Promise<Finding> {
  const check = `remote ${setting.name}`;
  const limit = AbortSignal.timeout(LIMIT_MS);
  const signal = AbortSignal.any([context.signal, limit]);
  try {
    const remote = await openRemote(setting, input, context);
    await remote.packages({ names: ["osv.bootstrap"], details: false, arch: machineArch() }, { ...context, signal });
    return ok(check, `${remote.address} answers`);
  } catch (error) {
    const timedOut = limit.aborted && !context.signal.aborted;
    const cure = "Check the network and the proxy; CAPSTAN_OFFLINE=1 does without remotes.";
    if (timedOut) return warning(check, `It did not answer within ${LIMIT_MS / 1000} s`, cure);
    const finding = fromError(check, "warning", error);
    return error instanceof CapstanError && error.code === "remote-unreachable" ? { ...finding, cure } : finding;
  }
}
