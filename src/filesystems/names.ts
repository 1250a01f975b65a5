import { CapstanError } from "../support/errors.ts";
import { byteLength, encodeName, isNameText, showOddBytes } from "../support/name-bytes.ts";

export { byteLength };

/** In bytes. Linux, and so every guest program, looks up no longer ones (limits.h: NAME_MAX). */
export const NAME_MAX = 255;

/** In bytes, with the leading slash: PATH_MAX of Linux and OSv is 4096 with the terminating NUL. */
export const PATH_MAX = 4095;

/**
 * Throws CapstanError `bad-name` when no directory can hold `name`: '', '.', '..', a slash or NUL in it,
 * more than 255 bytes, or a surrogate that stands for no byte (see name-bytes.ts). `path` is what the error shows.
 */
export function checkName(name: string, path: string): void {
  const fault = nameFault(name);
  if (fault === undefined) return;
  throw new CapstanError(`${quotePath(path)} cannot be a path in an image: ${fault}`, {
    code: "bad-name",
    hint: "Rename it, or leave it out.",
  });
}

/** Why `name` cannot stand in a directory, or undefined when it can. */
export function nameFault(name: string): string | undefined {
  if (COMMON_NAME.test(name)) return undefined;
  if (name === "") return "a part of it is empty";
  if (name === "." || name === "..") return `'${name}' is not a name`;
  if (name.includes("/")) return "a name contains a slash";
  if (name.includes("\0")) return "a name contains a NUL byte";
  if (!isNameText(name)) return "a name contains half a surrogate pair, which stands for no bytes";
  if (byteLength(name) > NAME_MAX) return `a name is longer than ${NAME_MAX} bytes`;
  return undefined;
}

/** Throws CapstanError `path-too-long` when `path`, with its leading slash, is longer than programs can open. */
export function checkPathLength(path: string): void {
  if (!isPathTooLong(path)) return;
  throw new CapstanError(
    `${quotePath(path)} has ${byteLength(path)} bytes; the longest path of an image has ${PATH_MAX}`,
    {
      code: "path-too-long",
      hint: "Shorten the names of the folders, or nest them less deeply.",
    },
  );
}

export function isPathTooLong(path: string): boolean {
  return path.length * MAX_BYTES_PER_UNIT > PATH_MAX && byteLength(path) > PATH_MAX;
}

/** Why a symbolic link cannot have this target, or undefined when it can. Linux makes no empty links, and none of PATH_MAX. */
export function linkTargetFault(target: string): string | undefined {
  if (target === "") return "its target is empty";
  if (target.includes("\0")) return "its target contains a NUL byte";
  if (!isNameText(target)) return "its target contains half a surrogate pair, which stands for no bytes";
  if (byteLength(target) > PATH_MAX) return `its target is longer than ${PATH_MAX} bytes`;
  return undefined;
}

/** Order of the bytes: that of the code points, but where some of them are no UTF-8. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left === right) continue;
    if (mayBeOddByte(left) || mayBeOddByte(right)) return Buffer.compare(encodeName(a), encodeName(b));
    return codePointRank(left) - codePointRank(right);
  }
  return a.length - b.length;
}

/** The names in the order of their bytes. */
export function sortByBytes(names: Iterable<string>): string[] {
  const sorted = [...names];
  // The built-in order compares UTF-16 units: the same thing, and faster, as long as nothing reaches the surrogates.
  return sorted.some((name) => FROM_SURROGATES_ON.test(name)) ? sorted.sort(compareBytes) : sorted.sort();
}

/**
 * A path for messages: in quotes, cut to a readable length, control characters escaped so that they cannot act on a
 * terminal, and bytes that are no UTF-8 as `\xff`.
 */
export function quotePath(path: string): string {
  const shown = path.length > SHOWN ? `${path.slice(0, SHOWN / 2)}…${path.slice(-SHOWN / 2)}` : path;
  return `'${showOddBytes(shown).replace(UNPRINTABLE, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)}'`;
}

/** Or the second half of a character's pair. */
function mayBeOddByte(unit: number): boolean {
  return unit >= 0xdc80 && unit <= 0xdcff;
}

/** UTF-16 puts surrogates (code points from U+10000) before U+E000…U+FFFF; UTF-8 after them. */
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

const SHOWN = 400;
const MAX_BYTES_PER_UNIT = 3;
/** Nearly all names: one look is enough. */
const COMMON_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,254}$/;
const FROM_SURROGATES_ON = /[\ud800-\uffff]/;
const UNPRINTABLE = /[\p{Cc}\p{Surrogate}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
