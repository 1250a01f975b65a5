import { createInterface } from "node:readline/promises";
import { checkAborted, InterruptedError } from "../../support/errors.ts";
import type { CommandContext } from "../answer.ts";
import { printable } from "../output.ts";

/** Whether somebody is there to be asked. */
export function canAsk({ console }: CommandContext): boolean {
  return console.input.isTTY === true && console.stdoutIsTerminal;
}

/** The number of the line that is chosen, from 0; the first one when nothing is said. Error: InterruptedError at the end of the input. */
export async function choose(question: string, lines: readonly string[], context: CommandContext): Promise<number> {
  const { errorOutput } = context.console;
  // Names of files are in it.
  errorOutput.write(printable(`${question}\n${lines.map((line, index) => `  ${index + 1}  ${line}\n`).join("")}`));
  for (;;) {
    const answer = (await ask(`Which one? [1] `, context)).trim();
    const number = answer === "" ? 1 : Number(answer);
    if (Number.isInteger(number) && number >= 1 && number <= lines.length) return number - 1;
    errorOutput.write(`Write a number from 1 to ${lines.length}.\n`);
  }
}

export async function confirm(question: string, context: CommandContext): Promise<boolean> {
  return /^y(es)?$/i.test((await ask(`${printable(question)} [y/N] `, context)).trim());
}

async function ask(question: string, { console, signal, onInterrupt }: CommandContext): Promise<string> {
  checkAborted(signal);
  const reading = createInterface({ input: console.input, output: console.errorOutput, terminal: false });
  const closed = new Promise<never>((_, reject) => {
    reading.once("close", () => reject(new InterruptedError()));
  });
  const giveBack = onInterrupt(() => reading.close());
  try {
    return await Promise.race([reading.question(question), closed]);
  } finally {
    giveBack();
    reading.close();
    closed.catch(() => undefined);
  }
}
