/**
 * Versions as they are in use: `1.2.3`, `0.57.0-0e34e4dc`, `9.4.19.v20190610`, `10.14.1.0`, `2.7`. Never an error: any text has its
 * place in the order. The rules:
 *
 * - A `v` before a digit at the start, all that stands behind a `+`, a `-dirty` of git, and capitals do not count.
 * - A version is a row of numbers and words; whatever stands between them only separates them. Numbers compare as numbers.
 * - At the same place, from low to high: a word that says that it comes before (`alpha`, `beta`, `milestone`, `pre`, `rc`, and the
 *   like, in this order), the end, any other word, a number. So `1.2-rc1` < `1.2` < `1.2-p1` < `1.2.1`.
 * - What OSv puts behind the version of its last release, from `git describe`, is later than the release and earlier than the next:
 *   `0.57.0` < `0.57.0-0e34e4dc`, `0.57.0-398-g0e34e4dc` < `0.57.1`. By the number of commits where it is there. Two commits without
 *   one are in no order that the text would tell: they are compared as texts, so that they are at least in some.
 * - Zeros behind the last other number decide last: `1.2.0-rc1` < `1.2` < `1.2.0` < `1.2.1`. In ranges `1.2` and `1.2.0` are the same.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parseVersion(a), parseVersion(b)];
  return compareReleases(left, right) || comparePieces(left, right);
}

export interface Piece {
  /** Where its kind stands among the kinds that may be at one place. */
  readonly rank: number;
  /** A number without leading zeros, for it may be longer than 2^53; or a word. */
  readonly text: string;
}

/** As compareVersions, but `1.2` and `1.2.0` are equal. */
export function compareReleases(a: readonly Piece[], b: readonly Piece[]): number {
  return comparePieces(withoutZeros(a), withoutZeros(b));
}

export function comparePieces(a: readonly Piece[], b: readonly Piece[]): number {
  for (let index = 0; index < a.length || index < b.length; index++) {
    const order = comparePiece(a[index] ?? END, b[index] ?? END);
    if (order !== 0) return order;
  }
  return 0;
}

export function isNumber(piece: Piece | undefined): boolean {
  return piece?.rank === RANK.number;
}

/** Whether it says that what stands before it is not out yet. */
export function isEarly(piece: Piece): boolean {
  return piece.rank < RANK.end;
}

export const ZERO: Piece = { rank: 103, text: "0" };

export function parseVersion(version: string): readonly Piece[] {
  const plain = version
    .trim()
    .toLowerCase()
    .replace(/^v(?=\d)/, "")
    .replace(/\+.*$/s, "");
  const described = DESCRIBED.exec(plain);
  const release = described === null ? plain : plain.slice(0, described.index);
  const pieces = (release.match(PIECES) ?? []).map(toPiece);
  if (described === null) return pieces;
  const { count, hash = "" } = described.groups ?? {};
  const counted = count === undefined ? { rank: RANK.word, text: "" } : number(count);
  return [...pieces, { rank: RANK.commit, text: "" }, counted, { rank: RANK.word, text: hash }];
}

const RANK = { end: 100, word: 101, commit: 102, number: ZERO.rank } as const;
const END: Piece = { rank: RANK.end, text: "" };

/** Words for what comes before a release, from early to late; those of one line mean the same. */
const EARLY: readonly (readonly string[])[] = [
  ["dev", "snapshot", "nightly"],
  ["alpha"],
  ["beta"],
  ["milestone"],
  ["pre", "preview", "prerelease", "ea"],
  ["rc", "cr"],
];

const EARLY_RANKS = new Map(EARLY.flatMap((words, rank) => words.map((word) => [word, rank] as const)));

/** `-398-g0e34e4dc` and `-0e34e4dc` behind a release: git abbreviates names to seven digits or more. */
const DESCRIBED = /(?<=\d)-(?:(?<count>\d+)-g)?(?<hash>[0-9a-f]{7,40})(?:-dirty)?$/;

const PIECES = /\d+|[^\W\d_]+/g;

function toPiece(text: string): Piece {
  if (/^\d/.test(text)) return number(text);
  const rank = EARLY_RANKS.get(text);
  return rank === undefined ? { rank: RANK.word, text } : { rank, text: "" };
}

function number(digits: string): Piece {
  return { rank: RANK.number, text: digits.replace(/^0+(?=\d)/, "") };
}

/** Of the numbers at the start, the last is none that is zero, but for the very first. */
function withoutZeros(pieces: readonly Piece[]): readonly Piece[] {
  const numbers = pieces.findIndex((piece) => !isNumber(piece));
  const end = numbers < 0 ? pieces.length : numbers;
  let kept = end;
  while (kept > 1 && pieces[kept - 1]?.text === "0") kept--;
  return kept === end ? pieces : [...pieces.slice(0, kept), ...pieces.slice(end)];
}

function comparePiece(a: Piece, b: Piece): number {
  if (a.rank !== b.rank) return a.rank - b.rank;
  if (a.rank === RANK.number && a.text.length !== b.text.length) return a.text.length - b.text.length;
  return a.text < b.text ? -1 : Number(a.text > b.text);
}
