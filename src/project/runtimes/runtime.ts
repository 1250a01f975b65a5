import type { YamlMap } from "../yaml-file.ts";

/** A runtime: how the settings of a configuration set in meta/run.yaml become a command. One file a runtime. */
export interface Runtime {
  readonly name: string;
  /** One line for `runtime list`. */
  readonly title: string;
  /** Packages that a set needs unless it names a base of its own. */
  readonly dependencies: readonly string[];
  /** The keys of a set beside `env` and `base`. */
  readonly keys: readonly string[];
  /** The lines of a new set, with comments; the caller indents them. */
  readonly template: string;
  /** Takes its keys out of the set; problems are added to it. */
  toBootCommand(set: YamlMap, shared: SharedSettings): BootCommand;
}

/** What sets of every runtime can have. */
export interface SharedSettings {
  readonly env: ReadonlyMap<string, string>;
  readonly base: Base | undefined;
  /** Checks of the words that a user writes: laxer in packages from elsewhere. */
  readonly checkWord: (text: string) => string | undefined;
  readonly checkCommand: (text: string) => string | undefined;
}

/** `base: package:set`: the set of another package (or of this one) whose command is run. */
export interface Base {
  readonly package: string;
  readonly set: string;
  /** Place of the key in its file; the set's when the runtime chose the base. */
  readonly where: string;
  readonly chosen: boolean;
}

export interface BootCommand {
  /** A command of the set's own, as written (several lines too), or the set that it is taken from. */
  readonly run: string | Base;
  /** What the placeholders ($NAME) of the command stand for, first come first: env, then the runtime's own keys. */
  readonly bindings: readonly Binding[];
}

export interface Binding {
  /** The variable, such as ARGS. */
  readonly name: string;
  /** The words that it stands for. A variable of `env` has exactly one. */
  readonly words: readonly string[];
  /** The key of the set that it comes from, such as `args`; undefined for a default that may go unused. */
  readonly key: string | undefined;
}

/** The base that a set names, or the runtime's own. */
export function baseOr(shared: SharedSettings, set: YamlMap, fallback: { package: string; set: string }): Base {
  return shared.base ?? { ...fallback, where: set.where(), chosen: false };
}

/** Binds variables that `env` does not set: what a user writes under env comes first. */
export function bindingsOf(shared: SharedSettings, own: readonly (Binding | undefined)[]): readonly Binding[] {
  const env = [...shared.env].map(([name, value]) => ({ name, words: [value], key: `env.${name}` }));
  return [...env, ...own.filter((binding) => binding !== undefined && !shared.env.has(binding.name))] as Binding[];
}

/** A variable for a list; undefined when the list is empty, so that the base's own value holds. */
export function listBinding(name: string, key: string, words: readonly string[]): Binding | undefined {
  return words.length === 0 ? undefined : { name, words, key };
}

export function textBinding(name: string, key: string, text: string | undefined): Binding | undefined {
  return text === undefined || text === "" ? undefined : { name, words: [text], key };
}
