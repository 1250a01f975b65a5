import { CapstanError, ExitCode } from "../support/errors.ts";

/** A parsed command line: flags by their long names, positionals by the names of the command's table. */
export class Input {
  readonly #flags: ReadonlyMap<string, readonly string[] | true>;
  readonly #args: ReadonlyMap<string, readonly string[]>;

  constructor(flags: ReadonlyMap<string, readonly string[] | true>, args: ReadonlyMap<string, readonly string[]>) {
    this.#flags = flags;
    this.#args = args;
  }

  /** The same command line with other values of some flags, and other positionals. */
  with(flags: Readonly<Record<string, readonly string[]>>, args: Readonly<Record<string, readonly string[]>>): Input {
    return new Input(new Map([...this.#flags, ...Object.entries(flags)]), new Map(Object.entries(args)));
  }

  /** Whether the switch is set. */
  on(long: string): boolean {
    return this.#flags.has(long);
  }

  /** The flag's value, the last one when it was given more than once. */
  text(long: string): string | undefined {
    const values = this.#flags.get(long);
    return values === undefined || values === true ? undefined : values.at(-1);
  }

  list(long: string): readonly string[] {
    const values = this.#flags.get(long);
    return values === undefined || values === true ? [] : values;
  }

  arg(name: string): string | undefined {
    return this.#args.get(name)?.[0];
  }

  args(name: string): readonly string[] {
    return this.#args.get(name) ?? [];
  }

  /** A positional that the table says is there. */
  need(name: string): string {
    const value = this.arg(name);
    if (value === undefined) throw usageError(`<${name}> is missing.`);
    return value;
  }
}

export function usageError(message: string, hint?: string): CapstanError {
  return new CapstanError(message, { code: "usage", exitCode: ExitCode.usage, hint });
}
