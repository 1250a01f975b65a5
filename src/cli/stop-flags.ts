import { type Input, usageError } from "./input.ts";

/** --time, in ms: how long a guest may take to power off. */
export function graceFlag(input: Input): number | undefined {
  const text = input.text("time");
  if (text === undefined) return undefined;
  if (/^\d{1,6}(\.\d+)?$/.test(text)) return Number(text) * 1000;
  throw usageError(`--time '${text}' is not a number of seconds.`, "Write a number, such as --time 30.");
}
