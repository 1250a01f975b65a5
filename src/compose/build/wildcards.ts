/** One part of a path: a name as it is, names that fit a pattern, or any number of folders (`**`). */
export type Segment =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "pattern"; readonly tokens: readonly Token[] }
  | { readonly kind: "any-depth" };

type Token =
  | { readonly kind: "star" }
  | { readonly kind: "one"; readonly fits: (character: string) => boolean; readonly literal: string | undefined };

/**
 * The parts of a path with wildcards, as shells have them: `*` and `?` within a name, `[a-z]` and `[!a-z]` for one
 * character of a set, `**` alone between slashes for any number of folders; `\` takes the next character as it is.
 */
export function parsePattern(path: string): readonly Segment[] {
  return path
    .split("/")
    .filter((part, index) => part !== "" || index === 0)
    .map(parseSegment);
}

export function hasWildcards(segments: readonly Segment[]): boolean {
  return segments.some(({ kind }) => kind !== "name");
}

/** Whether a name fits. One that begins with a dot fits only a pattern that begins with a dot. */
export function fitsName(tokens: readonly Token[], name: string): boolean {
  const [first] = tokens;
  if (name.startsWith(".") && (first?.kind !== "one" || first.literal !== ".")) return false;
  return fits(tokens, [...name]);
}

function parseSegment(part: string): Segment {
  if (part === "**") return { kind: "any-depth" };
  const tokens: Token[] = [];
  const characters = [...part];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? "";
    if (character === "\\" && at + 1 < characters.length) tokens.push(literal(characters[++at] ?? ""));
    else if (character === "*") {
      if (tokens.at(-1)?.kind !== "star") tokens.push({ kind: "star" });
    } else if (character === "?") tokens.push({ kind: "one", fits: () => true, literal: undefined });
    else {
      const set = character === "[" ? parseSet(characters, at) : undefined;
      if (set !== undefined) at = set.end;
      tokens.push(set?.token ?? literal(character));
    }
  }
  if (tokens.some((token) => token.kind === "star" || token.literal === undefined)) return { kind: "pattern", tokens };
  return { kind: "name", name: tokens.map((token) => (token.kind === "one" ? token.literal : "")).join("") };
}

function literal(character: string): Token {
  return { kind: "one", fits: (other) => other === character, literal: character };
}

/** `[abc]`, `[!a-c]`, `[]]`; a bracket that nothing closes stands for itself. */
function parseSet(
  characters: readonly string[],
  start: number,
): { readonly token: Token; readonly end: number } | undefined {
  let at = start + 1;
  const negated = characters[at] === "!" || characters[at] === "^";
  if (negated) at++;
  const first = at;
  const ranges: { readonly from: string; readonly to: string }[] = [];
  for (; at < characters.length && (characters[at] !== "]" || at === first); at++) {
    const from = characters[at] ?? "";
    const isRange = characters[at + 1] === "-" && at + 2 < characters.length && characters[at + 2] !== "]";
    ranges.push({ from, to: isRange ? (characters[at + 2] ?? "") : from });
    if (isRange) at += 2;
  }
  if (at >= characters.length) return undefined;
  const isIn = (character: string) => ranges.some(({ from, to }) => character >= from && character <= to);
  return { token: { kind: "one", fits: (character) => isIn(character) !== negated, literal: undefined }, end: at };
}

/** Going back to the last star only is enough: the work is at most characters × tokens. */
function fits(tokens: readonly Token[], characters: readonly string[]): boolean {
  let [token, at] = [0, 0];
  let [restartToken, restartAt] = [-1, 0];
  while (at < characters.length) {
    const current = tokens[token];
    if (current?.kind === "star") {
      restartToken = ++token;
      restartAt = at;
    } else if (current?.kind === "one" && current.fits(characters[at] ?? "")) {
      token++;
      at++;
    } else if (restartToken !== -1) {
      token = restartToken;
      at = ++restartAt;
    } else return false;
  }
  return tokens.slice(token).every(({ kind }) => kind === "star");
}
