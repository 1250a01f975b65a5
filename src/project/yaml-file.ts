import { CapstanError } from "../support/errors.ts";
import { didYouMean } from "../support/suggest.ts";
import { decodeText, placeIn, quoted, readTextFile } from "./text-file.ts";
import {
  type MapEntry,
  type MapNode,
  type Problem,
  parseYamlNodes,
  type ScalarNode,
  type YamlNode,
} from "./yaml-syntax.ts";

export { formatYaml, type YamlValue } from "./yaml-syntax.ts";

export interface YamlFileOptions {
  /** What the file is called in messages, such as `meta/run.yaml`. */
  readonly name: string;
  /** Files of the user's own: "error" (the default). Files from elsewhere, or of newer versions: "ignore". */
  readonly unknownKeys?: "error" | "ignore" | undefined;
  /** What stands for a text of the file (values only, not keys), or a sentence about what is wrong with it. */
  readonly expand?: Expand | undefined;
}

export type Expand = (
  text: string,
) => { readonly text: string; readonly problem?: undefined } | { readonly text?: undefined; readonly problem: string };

/** What is wrong with a text, in a sentence that follows its place; undefined when nothing is. */
export type Check = (text: string) => string | undefined;

/** Problems that are shown of one file; more of them help nobody. */
const SHOWN_PROBLEMS = 50;

/**
 * Reads a YAML map. `read` takes out of the map what it knows; its problems are collected, and so are keys
 * that it did not ask for. Throws one CapstanError (`bad-yaml`) with all of them: the message is the first one
 * (`meta/run.yaml:3:5: …`), and when there are several, `details` holds them all in the order of the file.
 */
export function readYaml<T>(source: Uint8Array | string, options: YamlFileOptions, read: (root: YamlMap) => T): T {
  const text = decodeText(typeof source === "string" ? Buffer.from(source) : source, options.name);
  const problems: Problem[] = [];
  const node = parseYamlNodes(text, problems);
  // Without syntax there is nothing to read; what is wrong with single keys is told with all the rest.
  if (node === undefined && problems.length > 0) throw yamlError(problems, text, options.name);
  const file = new YamlFile(text, options, problems);
  const result = read(file.root(node));
  if (options.unknownKeys !== "ignore") file.reportUnknownKeys();
  if (problems.length > 0) throw yamlError(problems, text, options.name);
  return result;
}

/** The same for a file of the host; undefined when there is none. */
export function readYamlFile<T>(path: string, options: YamlFileOptions, read: (root: YamlMap) => T): T | undefined {
  const text = readTextFile(path, options.name);
  return text === undefined ? undefined : readYaml(text, options, read);
}

export interface PlacedText {
  readonly text: string;
  /** `meta/run.yaml:3:5` */
  readonly where: string;
}

/** A map of the file, asked for its keys one after another. What is not asked for is an unknown key. */
export class YamlMap {
  readonly #file: YamlFile;
  readonly #node: MapNode;
  readonly #known = new Set<string>();
  #open = false;

  constructor(file: YamlFile, node: MapNode) {
    this.#file = file;
    this.#node = node;
  }

  /** Whether the key is written at all, with or without a value. */
  has(key: string): boolean {
    return this.#node.entries.has(key);
  }

  /** The text of a key; undefined when the key is missing or nothing is written after it. */
  string(key: string, check?: Check): string | undefined {
    const value = this.#take(key)?.value;
    if (value === undefined || (value.kind === "text" && value.absent)) return undefined;
    return this.#text(value, quoted(key), check);
  }

  /** As `string`; without a value it is a problem that says `what` to write there. */
  required(key: string, what: string, check?: Check): string | undefined {
    const value = this.string(key, check);
    const entry = this.#node.entries.get(key);
    if (entry === undefined) {
      this.problem(undefined, `'${key}' is missing: ${what}`);
    } else if (value === "" || (entry.value.kind === "text" && entry.value.absent)) {
      this.#file.report(entry.keyAt, `'${key}' has no value yet: ${what}`);
    }
    return value;
  }

  /** A list of texts; empty when the key is missing or nothing is written after it. */
  strings(key: string, check?: Check): readonly string[] {
    return this.placedStrings(key, check).map(({ text }) => text);
  }

