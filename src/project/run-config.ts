import { didYouMean } from "../support/suggest.ts";
import { commandProblem, envKeyProblem, wordProblem } from "./boot-command.ts";
import { nameProblem } from "./names.ts";
import { RUNTIMES, type Runtime, runtimeNames } from "./runtimes/index.ts";
import type { Base, BootCommand, SharedSettings } from "./runtimes/runtime.ts";
import { quoted } from "./text-file.ts";
import { readYaml, readYamlFile, type YamlFileOptions, type YamlMap } from "./yaml-file.ts";

/** meta/run.yaml: named configuration sets of one runtime. */
export interface RunConfig {
  readonly runtime: string;
  /** In the order of the file. */
  readonly sets: ReadonlyMap<string, RunSet>;
  /**
   * What runs when nothing else is asked for: the names of `config_set_default`, else the only set there is;
   * none when the file leaves it open.
   */
  readonly defaults: readonly string[];
  /** Place of `config_set_default`, or of the file. */
  readonly defaultsWhere: string;
  /** From a package of others: read with tolerance. */
  readonly foreign: boolean;
}

export interface RunSet extends BootCommand {
  readonly name: string;
  /** `meta/run.yaml:4:5`, for messages. */
  readonly where: string;
}

export interface RunConfigOptions {
  /** What the file is called in messages, such as `meta/run.yaml` or `osv.cli: meta/run.yaml`. */
  readonly name: string;
  /** From a package of others: unknown keys are passed over, and commands are taken as they are. */
  readonly foreign?: boolean | undefined;
}

/** Reads a meta/run.yaml. Throws one CapstanError (`bad-yaml`) with all of its problems. */
export function parseRunConfig(source: Uint8Array | string, options: RunConfigOptions): RunConfig {
  return readYaml(source, yamlOptions(options), (root) => readRunConfig(root, options));
}

/** The same for a file of the host; undefined when there is none. */
export function readRunConfigFile(path: string, options: RunConfigOptions): RunConfig | undefined {
  return readYamlFile(path, yamlOptions(options), (root) => readRunConfig(root, options));
}

/** The packages that the sets need because of their runtime: those of sets that name no base of their own. */
export function runtimeDependencies(config: RunConfig): readonly string[] {
  const bases = [...config.sets.values()].map((set) => set.run);
  return [...new Set(bases.flatMap((run) => (typeof run === "string" || run.chosen ? [] : [run.package])))];
}

function yamlOptions(options: RunConfigOptions): YamlFileOptions {
  return { name: options.name, unknownKeys: options.foreign === true ? "ignore" : "error" };
}

function readRunConfig(root: YamlMap, options: RunConfigOptions): RunConfig {
  const foreign = options.foreign === true;
  const runtime = readRuntime(root);
  const defaults = readDefaults(root);
  const maps = root.maps("config_set", (name) => nameProblem(name, "a configuration set"));
  if (maps.length === 0) {
    root.problem(
      "config_set",
      "there is no configuration set: write 'config_set:', under it a name, under that its keys",
    );
  }
  const sets = maps.map(([name, map]) => readSet(name, map, runtime, foreign));
  return {
    runtime: runtime?.name ?? "",
    sets: new Map(sets.map((set) => [set.name, set])),
    defaults: defaults.length === 0 && sets.length === 1 ? sets.map((set) => set.name) : defaults,
    defaultsWhere: root.where("config_set_default"),
    foreign,
  };
}

function readRuntime(root: YamlMap): Runtime | undefined {
  const choice = `choose one of ${runtimeNames.join(", ")}`;
  const name = root.required("runtime", choice, (text) => {
    if (text === "" || runtimeNames.includes(text)) return undefined;
    return `there is no runtime ${quoted(text)}: ${choice}.${didYouMean(text, runtimeNames)}`;
  });
  return RUNTIMES.find((runtime) => runtime.name === name);
}

/** One name, or several with commas between them, which run one after another. */
function readDefaults(root: YamlMap): readonly string[] {
  const text = root.string("config_set_default");
  if (text === undefined || text === "") return [];
  const names = text.split(",").map((name) => name.trim());
  for (const name of names) {
    const problem = nameProblem(name, "a configuration set");
    if (problem !== undefined) root.problem("config_set_default", problem);
  }
  return names;
}

function readSet(name: string, map: YamlMap, runtime: Runtime | undefined, foreign: boolean): RunSet {
  const where = map.where();
  // Packages from elsewhere are taken as they are: what cannot be written is told when a script is made of it.
  const checkWord = (text: string) => (foreign ? undefined : (placeholderProblem(text) ?? wordProblem(text)));
  const checkCommand = (text: string) =>
    foreign ? undefined : (placeholderProblem(text) ?? commandProblem(text, "script"));
  const env = map.stringMap("env", { key: envKeyProblem, value: checkWord });
  const base = readBase(map, foreign);
  const shared: SharedSettings = { env, base, checkWord, checkCommand };
  if (runtime === undefined) {
    map.acceptAllKeys();
    return { name, where, run: "", bindings: [] };
  }
  return { name, where, ...runtime.toBootCommand(map, shared) };
}

function readBase(map: YamlMap, foreign: boolean): Base | undefined {
  const text = map.string("base", (base) => (foreign ? undefined : placeholderProblem(base)) ?? baseProblem(base));
  if (text === undefined) return undefined;
  const [packageName = "", set = ""] = splitBase(text);
  return { package: packageName, set, where: map.where("base"), chosen: true };
}

function baseProblem(text: string): string | undefined {
  const parts = splitBase(text);
  const [packageName, set] = parts;
  if (parts.length !== 2 || packageName === undefined || set === undefined) {
    return `${quoted(text)} names no set: write it as 'package:set'`;
  }
  return nameProblem(packageName, "a package") ?? nameProblem(set, "a configuration set");
}

function splitBase(text: string): readonly string[] {
  const at = text.indexOf(":");
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** The templates of the original leave `<filepath>`, `<list>` and the like, which it takes for values. */
function placeholderProblem(text: string): string | undefined {
  if (!/^"?<[a-z_-]+>(:<[a-z_-]+>)?"?$/.test(text.trim())) return undefined;
  return `${quoted(text)} is the placeholder of a template: write a value there, or remove the key`;
}
