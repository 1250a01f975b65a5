import { createHash } from "node:crypto";

/** A piece of a page whose markup is meant: only `html` and `raw` make it, so that no text is taken for markup. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | undefined | readonly Html[];

/** A template whose values are texts, and escaped, for content and for attributes in double quotes. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.reduce((text, piece, index) => text + render(parts[index - 1]) + piece));
}

export function raw(text: string): Html {
  return new Html(text);
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export function escapeHtml(text: string): string {
  // What turns the direction of text around, and control characters, would make a name look like another one.
  const visible = text.replace(/[\u202a-\u202e\u2066-\u2069\u200e\u200f]|(?![\t\n\r])\p{Cc}/gu, "\ufffd");
  return visible.replace(/[&<>"']/g, (one) => ENTITIES[one] ?? "");
}

/** The text that `escapeHtml` was given. */
export function unescapeHtml(text: string): string {
  const characters = new Map(Object.entries(ENTITIES).map(([character, entity]) => [entity, character]));
  return text.replace(/&#?\w+;/g, (entity) => characters.get(entity) ?? entity);
}

/** What a Content-Security-Policy allows inline content by. */
export function policyHash(content: string): string {
  return `'sha256-${createHash("sha256").update(content).digest("base64")}'`;
}

function render(part: Part): string {
  if (part === undefined) return "";
  if (part instanceof Html) return part.text;
  if (typeof part === "object") return part.map((one) => one.text).join("\n");
  return escapeHtml(String(part));
}
