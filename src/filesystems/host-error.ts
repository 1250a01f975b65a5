import { CapstanError, ExitCode, withNoun } from "../support/errors.ts";
import { quotePath } from "./names.ts";

/** What the operating system said when `path` was read, as an error that names the path, whichever its number is. */
export function hostError(error: unknown, path: string): unknown {
  const doing = `Reading ${quotePath(path)}`;
  const named = withNoun(error, doing);
  if (named instanceof CapstanError || !(error instanceof Error) || !("code" in error)) return named;
  return new CapstanError(`${doing}: ${error.message}`, {
    code: "os-error",
    hint: "Check the file and the disk that it is on.",
    exitCode: ExitCode.osError,
    cause: error,
  });
}
