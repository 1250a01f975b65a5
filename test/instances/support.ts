import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { RunConsole } from "../../src/instances/console-bridge.ts";
import { type RunResult, runInstance } from "../../src/instances/run.ts";
import type { RunInput } from "../../src/instances/run-input.ts";
import { MiB } from "../../src/support/bytes.ts";
import { type TestContext, testContext, writeTinyDisk } from "../hypervisors/tiny-guest.ts";

export interface TestRun {
  readonly result: Promise<RunResult>;
  readonly context: TestContext;
  readonly input: PassThrough;
  readonly output: () => string;
  /** Resolves when the console has shown this text. */
  readonly shows: (text: string) => Promise<void>;
  /** As a SIGINT of the terminal. */
  readonly interrupt: () => void;
  /** As the end of the process. */
  readonly exit: () => void;
}

/** Writes an image of the tiny guest under `root` and returns it as `run` takes it. */
export function image(root: string, name: string, commandLine: string) {
  return { name, path: writeTinyDisk(join(root, `${name.replaceAll("/", "-")}.img`), commandLine) };
}

export function run(root: string, changes: Partial<RunInput>, context = testContext()): TestRun {
  const console = new TestConsole();
  let interrupt = () => {};
  let exit = () => {};
  const result = runInstance(
    {
      root,
      memory: 32 * MiB,
      cpus: 1,
      acceleration: "tcg",
      console,
      onInterrupt: (handler) => {
        interrupt = handler;
        return () => {};
      },
      onExit: (handler) => {
        exit = handler;
        return () => {};
      },
      ...changes,
    },
    context,
  );
  // Tests look at it later; until then a failure is not unhandled.
  result.catch(() => {});
  return {
    result,
    context,
    input: console.input,
    output: () => console.text,
    shows: (text) => Promise.race([console.shows(text), result.then(() => console.shows(text))]),
    interrupt: () => interrupt(),
    exit: () => exit(),
  };
}

class TestConsole implements RunConsole {
  readonly input = new PassThrough();
  readonly output = new PassThrough();
  text = "";
  readonly #waiting = new Set<() => void>();

  constructor() {
    this.output.on("data", (chunk) => {
      this.text += chunk.toString("latin1");
      for (const look of this.#waiting) look();
    });
  }

  shows(text: string): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (this.text.includes(text)) resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }
}

/** What lies in the folder of instances. */
export function remains(root: string): string[] {
  const folder = join(root, "instances", "qemu");
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}
