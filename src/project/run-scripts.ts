import { CapstanError } from "../support/errors.ts";
import { didYouMean } from "../support/suggest.ts";
import { quoteWord, scriptEnvOption, type WordRules } from "./boot-command.ts";
import { readCommands, type Word } from "./osv-grammar.ts";
import type { RunConfig, RunSet } from "./run-config.ts";
import type { Base, Binding } from "./runtimes/runtime.ts";
import { quoted } from "./text-file.ts";

/** A file of the image that `runscript` reads: what runs a configuration set. */
export interface RunScript {
  readonly set: string;
  /** `/run/NAME` */
  readonly scriptPath: string;
  readonly text: string;
  readonly mode: number;
  /** The package, or the project, that the set comes from. */
  readonly origin: string;
  /** Packages whose sets of the same name this one replaces, in their order. */
  readonly replaces: readonly string[];
}

export interface RunSource {
  readonly name: string;
  readonly runConfig?: RunConfig | undefined;
}

export interface RunConfigInputs {
  readonly project?: RunSource | undefined;
  /** In the order in which they are copied into the image. */
  readonly packages: readonly RunSource[];
}

/** A base of a base of a base…: far beyond what anyone writes, far below the depth that recursion allows. */
const CHAIN_LIMIT = 100;
/** What a `$` may be was checked where the words were read; words of packages are taken as they are. */
const AS_CHECKED: WordRules = { dollar: "any" };

/**
 * The scripts of all configuration sets: of each package in order, later ones over earlier ones of the same name,
 * the project last. Bases are followed across packages. All problems are told in one CapstanError.
 */
export function resolveRunConfigs(inputs: RunConfigInputs): readonly RunScript[] {
  const sources = inputs.project === undefined ? inputs.packages : [...inputs.packages, inputs.project];
  const configs = new Map(sources.map((source) => [source.name, source.runConfig]));
  const scripts = new Map<string, RunScript>();
  const errors: CapstanError[] = [];
  for (const source of sources) {
    for (const set of source.runConfig?.sets.values() ?? []) {
      const before = scripts.get(set.name);
      const replaces = before === undefined ? [] : [...before.replaces, before.origin];
      const text = collect(errors, () => scriptText(source, set, configs));
      scripts.set(set.name, { ...script(set.name, text ?? ""), origin: source.name, replaces });
    }
  }
  collect(errors, () => checkDefaults(inputs.project?.runConfig, [...scripts.keys()]));
  throwAll(errors);
  return [...scripts.values()];
}

