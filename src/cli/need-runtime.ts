import { RUNTIMES } from "../project/runtimes/index.ts";
import { type Input, usageError } from "./input.ts";

/** The value of --runtime, which the original has as a flag although it must be given. */
export function needRuntime(input: Input): string {
  const runtime = input.text("runtime");
  if (runtime !== undefined) return runtime;
  throw usageError("--runtime is missing.", `Name one of: ${RUNTIMES.map(({ name }) => name).join(", ")}.`);
}
