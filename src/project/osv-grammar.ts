/**
 * OSv's command line as its kernel reads it, v0.57.0 and head alike: core/commands.cc (loader_parse_cmdline, the
 * grammar `commands`, expand_environ_vars, runscript_expand) and libc/string/stresep.c of OSv.
 *
 *     line     = { option } commands            options: words that begin with '-'; '\' takes the next character
 *                                               as it is; quotes mean nothing there
 *     commands = command { command }            reading stops without a word where a command cannot be read
 *     command  = word { word } ( ';' | '&!' | '&' | '!' | end )
 *     word     = '"' characters '"'             may hold blanks and the four separators, may be empty
 *              | characters but ' ' ';' '&' '!' (a tab or a line feed inside belongs to the word)
 *     escapes in words: \a \b \f \n \r \t \v \\ \' \"      any other '\' stands for itself
 *
 * Words are 7-bit. After all this, `$` and the whole rest of a word are replaced by the variable of that name.
 */

export type Terminator = ";" | "&!" | "&" | "!" | "";

/** A word of a command: what it means, and where it is written. */
export interface Word {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly quoted: boolean;
}

export interface Command {
  readonly words: readonly Word[];
  readonly terminator: Terminator;
}

export interface Commands {
  readonly commands: readonly Command[];
  /** Offset behind the last command that could be read: OSv drops what follows silently (all: it powers off). */
  readonly end: number;
}

export interface LoaderOptions {
  /** Each with its meaning in `text`, such as `--env=A=b c`. */
  readonly options: readonly Word[];
  /** Offset where the commands begin. */
  readonly end: number;
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};
const ESCAPED = new Map(Object.entries(ESCAPES).map(([letter, character]) => [character, letter]));

/** Splits off the leading loader options of a boot command line. (Lines of scripts have none: see `readCommands`.) */
export function readLoaderOptions(line: string): LoaderOptions {
  const options: Word[] = [];
  let at = 0;
  for (;;) {
    const start = skip(line, at, isDelimiter);
    if (line[start] !== "-") return { options, end: at };
    let text = "";
    for (at = start; at < line.length && !isDelimiter(line[at]); at++) {
      if (line[at] === "\\") at++;
      text += line[at] ?? "";
    }
    at = Math.min(at, line.length);
    options.push({ text, start, end: at, quoted: false });
  }
}

/** The commands of a text from an offset on, as far as OSv reads them. */
export function readCommands(text: string, from = 0): Commands {
  const commands: Command[] = [];
  let at = from;
  for (;;) {
    const found = readCommand(text, at);
    if (found === undefined) return { commands, end: /^[ \f\n\r\t\v;]*$/.test(text.slice(at)) ? text.length : at };
    commands.push(found.command);
    at = found.end;
  }
}

/** Writes a word so that `readCommands` gives it back. The caller has checked `wordProblem`. */
export function writeWord(text: string): string {
  if (/^[\x21-\x7e]+$/.test(text) && !/[;&!"'\\]/.test(text)) return text;
  let result = '"';
  for (const character of text) {
    const letter = character === "'" ? undefined : ESCAPED.get(character);
    result += letter === undefined ? character : `\\${letter}`;
  }
  return `${result}"`;
}

/** Writes a loader option so that `readLoaderOptions` gives it back: for the start of a boot command line. */
export function writeLoaderOption(text: string): string {
  return text.replace(/[\\ \t\n]/g, "\\$&");
}

function readCommand(text: string, from: number): { readonly command: Command; readonly end: number } | undefined {
  const words: Word[] = [];
  let at = from;
  for (let word = readWord(text, at); word !== undefined; word = readWord(text, at)) {
    words.push(word);
    at = word.end;
  }
  if (words.length === 0) return undefined;
  at = skip(text, at, isSpace);
  const terminator = readTerminator(text, at);
  return terminator === undefined ? undefined : { command: { words, terminator }, end: at + terminator.length };
}

function readTerminator(text: string, at: number): Terminator | undefined {
  if (at === text.length) return "";
  if (text.startsWith("&!", at)) return "&!";
  const character = text[at];
  return character === ";" || character === "&" || character === "!" ? character : undefined;
}

function readWord(text: string, from: number): Word | undefined {
  const start = skip(text, from, isSpace);
  const isOpened = text[start] === '"';
  const inside = isOpened ? readCharacters(text, start + 1, '"') : undefined;
  if (inside !== undefined && text[inside.end] === '"') {
    return { text: inside.text, start, end: inside.end + 1, quoted: true };
  }
  const plain = readCharacters(text, start, " ;&!");
  if (plain.end === start) return undefined;
  // After a quote that is never closed the kernel's parser keeps what it has read, then reads the same as plain words.
  return { text: (inside?.text ?? "") + plain.text, start, end: plain.end, quoted: false };
}

function readCharacters(text: string, start: number, stops: string): { readonly text: string; readonly end: number } {
  let result = "";
  let at = start;
  while (at < text.length) {
    const escaped = text[at] === "\\" ? ESCAPES[text[at + 1] ?? ""] : undefined;
    if (escaped !== undefined) {
      result += escaped;
      at += 2;
      continue;
    }
    const character = text.charAt(at);
    if (stops.includes(character) || character.charCodeAt(0) > 0x7f) break;
    result += character;
    at++;
  }
  return { text: result, end: at };
}

function skip(text: string, from: number, belongs: (character: string | undefined) => boolean): number {
  let at = from;
  while (at < text.length && belongs(text[at])) at++;
  return at;
}

/** What separates loader options. */
function isDelimiter(character: string | undefined): boolean {
  return character === " " || character === "\t" || character === "\n";
}

/** isspace() of the C locale: what is skipped between words. */
function isSpace(character: string | undefined): boolean {
  return character !== undefined && " \f\n\r\t\v".includes(character);
}
