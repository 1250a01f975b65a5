import { MAX_BOOT_ARGS } from "../disks/boot-args.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { didYouMean } from "../support/suggest.ts";
import { nameProblem } from "./names.ts";
import { readCommands, readLoaderOptions, type Terminator, writeLoaderOption, writeWord } from "./osv-grammar.ts";
import { quoted } from "./text-file.ts";

/** Where the command line came from: what the user is told. */
export type BootOrigin = "run" | "boot" | "composed" | "config" | "default";

export interface BootRequest {
  /** A command line as it is. */
  readonly run?: string | undefined;
  /** The flag that `run` was given with, for messages; `--run`. */
  readonly runFlag?: string | undefined;
  /** Names of configuration sets (`--boot`). */
  readonly boot?: readonly string[] | undefined;
  /** The command line that an image was composed with: kept unless another one is asked for. */
  readonly composed?: string | undefined;
  /** The sets that meta/run.yaml names as its default; none when it does not say. */
  readonly configDefault?: readonly string[] | undefined;
  /** Variables that the kernel sets before anything runs (`--env`), over those of the configuration sets. */
  readonly env?: ReadonlyMap<string, string> | undefined;
  /** The sets that the image holds a script of, when that is known: names are checked against them. */
  readonly sets?: readonly string[] | undefined;
}

export interface BootCommandLine {
  readonly text: string;
  readonly origin: BootOrigin;
  /** Something that will probably fail at boot. */
  readonly warning?: string;
}

/**
 * The command line of an image: `run` before `boot` before `composed` before the default of meta/run.yaml before
 * the set called `default`. Variables are added to whichever it is. Never an empty line, never one that OSv reads
 * otherwise than it is written, never one that is too long: these are errors.
 */
export function buildBootCommand(request: BootRequest): BootCommandLine {
  const chosen = choose(request);
  return { ...chosen, text: addEnv(chosen.text, request.env ?? new Map()) };
}

/**
 * Adds variables to an existing command line, as loader options before its commands; options that set the same
 * variables are replaced, all else stays as it is written. Throws when the line runs nothing or becomes too long.
 */
export function addEnv(line: string, env: ReadonlyMap<string, string>): string {
  if (env.size === 0) return checkLength(line);
  const { options, end } = readLoaderOptions(line);
  const commands = line.slice(end).trimStart();
  if (commands === "") {
    throw new CapstanError("There is no command that the variables of --env could be set for", {
      code: "no-command",
      hint: "Say what to run too: with --boot, or with a whole command (--run of package compose, --execute of run).",
      exitCode: ExitCode.usage,
    });
  }
  const kept = options.filter((option) => !setsOneOf(option.text, env)).map(({ start, end }) => line.slice(start, end));
  const added = [...env].map(([key, value]) => envOption(key, value));
  return checkLength([...kept, ...added, commands].join(" "));
}

/** `--env=KEY=VALUE` for the start of a boot command line, where any text but NUL can be a value. */
export function envOption(key: string, value: string): string {
  const problem = envKeyProblem(key) ?? (value.includes("\0") ? "a value cannot hold a NUL character" : undefined);
  if (problem !== undefined) throw badEnv(`--env ${key}`, problem);
  return writeLoaderOption(`--env=${key}=${value}`);
}

/**
 * `--env=KEY=VALUE` or, `ifUnset`, `--env=KEY?=VALUE` for the line of a script: there it is a word of the command,
 * and values follow the rules of words. Throws when OSv cannot be given the value.
 */
export function scriptEnvOption(
  key: string,
  value: string,
  options: { readonly ifUnset: boolean } & WordRules,
): string {
  const problem = envKeyProblem(key) ?? wordProblem(value, options) ?? operatorProblem(value, options.ifUnset);
  if (problem !== undefined) throw badEnv(`env ${key}`, problem, ExitCode.badData);
  return writeWord(`--env=${key}${options.ifUnset ? "?=" : "="}${value}`);
}

/** OSv looks for `?=` anywhere in the option before it looks for `=`. */
function operatorProblem(value: string, ifUnset: boolean): string | undefined {
  return !ifUnset && value.includes("?=")
    ? "OSv takes the '?=' in the value as the operator: set it with '?=' too"
    : undefined;
}

