import { readFileSync, statSync } from "node:fs";
import { formatSize, MiB } from "../support/bytes.ts";
import { CapstanError, doing, ExitCode, isErrno } from "../support/errors.ts";

/** The largest text file of a project that is read: manifests and ignore files are far below it. */
export const TEXT_FILE_LIMIT = MiB;

/**
 * The text of a small UTF-8 file without its byte order mark, or undefined when there is none of that path.
 * `name` stands for the file in messages. Throws what `decodeText` throws, and the errors of the operating system.
 */
export function readTextFile(path: string, name: string): string | undefined {
  return doing(`Reading ${name}`, () => {
    try {
      const status = statSync(path);
      // A FIFO or a device would block or never end.
      if (!status.isFile() && !status.isDirectory()) throw notAFile(name);
      if (status.size > TEXT_FILE_LIMIT && status.isFile()) throw tooLarge(name, status.size);
      return decodeText(readFileSync(path), name);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  });
}

/** Bytes as text: refuses what is above the limit, not UTF-8, or holds control characters, with the place. */
export function decodeText(bytes: Uint8Array, name: string): string {
  if (bytes.length > TEXT_FILE_LIMIT) throw tooLarge(name, bytes.length);
  const text = decodeUtf8(bytes);
  if (text === undefined) throw notUtf8(bytes, name);
  const control = findControl(text);
  if (control !== undefined) {
    const code = text.charCodeAt(control).toString(16).toUpperCase().padStart(4, "0");
    throw new CapstanError(`${placeIn(text, control, name)}: a control character (U+${code}) does not belong there`, {
      code: "bad-text",
      hint: "Remove it: the file must be plain text.",
    });
  }
  return text;
}

/** `name:line:column`, both from 1, of an offset in UTF-16 units. */
export function placeIn(text: string, offset: number, name: string): string {
  let line = 1;
  let lineStart = 0;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) {
    line++;
    lineStart = at + 1;
  }
  return `${name}:${line}:${offset - lineStart + 1}`;
}

/** Text from outside for a message: in quotes, cut to a readable length, nothing in it that a terminal obeys. */
export function quoted(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  const clean = [...short].map((character) => (isUnprintable(character) ? escapeCharacter(character) : character));
  return `'${clean.join("")}'`;
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function notUtf8(bytes: Uint8Array, name: string): CapstanError {
  let line = 1;
  let start = 0;
  for (; start < bytes.length; line++) {
    const found = bytes.indexOf(0x0a, start);
    const end = found === -1 ? bytes.length : found + 1;
    if (decodeUtf8(bytes.subarray(start, end)) === undefined) break;
    start = end;
  }
  return new CapstanError(`${name}:${line}: the text is not UTF-8`, {
    code: "bad-text",
    hint: "Save the file in the encoding UTF-8.",
  });
}

function tooLarge(name: string, size: number): CapstanError {
  return new CapstanError(`${name}: ${formatSize(size)} is too large, at most ${formatSize(TEXT_FILE_LIMIT)} is read`, {
    code: "file-too-large",
    hint: "Check that this is the right file.",
  });
}

function notAFile(name: string): CapstanError {
  return new CapstanError(`${name}: it is neither a file nor a link to one`, {
    code: "not-a-file",
    hint: "Put a regular file there.",
    exitCode: ExitCode.badData,
  });
}

function findControl(text: string): number | undefined {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const blank = code === 0x09 || code === 0x0a || code === 0x0d || code === 0x85;
    if (isControlCode(code) && !blank) return at;
  }
  return undefined;
}

function isControlCode(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

function isUnprintable(character: string): boolean {
  return /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(character);
}

function escapeCharacter(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
