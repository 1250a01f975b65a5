/**
 * Replaces `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?what is missing}`, `${NAME?…}`, `${NAME:+other}`
 * and `${NAME+other}` in a value of a services file, as the Compose specification has them ("Interpolation"); `$$` is a dollar.
 * What is wrong with the text comes back as a sentence.
 */
export function interpolate(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): { readonly text: string; readonly problem?: undefined } | { readonly text?: undefined; readonly problem: string } {
  let problem: string | undefined;
  const result = text.replace(PATTERN, (whole, ...groups) => {
    const { plain, name = plain, operator, word = "", dollar } = groups.at(-1) as Groups;
    if (dollar !== undefined) return "$";
    if (name === undefined) {
      problem ??= `'${whole}' at '$' names no variable: write $$ for a dollar sign`;
      return "";
    }
    const value = substitute(env[name], operator, word);
    if (typeof value === "string") return value;
    problem ??= `the variable ${name} is not set${word === "" ? "" : `: ${word}`}`;
    return "";
  });
  return problem === undefined ? { text: result } : { problem };
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