/** The values of repeated `--env KEY=VALUE` flags. A key that comes twice has its last value. */
export function parseEnvFlags(flags: readonly string[]): ReadonlyMap<string, string> {
  const env = new Map<string, string>();
  for (const flag of flags) {
    const at = flag.indexOf("=");
    if (at === -1) throw badEnv(`--env ${quoted(flag)}`, "the '=' is missing: write --env NAME=VALUE");
    const key = flag.slice(0, at);
    const value = flag.slice(at + 1);
    const problem = envKeyProblem(key) ?? (value.includes("\0") ? "a value cannot hold a NUL character" : undefined);
    if (problem !== undefined) throw badEnv(`--env ${quoted(flag)}`, problem);
    env.delete(key);
    env.set(key, value);
  }
  return env;
}

/** Why a text cannot be the name of a variable; undefined when it can. */
export function envKeyProblem(key: string): string | undefined {
  if (/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(key)) return undefined;
  if (key.endsWith("?")) return `the name ${quoted(key)} ends in '?': --env always sets, so write NAME=VALUE`;
  return `${quoted(key)} cannot name a variable: use letters, digits and '_', and do not begin with a digit`;
}

/**
 * What a `$` in a word may be. OSv replaces it and the whole rest of the word by the variable of that name.
 * "refuse": no `$`. "reference" (the default): only `$NAME` at the end. "any": as it is, for files from elsewhere.
 */
export interface WordRules {
  readonly dollar?: "refuse" | "reference" | "any" | undefined;
}

/** Why a text cannot reach a program as one word of a command; undefined when it can. */
export function wordProblem(text: string, rules: WordRules = {}): string | undefined {
  for (const character of text) {
    if (character === "\0") return "a NUL character cannot be in it";
    if (character > "\x7f") {
      return (
        `OSv's commands are ASCII, and ${quoted(character)} is not: give such a text with ` +
        "--env NAME=TEXT to compose or run, and write $NAME here"
      );
    }
  }
  return rules.dollar === "any" ? undefined : dollarProblem(text, rules);
}

/** A word as OSv's commands need it written, in double quotes only where it must. Throws what `wordProblem` says. */
export function quoteWord(text: string, rules: WordRules = { dollar: "refuse" }): string {
  const problem = wordProblem(text, rules);
  if (problem !== undefined) throw notExpressible(text, problem);
  return writeWord(text);
}

/** One command out of its words, the program first. Throws when OSv cannot be given these words. */
export function joinWords(words: readonly string[], rules?: WordRules): string {
  const [program] = words;
  if (program === undefined || program === "") throw notExpressible("", "a command needs a program");
  if (program.startsWith("-"))
    throw notExpressible(program, "OSv takes a first word that begins with '-' as an option");
  return words.map((word) => quoteWord(word, rules)).join(" ");
}

export interface ParsedCommand {
  /** Variables that an option of a script's line sets; empty on a boot command line. */
  readonly env: readonly EnvSetting[];
  readonly words: readonly string[];
  readonly terminator: Terminator;
}

export interface EnvSetting {
  readonly key: string;
  readonly value: string;
  readonly ifUnset: boolean;
}

export interface ParsedCommandLine {
  /** Loader options such as `--env=A=b`, as the kernel understands them. */
  readonly options: readonly string[];
  readonly commands: readonly ParsedCommand[];
  /** The rest that OSv drops without a word, because it cannot read on; "" when all is well. */
  readonly ignored: string;
}

/** A boot command line as the kernel takes it apart; `$` is not replaced. Never throws. */
export function parseCommandLine(line: string): ParsedCommandLine {
  const { options, end } = readLoaderOptions(line);
  const { commands, end: read } = readCommands(line, end);
  return {
    options: options.map((option) => option.text),
    commands: commands.map(({ words, terminator }) => ({ env: [], words: words.map(({ text }) => text), terminator })),
    ignored: line.slice(read),
  };
}

export interface ParsedScript {
  readonly commands: readonly ParsedCommand[];
  /** What OSv drops or stops at, line by line; empty when all is well. */
  readonly problems: readonly string[];
}

