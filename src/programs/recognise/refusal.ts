import { quotePath } from "../../filesystems/names.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";

/** `what` completes "PATH …": "is a Windows program". */
export function notRunnable(path: string, what: string, hint: string): CapstanError {
  return new CapstanError(`${quotePath(path)} ${what}`, { code: "not-runnable", hint, exitCode: ExitCode.badData });
}
