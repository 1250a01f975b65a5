/** Line and column, from 1, of the first character that is no JSON; of the end where the text stops too early. */
export interface JsonFault {
  readonly line: number;
  readonly column: number;
}

/**
 * Where a text stops being JSON. JSON.parse tells it in some of its messages, by the engine's version.
 * Undefined for what is JSON.
 */
export function jsonFault(text: string): JsonFault | undefined {
  const at = faultOffset(text);
  if (at === undefined) return undefined;
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/** What may come next: a value, a key, a comma or the end of what is open. */
type Expected = "value" | "value-or-end" | "key" | "key-or-end" | "colon" | "comma-or-end";

function faultOffset(text: string): number | undefined {
  const open: string[] = [];
  let expected: Expected = "value";
  let at = skipBlanks(text, 0);
  for (; at < text.length; at = skipBlanks(text, at)) {
    if (open.length === 0 && expected === "comma-or-end") return at;
    const character = text.charAt(at);
    const inList = open.at(-1) === "[";
    if (character === "]" || character === "}") {
      const allowed: Expected = inList ? "value-or-end" : "key-or-end";
      if ((expected !== allowed && expected !== "comma-or-end") || open.pop() !== OPENS[character]) return at;
      expected = "comma-or-end";
      at++;
    } else if (expected === "comma-or-end") {
      if (character !== ",") return at;
      expected = inList ? "value" : "key";
      at++;
    } else if (expected === "colon") {
      if (character !== ":") return at;
      expected = "value";
      at++;
    } else if (expected === "key" || expected === "key-or-end") {
      const end = match(STRING, text, at);
      if (end === undefined) return at;
      expected = "colon";
      at = end;
    } else if (character === "{" || character === "[") {
      open.push(character);
      expected = character === "{" ? "key-or-end" : "value-or-end";
      at++;
    } else {
      const end = match(SCALAR, text, at);
      if (end === undefined) return at;
      expected = "comma-or-end";
      at = end;
    }
  }
  return open.length === 0 && expected === "comma-or-end" ? undefined : at;
}

function skipBlanks(text: string, at: number): number {
  return match(BLANKS, text, at) ?? at;
}

function match(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

const OPENS: Readonly<Record<string, string>> = { "]": "[", "}": "{" };
const BLANKS = /[ \t\r\n]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 8259, 7: control characters must be escaped.
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y;
const SCALAR = new RegExp(`${STRING.source}|-?(?:0|[1-9]\\d*)(?:\\.\\d+)?(?:[eE][+-]?\\d+)?|true|false|null`, "y");