/** A file that `runscript` reads: each line on its own, each command with its own `--env=` words. Never throws. */
export function parseScript(text: string): ParsedScript {
  const result: ParsedCommand[] = [];
  const problems: string[] = [];
  text.split("\n").forEach((line, index) => {
    const { commands, end } = readCommands(line);
    if (end < line.length) problems.push(`line ${index + 1}: OSv cannot read on at ${quoted(line.slice(end).trim())}`);
    for (const { words, terminator } of commands) {
      const texts = words.map((word) => word.text);
      const count = texts.findIndex((word) => !word.startsWith("-"));
      const options = texts.slice(0, count === -1 ? texts.length : count);
      if (count === -1) problems.push(`line ${index + 1}: there is no program after the options`);
      const env = options.map(parseScriptOption);
      for (const [at, setting] of env.entries()) {
        if (setting === undefined)
          problems.push(`line ${index + 1}: OSv knows no option ${quoted(options[at] ?? "")} there`);
      }
      result.push({
        env: env.filter((setting) => setting !== undefined),
        words: texts.slice(options.length),
        terminator,
      });
    }
  });
  return { commands: result, problems };
}

/**
 * What in a command that a person wrote OSv would read otherwise than it looks, with what to write instead.
 * `where` is "line" for a boot command line, "script" for the text of a configuration set.
 */
