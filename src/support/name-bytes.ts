/**
 * Names of files and targets of links are bytes. Inside the program they are strings: bytes that are UTF-8 are decoded as
 * such, and each other byte becomes the lone surrogate U+DC00 + byte, U+DC80 to U+DCFF, which no UTF-8 decodes to.
 * So every name has its string, and no two names have the same one. (PEP 383, "surrogateescape", is the same.)
 */
import { isUtf8 } from "node:buffer";

/** The string of a name, or of names with ASCII between them. */
export function decodeName(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = buffer.toString("utf8");
  // What is not UTF-8 becomes U+FFFD, but a name may really have that character.
  return text.includes(REPLACEMENT) && !isUtf8(buffer) ? decodeMixed(buffer) : text;
}

/** The bytes of a name, or of names with ASCII between them. Surrogates that stand for no byte become U+FFFD. */
export function encodeName(name: string): Buffer {
  return hasOddBytes(name) ? encodeMixed(name) : Buffer.from(name, "utf8");
}

/** How many bytes `encodeName` gives. */
export function byteLength(name: string): number {
  const length = Buffer.byteLength(name, "utf8");
  if (length === name.length || !hasOddBytes(name)) return length;
  return length - SURPLUS * (name.match(ODD_BYTES)?.length ?? 0);
}

/** Whether some of its bytes are no UTF-8: it cannot be given to what takes text. */
export function hasOddBytes(name: string): boolean {
  return ODD_BYTE.test(name);
}

/** Whether it is the string of a name: false where a surrogate stands for no byte, or several for what is UTF-8. */
export function isNameText(text: string): boolean {
  return !LONE_SURROGATE.test(text) || decodeName(encodeName(text)) === text;
}

/** Such bytes for people, as in `caf\xe9`; all else stays. */
export function showOddBytes(text: string): string {
  return hasOddBytes(text) ? text.replace(ODD_BYTES, (unit) => `\\x${byteOf(unit).toString(16)}`) : text;
}

function decodeMixed(bytes: Buffer): string {
  let text = "";
  let start = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    if (length > 0) {
      at += length;
      continue;
    }
    text += bytes.toString("utf8", start, at) + String.fromCharCode(FIRST + (bytes[at] ?? 0));
    start = ++at;
  }
  return text + bytes.toString("utf8", start);
}

/** Of the character that starts there, in bytes; 0 where none does (The Unicode Standard, table 3-7). */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const second = bytes[at + 1] ?? 0;
  if (second < (SECOND_FROM[first] ?? 0x80) || second > (SECOND_TO[first] ?? 0xbf)) return 0;
  for (let next = at + 2; next < at + length; next++) if (((bytes[next] ?? 0) & 0xc0) !== 0x80) return 0;
  return length;
}

/** The second byte's least and greatest value behind the first bytes that leave it less than others. */
const SECOND_FROM: Readonly<Record<number, number>> = { 224: 0xa0, 240: 0x90 };
const SECOND_TO: Readonly<Record<number, number>> = { 237: 0x9f, 244: 0x8f };

function encodeMixed(name: string): Buffer {
  const bytes = Buffer.alloc(byteLength(name));
  let end = 0;
  let start = 0;
  for (const { index } of name.matchAll(ODD_BYTES)) {
    end += bytes.write(name.slice(start, index), end, "utf8");
    bytes[end++] = name.charCodeAt(index) - FIRST;
    start = index + 1;
  }
  bytes.write(name.slice(start), end, "utf8");
  return bytes;
}

function byteOf(unit: string): number {
  return unit.charCodeAt(0) - FIRST;
}

const FIRST = 0xdc00;
const REPLACEMENT = "\ufffd";
/** Node counts a lone surrogate as the three bytes of U+FFFD. */
const SURPLUS = 2;
// With the flag u, the halves of a pair do not match.
const ODD_BYTE = /[\udc80-\udcff]/u;
const ODD_BYTES = /[\udc80-\udcff]/gu;
const LONE_SURROGATE = /\p{Surrogate}/u;
