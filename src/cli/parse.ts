import { parseArgs } from "node:util";
import type { CapstanError } from "../support/errors.ts";
import { didYouMean } from "../support/suggest.ts";
import { Input, usageError } from "./input.ts";
import type { ArgumentSpec, CommandSpec, FlagSpec } from "./spec.ts";
import { commands, globalFlags, groups, notYet, remoteFlags } from "./table.ts";

export type Parsed =
  | { readonly kind: "version" }
  | { readonly kind: "help"; readonly topic: readonly string[] }
  | { readonly kind: "command"; readonly command: CommandSpec; readonly input: Input };

/**
 * Reads a command line by the command table. Flags may stand anywhere; `--` ends them.
 * Spellings of the original are understood too: `-name x` for `--name x`, `--m 2G` for `-m 2G`.
 */
export function parseCommandLine(argv: readonly string[]): Parsed {
  const { command, rest, path } = selectCommand(argv);
  if (command === undefined) {
    if (path.length > 0 || rest.length === 0 || rest.some((word) => word === "-h" || word === "--help")) {
      return { kind: "help", topic: path };
    }
    if (rest.some((word) => word === "-v" || word === "--version")) return { kind: "version" };
    throw noCommand(rest);
  }
  const flags = acceptedFlags(command);
  const { words, values } = readFlags(rest, flags, command);
  if (values.has("help")) return { kind: "help", topic: command.name.split(" ") };
  if (command.name === "help") return { kind: "help", topic: words };
  return { kind: "command", command, input: new Input(values, assignArguments(words, command)) };
}

/** The flags that the command knows: its own, and the global ones whose names it does not use otherwise. */
export function flagsOf(command: CommandSpec): readonly FlagSpec[] {
  const taken = new Set(command.flags.flatMap((flag) => [flag.long, flag.short]));
  const inherited = globalFlags
    .filter((flag) => !taken.has(flag.long))
    .map(({ short, ...flag }) => (short === undefined || taken.has(short) ? flag : { ...flag, short }));
  return [...command.flags, ...inherited];
}

/** In the original the flags of remotes go with every command, and say nothing to most: there they are accepted, and not shown. */
function acceptedFlags(command: CommandSpec): readonly FlagSpec[] {
  const own = flagsOf(command);
  const taken = new Set(own.flatMap((flag) => [flag.long, flag.short]));
  const silent = remoteFlags
    .filter((flag) => flag.long !== "remote" && !taken.has(flag.long))
    .map(({ short, ...flag }) => (short === undefined || taken.has(short) ? flag : { ...flag, short }));
  return [...own, ...silent];
}

/** Finds the command words among the arguments; what is left is flags and positionals in their order. */
function selectCommand(argv: readonly string[]): {
  readonly command: CommandSpec | undefined;
  readonly rest: readonly string[];
  readonly path: readonly string[];
} {
  const rest = [...argv];
  const first = takeWord(
    rest,
    0,
    (word) => groups.some(({ name }) => name === word) || findCommand(word) !== undefined,
  );
  if (first === undefined) return { command: undefined, rest, path: [] };
  const group = groups.find(({ name }) => name === first.word);
  if (group === undefined) {
    const command = findCommand(first.word);
    if (command === undefined) throw unknownCommand(first.word);
    return { command, rest, path: [] };
  }
  const second = takeWord(rest, first.index, (word) => findCommand(`${group.name} ${word}`) !== undefined);
  if (second === undefined) return { command: undefined, rest, path: [group.name] };
  const command = findCommand(`${group.name} ${second.word}`);
  if (command === undefined) throw unknownCommand(`${group.name} ${second.word}`);
  return { command, rest, path: [] };
}

interface TakenWord {
  readonly word: string;
  readonly index: number;
}

/**
 * Removes and returns the first word that is no flag. A word behind a flag may be the flag's value, which nobody knows
 * before the command is known: it is passed over when one that `isKnown` comes later.
 */