export interface RunSetDescription {
  readonly name: string;
  readonly isDefault: boolean;
  /** The command as written; undefined when it is that of `base`. */
  readonly command?: string;
  /** `package:set` */
  readonly base?: string;
  /** What `env` and the keys of the runtime set, such as MAIN: the words of each. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** What the sets of one package say by themselves, without the packages of their bases. */
export function describeRunSets(config: RunConfig): readonly RunSetDescription[] {
  return [...config.sets.values()].map((set) => ({
    name: set.name,
    isDefault: config.defaults.includes(set.name),
    ...(typeof set.run === "string" ? { command: set.run } : { base: baseName(set.run) }),
    values: new Map(set.bindings.map((binding) => [binding.name, binding.words])),
  }));
}

/** `--env=` options, then the command. Options are read before anything runs, in their order. */
function scriptText(source: RunSource, set: RunSet, configs: ReadonlyMap<string, RunConfig | undefined>): string {
  const { command, bindings } = followBases(source, set, configs);
  const substituted: Binding[] = [];
  const options: Binding[] = [];
  for (const binding of bindings) (isPlainVariable(binding) ? options : substituted).push(binding);
  const body = substitute(command.trim(), { set, substituted });
  for (const binding of options) checkUsed(binding, command, set);
  // A value that refers to another variable is read after those that refer to none.
  const ordered = [...options.filter((option) => !refers(option)), ...options.filter(refers)];
  const words = ordered.map(({ name, words: [value = ""] }) =>
    atSet(set, () => scriptEnvOption(name, value, { ifUnset: true, ...AS_CHECKED })),
  );
  return [...words, body].join(" ");
}

/** The command at the end of the chain of bases, and what is bound on the way: nearest first, one of each name. */
function followBases(source: RunSource, set: RunSet, configs: ReadonlyMap<string, RunConfig | undefined>) {
  const bindings = new Map<string, Binding>();
  const trail = [`${source.name}:${set.name}`];
  let current = set;
  for (;;) {
    for (const binding of current.bindings) if (!bindings.has(binding.name)) bindings.set(binding.name, binding);
    if (typeof current.run === "string") return { command: current.run, bindings: [...bindings.values()] };
    const next = baseName(current.run);
    if (trail.includes(next)) throw cycle(set, [...trail.slice(trail.indexOf(next)), next]);
    if (trail.length > CHAIN_LIMIT) throw cycle(set, [...trail.slice(0, 3), "..."]);
    trail.push(next);
    current = findSet(current.run, configs);
  }
}

function findSet(base: Base, configs: ReadonlyMap<string, RunConfig | undefined>): RunSet {
  const config = configs.get(base.package);
  if (config === undefined) throw missingPackage(base, configs.has(base.package));
  const found = config.sets.get(base.set);
  if (found !== undefined) return found;
  const names = [...config.sets.keys()];
  throw new CapstanError(
    `${base.where}: the package ${base.package} has no configuration set '${base.set}'.${didYouMean(base.set, names)}`,
    { code: "unknown-base", hint: `Choose one of its sets: ${names.join(", ")}.` },
  );
}

function missingPackage(base: Base, included: boolean): CapstanError {
  if (included) {
    return new CapstanError(`${base.where}: the package ${base.package} has no configuration sets to take as a base`, {
      code: "unknown-base",
      hint: "Choose another base.",
    });
  }
  return new CapstanError(`${base.where}: the package ${base.package} of the base ${baseName(base)} is not included`, {
    code: "unknown-base",
    hint: `Add '- ${base.package}' under 'require' in meta/package.yaml.`,
  });
}

/** Whether a variable of the environment carries the binding: one plain word, or what `env` asks for. */
function isPlainVariable(binding: Binding): boolean {
  if (binding.key?.startsWith("env.")) return true;
  const [word] = binding.words;
  return binding.words.length === 1 && word !== undefined && /^[^\s;&!"'\\]+$/.test(word);
}

function refers(binding: Binding): boolean {
  return binding.words.some((word) => word.includes("$"));
}

interface Substitution {
  readonly set: RunSet;
  readonly substituted: readonly Binding[];
}

/**
 * Puts words in the place of `$NAME`: OSv makes one word of a variable, whatever is in it, so a list must stand
 * in the command itself.
 */
function substitute(command: string, substitution: Substitution): string {
  const lines = command.split("\n");
  const used = new Set<string>();
  const result = lines.map((line) => substituteLine(line, substitution, used));
  for (const binding of substitution.substituted) {
    if (binding.key !== undefined && !used.has(binding.name)) throw unused(binding, substitution.set);
  }
  return result.join("\n");
}

function substituteLine(line: string, substitution: Substitution, used: Set<string>): string {
  let result = "";
  let copied = 0;
  for (const command of readCommands(line).commands) {
    const program = command.words.findIndex((word) => !word.text.startsWith("-"));
    for (const [index, word] of command.words.entries()) {
      const replacement = replaceWord(word, substitution, used);
      if (replacement === undefined) continue;
      if (index === program) checkProgram(replacement, substitution.set);
      const written = replacement.map((text) => atSet(substitution.set, () => quoteWord(text, AS_CHECKED))).join(" ");
      // A word that vanishes takes the blank before it along.
      const kept = line.slice(copied, word.start);
      result += written === "" ? kept.trimEnd() : kept + written;
      copied = word.end;
    }
  }
  return result + line.slice(copied);
}

/** The words for a word of the command; undefined when it holds no placeholder of ours. */
function replaceWord(word: Word, substitution: Substitution, used: Set<string>): readonly string[] | undefined {
  const at = word.text.indexOf("$");
  const binding = at === -1 ? undefined : substitution.substituted.find(({ name }) => name === word.text.slice(at + 1));
  if (binding === undefined) return undefined;
  used.add(binding.name);
  const before = word.text.slice(0, at);
  const [first = "", ...rest] = binding.words;
  if (before === "") return binding.words;
  if (rest.length === 0) return [before + first];
  const { set } = substitution;
  throw new CapstanError(
    `${set.where}: '${binding.key}' has several items, and the command takes one: ${quoted(word.text)}`,
    {
      code: "bad-run-config",
      hint: "Give one item.",
    },
  );
}

function checkProgram(words: readonly string[], set: RunSet): void {
  const [program = ""] = words;
  if (program !== "" && !program.startsWith("-")) return;
  throw new CapstanError(`${set.where}: the set '${set.name}' leaves the command without a program`, {
    code: "bad-run-config",
    hint: "Its base begins with a variable: set it to the path of a program.",
  });
}

/** A key that the command has no place for would be without effect. */
function checkUsed(binding: Binding, command: string, set: RunSet): void {
  if (binding.key === undefined || binding.key.startsWith("env.")) return;
  const words = command.split("\n").flatMap((line) => readCommands(line).commands.flatMap(({ words }) => words));
  if (!words.some(({ text }) => text.includes("$") && text.slice(text.indexOf("$") + 1) === binding.name)) {
    throw unused(binding, set);
  }
}

function unused(binding: Binding, set: RunSet): CapstanError {
  return new CapstanError(
    `${set.where}: '${binding.key}' has no effect: the command of the base has no place for it ($${binding.name})`,
    { code: "bad-run-config", hint: `Remove '${binding.key}', or choose a base with $${binding.name} in its command.` },
  );
}

function checkDefaults(config: RunConfig | undefined, sets: readonly string[]): void {
  for (const name of config?.defaults ?? []) {
    if (sets.includes(name)) continue;
    throw new CapstanError(
      `${config?.defaultsWhere}: there is no configuration set '${name}' to be the default.${didYouMean(name, sets)}`,
      { code: "unknown-set", hint: `Choose one of the sets: ${sets.join(", ")}.` },
    );
  }
}

function cycle(set: RunSet, trail: readonly string[]): CapstanError {
  return new CapstanError(`${set.where}: the bases go round in a circle: ${trail.join(" -> ")}`, {
    code: "base-cycle",
    hint: "Give one of these sets a command of its own.",
  });
}

function baseName(base: Base): string {
  return `${base.package}:${base.set}`;
}

function script(set: string, text: string) {
  return { set, scriptPath: `/run/${set}`, text, mode: 0o700 };
}

/** Gives an error of the grammar the place of the set that caused it. */
function atSet<T>(set: RunSet, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof CapstanError)) throw error;
    throw new CapstanError(`${set.where}: in the set '${set.name}': ${error.message}`, { ...error, cause: error });
  }
}

function collect<T>(errors: CapstanError[], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof CapstanError)) throw error;
    errors.push(error);
    return undefined;
  }
}

function throwAll(errors: readonly CapstanError[]): void {
  const [first] = errors;
  if (first === undefined) return;
  if (errors.length === 1) throw first;
  throw new CapstanError(first.message, {
    code: first.code,
    hint: first.hint,
    details: errors.map((error) => (error.hint === undefined ? error.message : `${error.message}. ${error.hint}`)),
    cause: first,
  });
}
