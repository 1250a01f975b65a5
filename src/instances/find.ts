import { existsSync, readdirSync } from "node:fs";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { didYouMean } from "../support/suggest.ts";
import { instanceFolder, instancesFolder } from "./layout.ts";
import { checkInstanceName } from "./names.ts";

/**
 * The folder of an instance that is there.
 * @throws CapstanError `no-such-instance` (66), `bad-instance-name` (64)
 */
export function findInstance(root: string, name: string): string {
  const folder = instanceFolder(root, checkInstanceName(name));
  if (existsSync(folder)) return folder;
  const parent = instancesFolder(root);
  const known = existsSync(parent) ? readdirSync(parent).filter((entry) => !entry.startsWith(".")) : [];
  throw new CapstanError(`There is no instance ${name}.${didYouMean(name, known)}`, {
    code: "no-such-instance",
    hint: "See what there is: capstan instances",
    exitCode: ExitCode.noInput,
  });
}