function takeWord(rest: string[], from: number, isKnown: (word: string) => boolean): TakenWord | undefined {
  let doubtful: TakenWord | undefined;
  for (let index = from; index < rest.length; index++) {
    const word = rest[index] ?? "";
    if (word === "--") break;
    if (isFlag(word)) continue;
    const found = { word, index };
    if (isKnown(word) || !mayTakeValue(rest[index - 1])) {
      const taken = isKnown(word) ? found : (doubtful ?? found);
      rest.splice(taken.index, 1);
      return taken;
    }
    doubtful ??= found;
  }
  if (doubtful !== undefined) rest.splice(doubtful.index, 1);
  return doubtful;
}

function isFlag(word: string): boolean {
  return word.startsWith("-") && word !== "-";
}

function mayTakeValue(word: string | undefined): boolean {
  if (word === undefined || !isFlag(word) || word.includes("=")) return false;
  return !globalFlags.some((flag) => flag.value === undefined && isSpelled(word, flag));
}

/** Flags alone: one that no command knows is the mistake, else it is that nothing is asked for. */
function noCommand(rest: readonly string[]): CapstanError {
  const hint = "Run `capstan help` for the commands and flags.";
  const unknown = rest.find((word) => word !== "--" && !globalFlags.some((flag) => isSpelled(word, flag)));
  if (unknown === undefined) return usageError("There is no command on the line.", hint);
  const names = [...globalFlags.map((flag) => `--${flag.long}`), "--version"];
  const suggestion = unknown.startsWith("--") ? didYouMean(unknown, names) : "";
  return usageError(`Unknown flag '${unknown}'.${suggestion}`, hint);
}

function isSpelled(word: string, flag: FlagSpec): boolean {
  return word === `--${flag.long}` || (flag.short !== undefined && word === `-${flag.short}`);
}

export function findCommand(name: string): CommandSpec | undefined {
  return commands.find((command) => command.name === name || command.also?.includes(name) === true);
}

function unknownCommand(name: string): CapstanError {
  if (notYet.commands.includes(name)) {
    return usageError(
      `The command '${name}' of the original Capstan is not in this version.`,
      "Run `capstan help` for the commands that are.",
    );
  }
  const known = commands.filter((command) => command.hidden !== true).map((command) => command.name);
  const groupNames = groups.map((group) => group.name);
  return usageError(
    `Unknown command '${name}'.${didYouMean(name, [...known, ...groupNames])}`,
    "Run `capstan help` for all commands.",
  );
}

