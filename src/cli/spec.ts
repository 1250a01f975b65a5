import type { Answer, CommandContext } from "./answer.ts";
import type { Input } from "./input.ts";

/** What a value names: decides what the shell completes. */
export type ValueKind = "file" | "folder" | "image" | "package" | "instance" | "runtime";

export interface FlagSpec {
  /** Without dashes. */
  readonly long: string;
  readonly short?: string;
  /** Other spellings that are accepted and not shown. */
  readonly also?: readonly string[];
  /** The placeholder of the value in help; without one the flag is a switch. */
  readonly value?: string;
  readonly many?: boolean;
  readonly fallback?: string;
  readonly choices?: readonly string[];
  /** Values among others, for the shell to complete. */
  readonly suggestions?: readonly string[];
  readonly kind?: ValueKind;
  readonly text: string;
}

export interface ArgumentSpec {
  readonly name: string;
  readonly optional?: boolean;
  readonly many?: boolean;
  readonly kind?: ValueKind;
  readonly choices?: readonly string[];
  readonly text: string;
}

export interface Example {
  readonly line: string;
  readonly text: string;
}

/** A command as data: the parser, the help, the completions and the reference in docs/ all read this. */
export interface CommandSpec {
  /** The words that select it, such as `package compose`. */
  readonly name: string;
  readonly also?: readonly string[];
  /** One imperative sentence. */
  readonly summary: string;
  /** Paragraphs of the help and the reference. */
  readonly details?: readonly string[];
  readonly args: readonly ArgumentSpec[];
  readonly flags: readonly FlagSpec[];
  readonly examples?: readonly Example[];
  /** Not shown in help, completions or the reference. */
  readonly hidden?: boolean;
  readonly load: () => Promise<CommandModule>;
}

export interface CommandModule {
  readonly run: (input: Input, context: CommandContext) => Promise<Answer>;
}

/** A first word that only groups commands, such as `package`. */
export interface GroupSpec {
  readonly name: string;
  readonly summary: string;
}
