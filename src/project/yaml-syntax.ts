/** The only file that loads the YAML library: text → nodes whose scalars are their source text, and values → text. */
import {
  Composer,
  Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  Pair,
  Parser,
  Scalar,
  YAMLMap,
  type YAMLSeq,
} from "yaml";

/** A value as it was written: `0.10`, `yes`, `1e5` and dates are texts like all others. `at` is an offset in the text. */
export type YamlNode = ScalarNode | ListNode | MapNode;

export interface ScalarNode {
  readonly kind: "text";
  readonly text: string;
  /** Nothing was written: `key:` and no more. Quotes with nothing between them are a text of length 0. */
  readonly absent: boolean;
  readonly at: number;
}

export interface ListNode {
  readonly kind: "list";
  readonly items: readonly YamlNode[];
  readonly at: number;
}

export interface MapNode {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, MapEntry>;
  readonly at: number;
}

export interface MapEntry {
  readonly keyAt: number;
  readonly value: YamlNode;
}

export interface Problem {
  readonly at: number;
  readonly text: string;
}

export type YamlValue = string | { readonly quoted: string } | readonly string[] | ReadonlyMap<string, string>;

/** Deeper nesting than this is no manifest; the library's composer recurses and can end the process. */
const DEPTH_LIMIT = 64;
/** Lexical tokens: bounds the time that a hostile file of the largest size can take. */
const TOKEN_LIMIT = 100_000;
/** Values that aliases (`*name`) and merge keys (`<<`) may repeat in one file, counted as if they were written out. */
const REPEAT_LIMIT = 10_000;

/**
 * The nodes of a YAML text of one document; undefined: nothing in it, or nothing that can be read on. Problems are added
 * to `problems`; of a key that stands twice, the first one counts, so that the rest of the file can be judged too.
 */
export function parseYamlNodes(text: string, problems: Problem[]): YamlNode | undefined {
  const tokens = tokenize(text, problems);
  if (tokens === undefined) return undefined;
  const composer = new Composer({
    schema: "failsafe",
    // Checked below: the library compares each key with each other one.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "silent",
  });
  const [document] = composer.compose(tokens, true, text.length);
  for (const error of document?.errors ?? []) problems.push({ at: error.pos[0], text: firstLine(error.message) });
  if (problems.length > 0 || !document?.contents) return undefined;
  return convert(document.contents, problems);
}

/**
 * Writes a map in the order and style of the original: list items not indented, texts quoted where a reader
 * of YAML 1.1 would take them for a number, a date or a truth value. Undefined and empty values are left out.
 */
export function formatYaml(entries: Iterable<readonly [key: string, value: YamlValue | undefined]>): string {
  const document = new Document(undefined, { schema: "yaml-1.1", version: "1.2" });
  const map = new YAMLMap<Scalar, Node>();
  for (const [key, value] of entries) {
    if (value !== undefined && !isEmpty(value)) map.add(new Pair(new Scalar(key), toNode(value, document)));
  }
  document.contents = map as never;
  if (map.items.length === 0) return "";
  // The library leaves these as they are, and readers refuse them.
  return document.toString({ indentSeq: false, lineWidth: 0 }).replace(RAW_CONTROLS, escapeControl);
}

/** DEL and the C1 controls: of YAML's printable characters, none. */
const RAW_CONTROLS = /[\x7f-\x84\x86-\x9f]/g;

