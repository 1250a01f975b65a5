import { wordsOf } from "./words.ts";

export interface Shebang {
  /** As written, a name or a path: "node", "/usr/bin/perl". */
  readonly interpreter: string;
  readonly args: readonly string[];
  /** What `env NAME=value` sets. */
  readonly env: ReadonlyMap<string, string>;
}

/**
 * The `#!` line at the start of a file. execve(2) passes all behind the interpreter as one argument; here it is split into
 * words, as `env -S` and the interpreters themselves do with it. Undefined without a line that names an interpreter.
 */
export function shebangOf(head: Uint8Array): Shebang | undefined {
  if (head[0] !== 0x23 || head[1] !== 0x21) return undefined;
  const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString("utf8");
  const line = text.slice(2, LONGEST_LINE).split(/[\n\0]/, 1)[0] ?? "";
  const [first, ...rest] = wordsOf(line);
  if (first === undefined) return undefined;
  return /(^|\/)env$/.test(first) ? behindEnv(rest) : { interpreter: first, args: rest, env: new Map() };
}

function behindEnv(words: readonly string[]): Shebang | undefined {
  const env = new Map<string, string>();
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    const variable = /^([A-Za-z_]\w*)=(.*)$/.exec(word);
    if (variable !== null) env.set(variable[1] ?? "", variable[2] ?? "");
    else if (TAKES_A_VALUE.has(word)) at++;
    else if (/^(-S|--split-string=)./.test(word)) {
      return { interpreter: word.replace(/^(-S|--split-string=)/, ""), args: words.slice(at + 1), env };
    } else if (!word.startsWith("-")) return { interpreter: word, args: words.slice(at + 1), env };
  }
  return undefined;
}

/** GNU env: these have their value in the next word. */
const TAKES_A_VALUE = new Set(["-u", "--unset", "-C", "--chdir"]);
/** Longer than BINPRM_BUF_SIZE of Linux (256), which cuts the line off there. */
const LONGEST_LINE = 1024;