function readFlags(
  rest: readonly string[],
  flags: readonly FlagSpec[],
  command: CommandSpec,
): { readonly words: readonly string[]; readonly values: ReadonlyMap<string, readonly string[] | true> } {
  const byName = new Map<string, FlagSpec>();
  for (const flag of flags) {
    for (const name of [flag.long, ...(flag.also ?? [])]) byName.set(name, flag);
  }
  const byShort = new Map(flags.flatMap((flag) => (flag.short === undefined ? [] : [[flag.short, flag] as const])));
  const options: Record<string, { type: "string" | "boolean"; short?: string; multiple: true }> = {};
  for (const [name, flag] of byName) {
    const type = flag.value === undefined ? "boolean" : "string";
    const short = name === flag.long && flag.short !== undefined ? { short: flag.short } : {};
    options[name] = { type, multiple: true, ...short };
  }
  const { tokens } = parseArgs({
    args: respell(rest, byName, byShort),
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const words: string[] = [];
  const values = new Map<string, string[] | true>();
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const flag = byName.get(token.name);
    if (flag === undefined) throw unknownFlag(token.rawName, command);
    if (flag.value === undefined) {
      if (token.value !== undefined) throw usageError(`The flag ${token.rawName} takes no value.`, helpHint(command));
      values.set(flag.long, true);
      continue;
    }
    if (token.value === undefined) {
      throw usageError(`The flag ${token.rawName} needs a value: ${token.rawName} ${flag.value}.`, helpHint(command));
    }
    if (flag.choices !== undefined && !flag.choices.includes(token.value)) {
      throw usageError(
        `'${token.value}' is not a value of ${token.rawName}.${didYouMean(token.value, flag.choices)}`,
        `Choose one of: ${flag.choices.join(", ")}.`,
      );
    }
    const before = values.get(flag.long);
    if (Array.isArray(before)) before.push(token.value);
    else values.set(flag.long, [token.value]);
  }
  return { words, values };
}

/** Turns the original's other spellings into the usual ones, before `--` only, and never a flag's value. */
function respell(
  rest: readonly string[],
  byName: ReadonlyMap<string, FlagSpec>,
  byShort: ReadonlyMap<string, FlagSpec>,
): string[] {
  const result: string[] = [];
  for (let index = 0; index < rest.length; index++) {
    const word = rest[index] ?? "";
    if (word === "--") return [...result, ...rest.slice(index)];
    const match = /^(--?)([^=]+)(=.*)?$/s.exec(word);
    if (match === null) {
      result.push(word);
      continue;
    }
    const [, dashes = "", name = "", inline = ""] = match;
    let flag = dashes === "--" ? byName.get(name) : byShort.get(name.slice(0, 1));
    let spelled = word;
    if (dashes === "--" && flag === undefined && byShort.has(name)) {
      flag = byShort.get(name);
      spelled = `--${flag?.long ?? name}${inline}`;
    } else if (dashes === "-" && name.length > 1 && byName.has(name)) {
      flag = byName.get(name);
      spelled = `-${word}`;
    } else if (dashes === "-" && name.length === 1 && inline !== "" && flag?.value !== undefined) {
      spelled = `--${flag.long}${inline}`;
    }
    result.push(spelled);
    const next = rest[index + 1];
    const takesNext = flag?.value !== undefined && inline === "" && (spelled.startsWith("--") || name.length === 1);
    if (takesNext && next !== undefined) {
      result.push(next);
      index++;
    }
  }
  return result;
}

function unknownFlag(rawName: string, command: CommandSpec): CapstanError {
  const name = rawName.replace(/^-+/, "");
  if (notYet.flags.includes(name)) {
    return usageError(
      `The flag ${rawName} of the original Capstan is not in this version, which knows no remote repositories.`,
      helpHint(command),
    );
  }
  const candidates = flagsOf(command).map((flag) => `--${flag.long}`);
  const suggestion = name.length > 1 ? didYouMean(`--${name}`, candidates) : "";
  return usageError(`Unknown flag '${rawName}' for \`capstan ${command.name}\`.${suggestion}`, helpHint(command));
}

function assignArguments(words: readonly string[], command: CommandSpec): ReadonlyMap<string, readonly string[]> {
  const result = new Map<string, readonly string[]>();
  let next = 0;
  for (const argument of command.args) {
    const taken = argument.many === true ? words.slice(next) : words.slice(next, next + 1);
    next += taken.length;
    if (taken.length === 0 && argument.optional !== true) {
      throw usageError(`\`capstan ${command.name}\` needs <${argument.name}>: ${argument.text}`, helpHint(command));
    }
    checkChoice(taken, argument);
    checkPath(taken, argument);
    result.set(argument.name, taken);
  }
  const surplus = words[next];
  if (surplus !== undefined) {
    throw usageError(`\`capstan ${command.name}\` does not take '${surplus}'.`, helpHint(command));
  }
  return result;
}

function checkChoice(words: readonly string[], argument: ArgumentSpec): void {
  const { choices } = argument;
  if (choices === undefined) return;
  for (const word of words) {
    if (choices.includes(word)) continue;
    throw usageError(
      `'${word}' is not a ${argument.name}.${didYouMean(word, choices)}`,
      `Choose one of: ${choices.join(", ")}.`,
    );
  }
}

/** An unset variable of a shell would otherwise name the folder that one happens to be in. */
function checkPath(words: readonly string[], { kind, name }: ArgumentSpec): void {
  if ((kind !== "file" && kind !== "folder") || !words.includes("")) return;
  throw usageError(`<${name}> is empty.`, "Write '.' for this folder.");
}

function helpHint(command: CommandSpec): string {
  return `Run \`capstan ${command.name} --help\` for its flags.`;
}
