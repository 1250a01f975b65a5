import { CapstanError, ExitCode } from "../../support/errors.ts";
import { didYouMean } from "../../support/suggest.ts";
import { quoted } from "../text-file.ts";
import { java } from "./java.ts";
import { native } from "./native.ts";
import { node } from "./node.ts";
import { python } from "./python.ts";
import type { Runtime } from "./runtime.ts";

export type { Runtime } from "./runtime.ts";

/** In the order of `runtime list`. */
export const RUNTIMES: readonly Runtime[] = [native, node, java, python];

export const runtimeNames: readonly string[] = RUNTIMES.map((runtime) => runtime.name);

/** The runtime that a flag or an argument names. Throws when there is none of that name. */
export function findRuntime(name: string): Runtime {
  const found = RUNTIMES.find((runtime) => runtime.name === name);
  if (found !== undefined) return found;
  throw new CapstanError(`There is no runtime ${quoted(name)}.${didYouMean(name, runtimeNames)}`, {
    code: "unknown-runtime",
    hint: `Choose one of ${runtimeNames.join(", ")}.`,
    exitCode: ExitCode.usage,
  });
}
