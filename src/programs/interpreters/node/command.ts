/** What stands behind "node" on a command line. */
export interface NodeCommand {
  /** Words for node itself. */
  readonly options: readonly string[];
  /** What -r, --require and --import name: paths or packages, loaded before the script. */
  readonly preloads: readonly string[];
  /** Undefined for -e and -p, and where there is none. */
  readonly script: string | undefined;
  readonly args: readonly string[];
}

export function parseNodeCommand(words: readonly string[]): NodeCommand {
  const preloads: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (!word.startsWith("-"))
      return { options: words.slice(0, at), preloads, script: word, args: words.slice(at + 1) };
    if (word === "--") {
      return { options: words.slice(0, at), preloads, script: words[at + 1], args: words.slice(at + 2) };
    }
    if (HAS_CODE.test(word)) break;
    const [, flag = word, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
    if (value === undefined && TAKES_A_VALUE.has(flag)) at++;
    if (PRELOADS.has(flag)) preloads.push(value ?? words[at] ?? "");
  }
  return { options: words, preloads, script: undefined, args: [] };
}

const HAS_CODE = /^(?:-[pe]+|--eval|--print)(?:=|$)/;
const PRELOADS: ReadonlySet<string> = new Set(["-r", "--require", "--import"]);
/** Options whose value may be the next word: `node --help`. */
const TAKES_A_VALUE: ReadonlySet<string> = new Set([
  ...PRELOADS,
  ...["-C", "--conditions", "--loader", "--experimental-loader", "--env-file", "--env-file-if-exists"],
  ...["--disable-warning", "--dns-result-order", "--icu-data-dir", "--input-type", "--max-http-header-size"],
  ...["--openssl-config", "--title", "--unhandled-rejections"],
]);
