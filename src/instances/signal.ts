import { CapstanError, ExitCode, isErrno } from "../support/errors.ts";
import { isAlive, type ProcessIdentity } from "./process-identity.ts";

/** Sends a signal to just that process, and to no later one of its number. @throws CapstanError `instance-not-stopped` (1) */
export function sendSignal(who: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(who)) return;
  try {
    process.kill(who.pid, signal);
  } catch (error) {
    if (isErrno(error, "ESRCH")) return;
    throw new CapstanError(`The process ${who.pid} of the instance cannot be ended`, {
      code: "instance-not-stopped",
      hint: "It belongs to another user: stop it as that user.",
      exitCode: ExitCode.runFailed,
      cause: error,
    });
  }
}
