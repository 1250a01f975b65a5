import { CapstanError, ExitCode, InterruptedError, withNoun } from "../support/errors.ts";
import type { Answer, CommandContext } from "./answer.ts";
import { helpText } from "./help.ts";
import { OutputReporter } from "./output.ts";
import { type Parsed, parseCommandLine } from "./parse.ts";

export interface Program {
  readonly version: string;
  /** The folder that Capstan is installed in. */
  readonly installation: string;
}

/** Runs a command line in this process and returns its exit code. */
export async function main(argv: readonly string[], program: Program): Promise<number> {
  const reporter = makeReporter();
  // A reader that goes away (`capstan image cat … | head`) ends the output, not the program with a stack.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(ExitCode.ok);
  });
  try {
    const parsed = parseCommandLine(argv);
    if (parsed.kind === "version") {
      await print(`capstan ${program.version}\n`);
      return ExitCode.ok;
    }
    if (parsed.kind === "help") {
      await print(helpText(parsed.topic));
      return argv.length === 0 ? ExitCode.usage : ExitCode.ok;
    }
    return await runCommand(parsed, reporter, program);
  } catch (error) {
    const known = withNoun(error, "The operating system refused");
    if (known instanceof CapstanError && wantsJson(argv))
      await print(`${JSON.stringify(errorValue(known), undefined, 2)}\n`);
    return fail(known, reporter);
  }
}

/** Looked for in the words, since the command line may be what is wrong. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end === -1 ? argv.length : end).includes("--json");
}

function errorValue({ code, message, hint, details, exitCode }: CapstanError) {
  return { error: { code, message, hint: hint ?? null, details, exitCode } };
}

async function runCommand(
  parsed: Extract<Parsed, { kind: "command" }>,
  reporter: OutputReporter,
  program: Program,
): Promise<number> {
  const { command, input } = parsed;
  const interrupts = new Interrupts();
  reporter.configure({ quiet: input.on("quiet"), verbose: input.on("verbose") });
  try {
    const module = await command.load();
    const answer = await module.run(input, makeContext({ interrupts, reporter, program }));
    reporter.clear();
    // What is left is to print, perhaps to a reader that does not read: nothing would have to be tidied up.
    interrupts.finish();
    await printAnswer(answer, input.on("json"));
    return answer.exitCode ?? ExitCode.ok;
  } finally {
    interrupts.finish();
    // Input that was read for a guest would keep the process alive.
    process.stdin.unref?.();
  }
}

async function printAnswer(answer: Answer, json: boolean): Promise<void> {
  if (json) {
    await print(`${JSON.stringify(answer.value, undefined, 2)}\n`);
    return;
  }
  const text = answer.text?.();
  if (text === undefined || text === "") return;
  if (typeof text === "string") await print(text);
  else for await (const chunk of text) await print(chunk);
}

function print(data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(data, (error) => (error == null ? resolve() : reject(error)));
  });
}

function fail(error: unknown, reporter: OutputReporter): number {
  if (error instanceof CapstanError) {
    if (error instanceof InterruptedError) reporter.clear();
    else reporter.error(error);
    return error.exitCode;
  }
  reporter.bug(error);
  return ExitCode.bug;
}

/** Ctrl-C and SIGTERM abort the work; a second one, while the work is still tidying up, ends the process at once. */
class Interrupts {
  readonly #controller = new AbortController();
  #handler: (() => void) | undefined;
  #finished = false;

  constructor() {
    process.on("SIGINT", () => this.#receive(ExitCode.interrupted));
    process.on("SIGTERM", () => this.#receive(ExitCode.terminated));
    process.on("SIGHUP", () => this.#receive(ExitCode.terminated));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  takeOver(handler: () => void): () => void {
    this.#handler = handler;
    return () => {
      this.#handler = undefined;
    };
  }

  /**
   * From now on a signal ends the process at once. The handlers stay: without them, a Ctrl-C in the last moments would
   * kill the process, and its exit code would be another one by chance.
   */
  finish(): void {
    this.#finished = true;
  }

  #receive(exitCode: ExitCode): void {
    if (exitCode === ExitCode.interrupted && this.#handler !== undefined) {
      this.#handler();
      return;
    }
    if (this.#finished || this.#controller.signal.aborted) process.exit(exitCode);
    this.#controller.abort(new InterruptedError(exitCode));
  }
}

interface ContextParts {
  readonly interrupts: Interrupts;
  readonly reporter: OutputReporter;
  readonly program: Program;
}

function makeContext({ interrupts, reporter, program }: ContextParts): CommandContext {
  return {
    cwd: process.cwd(),
    env: process.env,
    now: () => new Date(),
    signal: interrupts.signal,
    reporter,
    ...program,
    onInterrupt: (handler) => interrupts.takeOver(handler),
    onExit: (handler) => {
      process.on("exit", handler);
      return () => process.off("exit", handler);
    },
    console: {
      input: process.stdin,
      output: process.stdout,
      errorOutput: process.stderr,
      columns: process.stdout.columns ?? 80,
      stdoutIsTerminal: process.stdout.isTTY === true,
    },
  };
}

function makeReporter(): OutputReporter {
  const terminal = process.stderr.isTTY === true && process.env.TERM !== "dumb";
  return new OutputReporter({
    colour: terminal && (process.env.NO_COLOR ?? "") === "",
    terminal,
    columns: process.stderr.columns ?? 80,
    now: () => Date.now(),
    write: (text) => process.stderr.write(text),
  });
}
