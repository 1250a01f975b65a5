import type { RunConsole } from "../instances/console-bridge.ts";
import type { CommandContext } from "./answer.ts";
import type { Input } from "./input.ts";

/** This terminal, or whatever is in its place, as a guest's console. */
export function consoleOf(input: Input, { console }: CommandContext): RunConsole {
  const { input: stdin } = console;
  const rawMode = () => {
    stdin.setRawMode?.(true);
    return () => {
      stdin.setRawMode?.(false);
    };
  };
  return {
    input: stdin,
    // With --json stdout is the answer alone.
    output: input.on("json") ? console.errorOutput : console.output,
    rawMode: stdin.isTTY === true ? rawMode : undefined,
  };
}
