import { quoted } from "./text-file.ts";
import { comparePieces, compareReleases, isEarly, isNumber, type Piece, parseVersion, ZERO } from "./version-order.ts";

export interface VersionRange {
  /** As it was written. */
  readonly text: string;
  /** Never where the version is not known: nobody could say that it fits. */
  accepts(version: string | undefined): boolean;
}

/**
 * Comparisons, separated by blanks or commas; a version has to fit them all.
 *
 * | written | accepts |
 * |---|---|
 * | `@1.2` | 1.2 and whatever begins with it: 1.2.7, 1.2-4f5e6d7; not 1.20, and nothing that comes before a release |
 * | `=1.2` | 1.2 and 1.2.0 |
 * | `>=1.2`, `>1.2`, `<=1.2` | by the order |
 * | `<2` | by the order, but none that only comes before 2, such as 2.0-rc1 |
 * | `^1.2.3` | from 1.2.3 on, as long as the first number that is not zero stays: 1.9, not 2.0-rc1; `^0.57` not 0.58 |
 * | `~1.2.3` | from 1.2.3 on, as long as 1.2 stays; `~1` as long as 1 stays |
 */
export function parseRange(text: string): VersionRange | { readonly problem: string } {
  const tests: Test[] = [];
  const written = text.trim();
  for (let rest = written; rest !== ""; ) {
    const match = COMPARISON.exec(rest);
    const [all = "", operator = "", version = ""] = match ?? [];
    const test = TESTS[operator]?.(parseVersion(version));
    if (match === null || test === undefined) return { problem: problemOf(written) };
    tests.push(test);
    rest = rest.slice(all.length);
  }
  if (tests.length === 0) return { problem: problemOf(written) };
  return {
    text: written,
    accepts(version) {
      if (version === undefined) return false;
      const pieces = parseVersion(version);
      return tests.every((test) => test(pieces));
    },
  };
}

type Test = (version: readonly Piece[]) => boolean;

/** `name@>=1.2` is what other tools write. */
const COMPARISON = /^(?:@\s*(?=[<>=^~]))?(@|>=|<=|==?|>|<|\^|~)\s*([A-Za-z0-9][A-Za-z0-9._+-]*)(?:\s*,\s*|\s+|$)/;

/** Undefined where the operator needs a number to begin with. */
const TESTS: Readonly<Record<string, (bound: readonly Piece[]) => Test | undefined>> = {
  "@": (bound) => (version) => beginsWith(version, bound),
  "=": (bound) => (version) => compareReleases(version, bound) === 0,
  "==": (bound) => (version) => compareReleases(version, bound) === 0,
  ">=": (bound) => (version) => compareReleases(version, bound) >= 0,
  ">": (bound) => (version) => compareReleases(version, bound) > 0,
  "<=": (bound) => (version) => compareReleases(version, bound) <= 0,
  "<": (bound) => (version) => compareReleases(bound.some(isEarly) ? version : release(version), bound) < 0,
  "^": (bound) => fromWithin(bound, Math.max(0, firstNotZero(bound)) + 1),
  "~": (bound) => fromWithin(bound, Math.min(2, numbersOf(bound))),
};

function beginsWith(version: readonly Piece[], start: readonly Piece[]): boolean {
  if (compareReleases(version, start) === 0) return true;
  if (comparePieces(version.slice(0, start.length), start) !== 0) return false;
  return start.some(isEarly) || !version.some(isEarly);
}

/** From the bound on, with the same first numbers. */
function fromWithin(bound: readonly Piece[], same: number): Test | undefined {
  if (!isNumber(bound[0])) return undefined;
  return (version) => {
    for (let index = 0; index < same; index++) {
      const [mine, other] = [numberAt(version, index), numberAt(bound, index)];
      if (mine.text !== other.text) return false;
    }
    return compareReleases(version, bound) >= 0;
  };
}

/** Behind the last number, there are as many zeros as one likes. */
function numberAt(version: readonly Piece[], index: number): Piece {
  return index < numbersOf(version) ? (version[index] ?? ZERO) : ZERO;
}

/** How many numbers it begins with. */
function numbersOf(version: readonly Piece[]): number {
  const end = version.findIndex((piece) => !isNumber(piece));
  return end < 0 ? version.length : end;
}

/** The place of the number that must stay; of zeros only, the last of them. */
function firstNotZero(bound: readonly Piece[]): number {
  const end = numbersOf(bound);
  const found = bound.slice(0, end).findIndex((piece) => piece.text !== "0");
  return found < 0 ? end - 1 : found;
}

/** What comes before a release, as the release that it comes before. */
function release(version: readonly Piece[]): readonly Piece[] {
  const early = version.findIndex(isEarly);
  return early < 0 ? version : version.slice(0, early);
}

function problemOf(text: string): string {
  return `${quoted(text)} is no range of versions: write for example '@1.2', '>=1.2 <2', '^1.2', '~1.2' or '=1.2.3'`;
}
