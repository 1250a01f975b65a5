import { formatSize, KiB, MiB } from "../support/bytes.ts";

/**
 * How long a value may be with its variables put in: no longer text fits an environment (execve(2), MAX_ARG_STRLEN). A
 * short line may name a long variable many times, and that one another.
 */
const LONGEST = 128 * KiB;
/** The same of all values of one file together. */
const LONGEST_TOGETHER = 8 * MiB;

export type Interpolated =
  | { readonly text: string; readonly problem?: undefined }
  | { readonly text?: undefined; readonly problem: string };

type Variables = Readonly<Record<string, string | undefined>>;

/** `interpolate` for the values of one file, whose lengths are added up. */
export function interpolator(env: Variables): (text: string) => Interpolated {
  let together = 0;
  return (text) => {
    const result = interpolate(text, env);
    together += result.text?.length ?? 0;
    return together > LONGEST_TOGETHER ? tooLong("the values of the file", LONGEST_TOGETHER) : result;
  };
}

/**
 * Replaces `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?what is missing}`, `${NAME?…}`, `${NAME:+other}`
 * and `${NAME+other}` in a value of a services file, as the Compose specification has them ("Interpolation"); `$$` is a dollar.
 * What is wrong with the text comes back as a sentence.
 */
export function interpolate(text: string, env: Variables): Interpolated {
  let problem: string | undefined;
  let length = 0;
  const result = text.replace(PATTERN, (whole, ...groups) => {
    const { plain, name = plain, operator, word = "", dollar } = groups.at(-1) as Groups;
    if (dollar !== undefined) return "$";
    if (name === undefined) {
      problem ??= `'${whole}' at '$' names no variable: write $$ for a dollar sign`;
      return "";
    }
    const value = substitute(Object.hasOwn(env, name) ? env[name] : undefined, operator, word);
    length += value?.length ?? 0;
    if (length > LONGEST) return "";
    if (typeof value === "string") return value;
    problem ??= `the variable ${name} is not set${word === "" ? "" : `: ${word}`}`;
    return "";
  });
  if (length > LONGEST) return tooLong("the value", LONGEST);
  return problem === undefined ? { text: result } : { problem };
}

function tooLong(what: string, limit: number): { readonly problem: string } {
  return { problem: `${what} would be longer than ${formatSize(limit)} with variables put in` };
}

interface Groups {
  readonly dollar?: string;
  readonly plain?: string;
  readonly name?: string;
  readonly operator?: string;
  readonly word?: string;
}

const PATTERN =
  /\$(?:(?<dollar>\$)|(?<plain>[A-Za-z_]\w*)|\{(?<name>[A-Za-z_]\w*)(?:(?<operator>:?[-?+])(?<word>[^}]*))?\}|\{[^}]*\}?|)/g;

function substitute(value: string | undefined, operator: string | undefined, word: string): string | undefined {
  const isThere = value !== undefined && !(operator?.startsWith(":") && value === "");
  switch (operator?.at(-1)) {
    case "-":
      return isThere ? value : word;
    case "?":
      return isThere ? value : undefined;
    case "+":
      return isThere ? word : "";
    default:
      return value ?? "";
  }
}