function escapeControl(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16)}`;
}

function tokenize(text: string, problems: Problem[]) {
  const parser = new Parser();
  const tokens = [];
  let documents = 0;
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) {
      if (token.type === "document" && ++documents > 1) {
        problems.push({ at: token.offset, text: "a second document begins here, and the file may hold only one" });
        return undefined;
      }
      tokens.push(token);
    }
    if (parser.stack.length > DEPTH_LIMIT) {
      problems.push({ at: parser.offset, text: `values are nested more than ${DEPTH_LIMIT} levels deep` });
      return undefined;
    }
    if (++count > TOKEN_LIMIT) {
      problems.push({ at: parser.offset, text: "the file holds far more values than a manifest can have" });
      return undefined;
    }
  }
  for (const token of parser.end()) {
    if (token.type === "document" && ++documents > 1) {
      problems.push({ at: token.offset, text: "a second document begins here, and the file may hold only one" });
      return undefined;
    }
    tokens.push(token);
  }
  return tokens;
}

/** Library nodes → ours, in the order of the text. An alias is the node of its anchor itself, never a copy. */
function convert(root: Node, problems: Problem[]): YamlNode | undefined {
  const anchors = new Map<string, YamlNode | "unfinished">();
  /** How many values a node stands for when its aliases are written out. */
  const weights = new Map<YamlNode, number>();
  let repeated = 0;
  let doubleKeys = 0;
  const before = problems.length;
  const converted = node(root);
  return problems.length - before === doubleKeys ? converted : undefined;

  function node(source: unknown): YamlNode {
    if (isAlias(source)) return alias(source.source, source.range?.[0] ?? 0);
    const anchor = isMap(source) || isSeq(source) || isScalar(source) ? source.anchor : undefined;
    if (anchor !== undefined) anchors.set(anchor, "unfinished");
    const result = plainNode(source);
    if (anchor !== undefined) anchors.set(anchor, result);
    return result;
  }

  function alias(name: string, at: number): YamlNode {
    const target = anchors.get(name);
    if (target !== undefined && target !== "unfinished" && mayRepeat(target, at)) return target;
    if (target === undefined || target === "unfinished") {
      const why = target === undefined ? "has no anchor before it" : "stands inside its own anchor";
      problems.push({ at, text: `the alias '*${name.slice(0, 60)}' ${why}` });
    }
    return { kind: "text", text: "", absent: true, at };
  }

  function mayRepeat(target: YamlNode, at: number): boolean {
    const before = repeated;
    repeated += weight(target);
    if (before <= REPEAT_LIMIT && repeated > REPEAT_LIMIT) {
      problems.push({ at, text: `aliases repeat more than ${REPEAT_LIMIT} values: write the file without them` });
    }
    return repeated <= REPEAT_LIMIT;
  }

  function weight(target: YamlNode): number {
    return weights.get(target) ?? 1;
  }

  function plainNode(source: unknown): YamlNode {
    if (isMap(source)) return map(source);
    return isSeq(source) ? list(source) : scalar(source);
  }

  function list(source: YAMLSeq): ListNode {
    const result: ListNode = { kind: "list", items: source.items.map(node), at: source.range?.[0] ?? 0 };
    weights.set(
      result,
      result.items.reduce((sum, item) => sum + weight(item), 1),
    );
    return result;
  }

  function map(source: YAMLMap): MapNode {
    const entries = new Map<string, MapEntry>();
    const merges: { readonly value: YamlNode; readonly at: number }[] = [];
    for (const pair of source.items) {
      const key = node(pair.key);
      const value = node(pair.value);
      if (key.kind !== "text") {
        problems.push({ at: key.at, text: `a ${key.kind} cannot be a key` });
      } else if (key.text === "<<" && isScalar(pair.key) && pair.key.type === "PLAIN") {
        merges.push({ value, at: key.at });
      } else if (entries.has(key.text)) {
        doubleKeys++;
        problems.push({ at: key.at, text: `the key '${key.text.slice(0, 60)}' stands here a second time` });
      } else {
        entries.set(key.text, { keyAt: key.at, value });
      }
    }
    for (const merge of merges) mergeInto(entries, merge.value, merge.at);
    const result: MapNode = { kind: "map", entries, at: source.range?.[0] ?? 0 };
    weights.set(
      result,
      [...entries.values()].reduce((sum, entry) => sum + weight(entry.value), 1),
    );
    return result;
  }

  function mergeInto(entries: Map<string, MapEntry>, value: YamlNode, at: number): void {
    for (const source of value.kind === "list" ? value.items : [value]) {
      if (source.kind !== "map") {
        problems.push({ at, text: "'<<' merges maps, and this is none" });
        return;
      }
      if (!mayRepeat(source, at)) return;
      for (const [key, entry] of source.entries) if (!entries.has(key)) entries.set(key, entry);
    }
  }
}

function scalar(source: unknown): ScalarNode {
  if (!isScalar(source)) return { kind: "text", text: "", absent: true, at: 0 };
  const text = source.source ?? "";
  return { kind: "text", text, absent: text === "" && source.type === "PLAIN", at: source.range?.[0] ?? 0 };
}

function firstLine(message: string): string {
  const line = message.split("\n", 1)[0] ?? "";
  const short = line.length > 160 ? `${line.slice(0, 157)}...` : line;
  return short.charAt(0).toLowerCase() + short.slice(1);
}

function isQuoted(value: YamlValue): value is { readonly quoted: string } {
  return typeof value === "object" && "quoted" in value && !(value instanceof Map);
}

function toNode(value: YamlValue, document: Document): Node {
  if (value instanceof Map) {
    // The library would write a Map as a list of pairs (`!!omap`).
    const map = new YAMLMap<Scalar, Scalar>();
    for (const [key, text] of value) map.add(new Pair(new Scalar(key), new Scalar(text)));
    return map;
  }
  const needsQuotes = typeof value === "string" && value.search(RAW_CONTROLS) !== -1;
  if (!isQuoted(value) && !needsQuotes) return document.createNode(value);
  const scalarNode = new Scalar(isQuoted(value) ? value.quoted : value);
  scalarNode.type = "QUOTE_DOUBLE";
  return scalarNode;
}

function isEmpty(value: YamlValue): boolean {
  if (typeof value === "string") return value === "";
  if (isQuoted(value)) return false;
  return value instanceof Map ? value.size === 0 : (value as readonly string[]).length === 0;
}