  /** As `strings`, each with its own place: for problems that are only found out later. */
  placedStrings(key: string, check?: Check): readonly PlacedText[] {
    const value = this.#take(key)?.value;
    if (value === undefined || (value.kind === "text" && value.absent)) return [];
    if (value.kind !== "list") {
      this.#file.report(value.at, `'${key}' must be a list: write each item on a line of its own as '- item'`);
      return [];
    }
    return value.items.flatMap((item) => {
      if (item.kind === "text" && item.absent) {
        this.#file.report(item.at, `an item of '${key}' is empty: write a value after '-', or "" for an empty one`);
        return [];
      }
      const text = this.#text(item, `an item of '${key}'`, check);
      return text === undefined ? [] : [{ text, where: this.#file.place(item.at) }];
    });
  }

  /** What is written after a key, for keys that may be written in several ways; undefined when that is nothing. */
  kind(key: string): YamlNode["kind"] | undefined {
    const value = this.#take(key)?.value;
    return value === undefined || (value.kind === "text" && value.absent) ? undefined : value.kind;
  }

  /** A list whose items are texts or maps; empty when the key is missing. */
  items(key: string, check?: Check): readonly (string | YamlMap)[] {
    const value = this.#take(key)?.value;
    if (value?.kind !== "list") return this.strings(key, check);
    return value.items.flatMap((item): readonly (string | YamlMap)[] => {
      if (item.kind === "map") return [this.#file.map(item)];
      const text = this.#text(item, `an item of '${key}'`, check);
      return text === undefined ? [] : [text];
    });
  }

  /** One map under a key; undefined when the key is missing or nothing is written after it. */
  map(key: string): YamlMap | undefined {
    const entry = this.#take(key);
    if (entry === undefined || (entry.value.kind === "text" && entry.value.absent)) return undefined;
    const node = this.#mapNode(entry.value, entry.keyAt, `'${key}'`);
    return node === undefined ? undefined : this.#file.map(node);
  }

  /** A map from text to text, in the order of the file. A key with nothing after it has the value "". */
  stringMap(key: string, checks: { readonly key?: Check; readonly value?: Check } = {}): ReadonlyMap<string, string> {
    const result = new Map<string, string>();
    for (const [name, entry] of this.#entries(key)) {
      this.#check(entry.keyAt, name, checks.key);
      const text = this.#text(entry.value, `'${key}.${quoted(name).slice(1, -1)}'`, checks.value);
      if (text !== undefined) result.set(name, text);
    }
    return result;
  }

  /** The maps of a map by name, in the order of the file. A name with nothing after it has an empty map. */
  maps(key: string, check?: Check): readonly (readonly [name: string, map: YamlMap])[] {
    const result: [string, YamlMap][] = [];
    for (const [name, entry] of this.#entries(key)) {
      this.#check(entry.keyAt, name, check);
      const node = this.#mapNode(entry.value, entry.keyAt, quoted(name));
      if (node !== undefined) result.push([name, this.#file.map(node)]);
    }
    return result;
  }

  /** `true` or `false` in any of the spellings of YAML 1.1, which the original read; undefined when missing. */
  flag(key: string): boolean | undefined {
    const value = this.string(key)?.toLowerCase();
    if (value === undefined) return undefined;
    if (["true", "yes", "on", "y"].includes(value)) return true;
    if (["false", "no", "off", "n"].includes(value)) return false;
    this.problem(key, `'${key}' must be true or false`);
    return undefined;
  }

  /** Adds a problem at a key's value; at the start of the map when there is no such key. */
  problem(key: string | undefined, text: string): void {
    this.#file.report(this.#placeOf(key), text);
  }

  /** `meta/run.yaml:3:5` of a key's value, or of the map: for problems that are only found out later. */
  where(key?: string): string {
    return this.#file.place(this.#placeOf(key));
  }

  /** All keys of the map, in the order of the file. Asking for them makes none of them known. */
  keys(): readonly string[] {
    return [...this.#node.entries.keys()];
  }

  /** Keys that may stand there and mean nothing to us. */
  passOver(...keys: readonly string[]): void {
    for (const key of keys) this.#known.add(key);
  }

  /** Keys that are not asked for are no problem in this map: something else in it is wrong already. */
  acceptAllKeys(): void {
    this.#open = true;
  }

  reportUnknownKeys(): void {
    if (this.#open) return;
    for (const [key, entry] of this.#node.entries) {
      if (this.#known.has(key)) continue;
      const advice = didYouMean(key, this.#known) || ` Known here: ${[...this.#known].join(", ")}.`;
      this.#file.report(entry.keyAt, `unknown key ${quoted(key)}.${advice}`);
    }
  }

  #take(key: string): MapEntry | undefined {
    this.#known.add(key);
    return this.#node.entries.get(key);
  }

  #text(node: YamlNode, what: string, check: Check | undefined): string | undefined {
    if (node.kind !== "text") {
      this.#file.report(node.at, `${what} must be a text, and it is a ${node.kind}`);
      return undefined;
    }
    if (!isWellFormed(node.text)) {
      this.#file.report(node.at, `${what} holds half a character (a lone surrogate)`);
      return undefined;
    }
    const expanded = this.#file.expand(node);
    if (expanded !== undefined) this.#check(node.at, expanded, check);
    return expanded;
  }

  #check(at: number, text: string, check: Check | undefined): void {
    const problem = check?.(text);
    if (problem !== undefined) this.#file.report(at, problem);
  }

  #entries(key: string): ReadonlyMap<string, MapEntry> {
    const entry = this.#take(key);
    if (entry === undefined) return new Map();
    return this.#mapNode(entry.value, entry.keyAt, `'${key}'`)?.entries ?? new Map();
  }

  #mapNode(node: YamlNode, keyAt: number, what: string): MapNode | undefined {
    if (node.kind === "map") return node;
    if (node.kind === "text" && node.absent) return { kind: "map", entries: new Map(), at: keyAt };
    this.#file.report(node.at, `${what} must be a map: write 'key: value' lines under it`);
    return undefined;
  }

  #placeOf(key: string | undefined): number {
    const entry = key === undefined ? undefined : this.#node.entries.get(key);
    if (entry === undefined) return this.#node.at;
    return entry.value.kind === "text" && entry.value.absent ? entry.keyAt : entry.value.at;
  }
}

/** What the maps of one file share: its text for places, its problems, and the maps themselves. */
class YamlFile {
  readonly #text: string;
  readonly #name: string;
  readonly #expand: Expand | undefined;
  readonly #problems: Problem[];
  readonly #maps: YamlMap[] = [];

  constructor(text: string, { name, expand }: YamlFileOptions, problems: Problem[]) {
    this.#text = text;
    this.#name = name;
    this.#expand = expand;
    this.#problems = problems;
  }

  /** The text that a scalar stands for; undefined when something is wrong with it, which is reported. */
  expand({ text, at }: ScalarNode): string | undefined {
    const expanded = this.#expand?.(text) ?? { text };
    if (expanded.problem !== undefined) this.report(at, expanded.problem);
    return expanded.text;
  }

  root(node: YamlNode | undefined): YamlMap {
    if (node === undefined || node.kind === "map") {
      return this.map(node ?? { kind: "map", entries: new Map(), at: 0 });
    }
    throw yamlError([{ at: node.at, text: "the file must be a map of 'key: value' lines" }], this.#text, this.#name);
  }

  map(node: MapNode): YamlMap {
    const map = new YamlMap(this, node);
    this.#maps.push(map);
    return map;
  }

  report(at: number, text: string): void {
    this.#problems.push({ at, text });
  }

  place(at: number): string {
    return placeIn(this.#text, at, this.#name);
  }

  reportUnknownKeys(): void {
    for (const map of this.#maps) map.reportUnknownKeys();
  }
}

function yamlError(problems: readonly Problem[], text: string, name: string): CapstanError {
  const sorted = [...problems].sort((a, b) => a.at - b.at);
  const lines = sorted.slice(0, SHOWN_PROBLEMS).map((problem) => `${placeIn(text, problem.at, name)}: ${problem.text}`);
  if (sorted.length > SHOWN_PROBLEMS) lines.push(`${name}: ${sorted.length - SHOWN_PROBLEMS} more problems`);
  return new CapstanError(lines[0] ?? name, {
    code: "bad-yaml",
    details: lines.length > 1 ? lines : [],
    hint: lines.length > 1 ? `Correct these places of ${name}.` : `Correct this place of ${name}.`,
  });
}

/** No lone surrogates: such a text has no UTF-8. (String.prototype.isWellFormed is not in this library level.) */
function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
