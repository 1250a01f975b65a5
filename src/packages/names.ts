import { nameProblem } from "../project/names.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";

/** Error: CapstanError `bad-package-name`. Whatever passes is a file name in the store, and nothing else. */
export function checkPackageName(name: string): void {
  const problem = nameProblem(name, "a package");
  if (problem === undefined) return;
  throw new CapstanError(problem, {
    code: "bad-package-name",
    hint: "Correct the name; 'capstan package list' shows those in the local store.",
    exitCode: ExitCode.usage,
  });
}
