import { quoted } from "../../project/text-file.ts";
import { isRecord } from "../../support/records.ts";
import { IndexLimit } from "./schema.ts";

/** What is wrong with a text, in words that follow its place; undefined when nothing is. */
export type Check = (text: string) => string | undefined;

/** Collects what is wrong with a document, each with its place: `packages[3].sha256: …`. */
export class Problems {
  readonly list: string[] = [];

  add(path: string, problem: string): void {
    if (this.list.length < IndexLimit.problems) this.list.push(`${path}: ${problem}`);
  }
}

/** An object of a JSON document, asked for its keys one after another; keys that nobody asks for are passed over. */
export class JsonObject {
  readonly path: string;
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #problems: Problems;

  constructor(value: Readonly<Record<string, unknown>>, path: string, problems: Problems) {
    this.#value = value;
    this.path = path;
    this.#problems = problems;
  }

  has(key: string): boolean {
    return this.#get(key) !== undefined;
  }

  /** A text; undefined when the key is missing or null. Control characters are a problem: it goes to terminals. */
  string(key: string, check?: Check): string | undefined {
    const value = this.#get(key);
    return value === undefined ? undefined : this.#text(value, this.#at(key), check);
  }

  required(key: string, check?: Check): string | undefined {
    if (!this.has(key)) this.problem(key, "is missing");
    return this.string(key, check);
  }

  strings(key: string, check?: Check): readonly string[] {
    return this.#items(key, IndexLimit.requirements).flatMap((item, index) => {
      const text = this.#text(item, `${this.#at(key)}[${index}]`, check);
      return text === undefined ? [] : [text];
    });
  }

  /** A whole number that is not negative. */
  count(key: string): number | undefined {
    const value = this.#get(key);
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    this.problem(key, value === undefined ? "is missing" : "must be a whole number, not below 0");
    return undefined;
  }

  flag(key: string): boolean {
    const value = this.#get(key) ?? false;
    if (typeof value !== "boolean") this.problem(key, "must be true or false");
    return value === true;
  }

  /** Undefined when the key is missing or null. */
  object(key: string): JsonObject | undefined {
    const value = this.#get(key);
    return value === undefined ? undefined : this.#object(value, this.#at(key));
  }

  objects(key: string): readonly JsonObject[] {
    return this.#items(key, IndexLimit.items).flatMap((item, index) => {
      const object = this.#object(item, `${this.#at(key)}[${index}]`);
      return object === undefined ? [] : [object];
    });
  }

  problem(key: string, problem: string): void {
    this.#problems.add(this.#at(key), problem);
  }

  #at(key: string): string {
    return this.path === "" ? key : `${this.path}.${key}`;
  }

  #get(key: string): unknown {
    return Object.hasOwn(this.#value, key) ? (this.#value[key] ?? undefined) : undefined;
  }

  #items(key: string, limit: number): readonly unknown[] {
    const value = this.#get(key) ?? [];
    if (!Array.isArray(value)) {
      this.problem(key, "must be a list");
      return [];
    }
    if (value.length <= limit) return value;
    this.problem(key, `has ${value.length} items, and at most ${limit} are read`);
    return [];
  }

  #text(value: unknown, path: string, check: Check | undefined): string | undefined {
    const problem = textProblem(value) ?? check?.(String(value));
    if (problem === undefined) return String(value);
    this.#problems.add(path, problem);
    return undefined;
  }

  #object(value: unknown, path: string): JsonObject | undefined {
    if (isRecord(value)) return new JsonObject(value, path, this.#problems);
    this.#problems.add(path, "must be an object");
    return undefined;
  }
}

function textProblem(value: unknown): string | undefined {
  if (typeof value !== "string") return "must be a text";
  if (value.length > IndexLimit.text) return `is longer than ${IndexLimit.text} characters`;
  // A terminal would obey them.
  return /\p{Cc}/u.test(value.replace(/[\t\n]/g, " ")) ? `has control characters: ${quoted(value)}` : undefined;
}