export function commandProblem(text: string, where: "line" | "script"): string | undefined {
  if (text.includes("\0")) return "a NUL character cannot be in it";
  const lines = where === "line" ? [text.slice(readLoaderOptions(text).end)] : text.split("\n");
  for (const line of lines) {
    const problem = lineProblem(line, where);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function lineProblem(line: string, where: "line" | "script"): string | undefined {
  const { commands, end } = readCommands(line);
  if (end < line.length) return unreadable(line.slice(end).trim());
  for (const { words } of commands) {
    for (const word of words) {
      const source = line.slice(word.start, word.end);
      const problem = word.quoted ? undefined : plainWordProblem(source);
      const bad = problem ?? dollarProblem(word.text, { dollar: "reference" });
      if (bad !== undefined) return `at ${quoted(source)}: ${bad}`;
    }
    const first = words.find((word) => where === "line" || !word.text.startsWith("--env="));
    if (first === undefined) return "there is no program after the options";
    if (where === "script" && first.text.startsWith("-")) {
      return `OSv knows no option ${quoted(first.text)} in front of a set's program, only --env=NAME=VALUE`;
    }
    if (first.text.startsWith("#")) return `OSv knows no comments, and takes ${quoted(first.text)} as a program`;
  }
  return undefined;
}

/** A plain word whose quotes do not pair was meant to go on after a blank, and OSv ends it there. */
function plainWordProblem(source: string): string | undefined {
  if (/[\t\n\r\v\f]/.test(source)) return "a tab or a line feed does not separate words for OSv: use blanks";
  const doubles = source.replace(/\\./g, "").split('"').length - 1;
  if (doubles % 2 === 1) return 'OSv knows quotes only around a whole word: write "--option=two words"';
  if (/(^|=)'[^']*$/.test(source)) return 'OSv knows no single quotes: write "two words"';
  return undefined;
}

function dollarProblem(text: string, rules: WordRules): string | undefined {
  const at = text.indexOf("$");
  if (at === -1) return undefined;
  if (rules.dollar !== "refuse" && /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(text.slice(at + 1))) return undefined;
  return (
    "OSv replaces '$' and all that follows it in the word by a variable, so only $NAME at the end of a word works: " +
    "give a text with a '$' in it with --env NAME=TEXT to compose or run, and write $NAME here"
  );
}

function unreadable(rest: string): string {
  const nonAscii = [...rest].find((character) => character > "\x7f");
  const why =
    nonAscii !== undefined
      ? `${quoted(nonAscii)} is not ASCII`
      : rest.startsWith(";")
        ? "there is a separator without a command"
        : "a quote may be left open there, or a command be missing";
  return `OSv cannot read on at ${quoted(rest)}, and would drop it: ${why}`;
}

function parseScriptOption(word: string): EnvSetting | undefined {
  if (!word.startsWith("--env=")) return undefined;
  const text = word.slice("--env=".length);
  const soft = text.indexOf("?=");
  if (soft !== -1) return { key: text.slice(0, soft), value: text.slice(soft + 2), ifUnset: true };
  const hard = text.indexOf("=");
  return hard === -1 ? undefined : { key: text.slice(0, hard), value: text.slice(hard + 1), ifUnset: false };
}

function choose(request: BootRequest): BootCommandLine {
  const { run, runFlag = "--run", boot, composed, configDefault } = request;
  if (run !== undefined) return { text: checkedRun(run, runFlag), origin: "run" };
  if (boot !== undefined && boot.length > 0) {
    for (const name of boot) checkSetName(name, request.sets);
    return { text: runScripts(boot), origin: "boot" };
  }
  if (composed !== undefined && composed.trim() !== "") return { text: composed, origin: "composed" };
  const fromConfig = configDefault !== undefined && configDefault.length > 0;
  const names = fromConfig ? configDefault : ["default"];
  return { text: runScripts(names), origin: fromConfig ? "config" : "default", ...missingWarning(names, request.sets) };
}

/** The line that runs the scripts of these sets, one after another. */
function runScripts(names: readonly string[]): string {
  return names.map((name) => `runscript ${quoteWord(`/run/${name.trim()}`)};`).join("");
}

function checkedRun(run: string, flag: string): string {
  const { commands } = parseCommandLine(run);
  const problem = commandProblem(run, "line") ?? (commands.length === 0 ? "there is no command in it" : undefined);
  if (problem === undefined) return run;
  throw new CapstanError(`${flag} ${quoted(run)}: ${problem}`, {
    code: "bad-command",
    hint: "Words are separated by blanks; a word with blanks in it goes into double quotes.",
    exitCode: ExitCode.usage,
  });
}

function checkSetName(name: string, sets: readonly string[] | undefined): void {
  const problem = nameProblem(name.trim(), "a configuration set");
  if (problem !== undefined) {
    throw new CapstanError(`--boot: ${problem}`, {
      code: "bad-set-name",
      hint: "Give the name of a set of meta/run.yaml.",
      exitCode: ExitCode.usage,
    });
  }
  if (sets === undefined || sets.includes(name.trim())) return;
  const known = sets.length === 0 ? "there is none" : `there are: ${sets.join(", ")}`;
  throw new CapstanError(`--boot: there is no configuration set ${quoted(name)}.${didYouMean(name, sets)}`, {
    code: "unknown-set",
    hint: `Choose one of the sets of the project and its packages; ${known}.`,
    exitCode: ExitCode.usage,
  });
}

function missingWarning(names: readonly string[], sets: readonly string[] | undefined): { warning?: string } {
  const missing = sets === undefined ? undefined : names.find((name) => !sets.includes(name));
  if (missing === undefined || sets === undefined) return {};
  const choice =
    sets.length === 0
      ? " Write a meta/run.yaml ('capstan runtime init'), or give the command with --run."
      : ` Choose one with --boot: ${sets.join(", ")}.`;
  return { warning: `The image will run the configuration set '${missing}', and there is none of that name.${choice}` };
}

function setsOneOf(option: string, env: ReadonlyMap<string, string>): boolean {
  if (!option.startsWith("--env=")) return false;
  const [key = ""] = option.slice("--env=".length).split("=", 1);
  return env.has(key);
}

function checkLength(line: string): string {
  const length = Buffer.byteLength(line);
  if (length <= MAX_BOOT_ARGS && !line.includes("\0")) return line;
  if (line.includes("\0")) throw notExpressible(line, "a NUL character cannot be in it");
  throw new CapstanError(`The command line is ${length} bytes long, and OSv reads at most ${MAX_BOOT_ARGS} of them`, {
    code: "command-line-too-long",
    hint: "Put the command into a configuration set of meta/run.yaml, which has no limit.",
  });
}

function badEnv(where: string, problem: string, exitCode: ExitCode = ExitCode.usage): CapstanError {
  return new CapstanError(`${where}: ${problem}`, {
    code: "bad-env",
    hint: "Variables are given as NAME=VALUE.",
    exitCode,
  });
}

function notExpressible(text: string, problem: string): CapstanError {
  return new CapstanError(`OSv cannot be given the word ${quoted(text)}: ${problem}`, {
    code: "not-expressible",
    hint: "Change the word.",
  });
}
