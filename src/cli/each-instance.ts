import { CapstanError, checkAborted, ExitCode } from "../support/errors.ts";
import type { Answer, CommandContext } from "./answer.ts";

export interface DoneWithOne {
  readonly value: unknown;
  /** A line for stdout. */
  readonly text?: string;
  readonly exitCode?: ExitCode;
}

/**
 * Does something with each of the instances named, all at once. With several, one that fails keeps no other from being
 * done; the answer is then a list. With one, its error is the command's.
 */
export async function forEachInstance(
  names: readonly string[],
  { reporter, signal }: CommandContext,
  work: (name: string) => Promise<DoneWithOne>,
): Promise<Answer> {
  const [only, ...others] = [...new Set(names)];
  if (only !== undefined && others.length === 0) return toAnswer([await work(only)], (value) => value[0]);
  const settled = await Promise.allSettled([...new Set(names)].map(work));
  checkAborted(signal);
  const done = settled.map((one): DoneWithOne => {
    if (one.status === "fulfilled") return one.value;
    const { reason } = one;
    if (!(reason instanceof CapstanError)) throw reason;
    const { code, message, hint, exitCode } = reason;
    reporter.report({ kind: "failure", text: withHint(message, hint) });
    return { value: { error: { code, message, hint: hint ?? null, exitCode } }, exitCode };
  });
  return toAnswer(done, (value) => value);
}

function withHint(message: string, hint: string | undefined): string {
  if (hint === undefined) return message;
  return `${message}${/[.?!]$/.test(message) ? "" : "."} ${hint}`;
}

function toAnswer(done: readonly DoneWithOne[], pick: (values: readonly unknown[]) => unknown): Answer {
  const lines = done.flatMap(({ text }) => (text === undefined ? [] : [`${text}\n`]));
  const exitCode = done.find((one) => (one.exitCode ?? ExitCode.ok) !== ExitCode.ok)?.exitCode;
  return {
    value: pick(done.map(({ value }) => value)),
    ...(lines.length === 0 ? {} : { text: () => lines.join("") }),
    ...(exitCode === undefined ? {} : { exitCode }),
  };
}
