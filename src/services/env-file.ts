import { readTextFile } from "../project/text-file.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { interpolate } from "./interpolate.ts";

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * A file of variables as Compose has them (`env_file`, `.env`): `NAME=value` lines, `export NAME=value`, `# comments`, values in
 * single quotes as they are, in double quotes with \n, \t, \" and \\, else up to a ` #`. But for single quotes, `$NAME` is
 * put in. A `NAME` alone takes the value of `env`, and is left out where that has none.
 * @returns undefined where there is no such file
 * @throws CapstanError `bad-env-file` (65)
 */
export function readEnvFile(path: string, name: string, env: Variables): ReadonlyMap<string, string> | undefined {
  const text = readTextFile(path, name);
  return text === undefined ? undefined : parseEnvFile(text, name, env);
}

export function parseEnvFile(text: string, name: string, env: Variables): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [index, written] of text.split(/\r?\n/).entries()) {
    const line = written.trim().replace(/^export\s+/, "");
    if (line === "" || line.startsWith("#")) continue;
    const {
      key = "",
      equals,
      value = "",
    } = /^(?<key>[^=\s]+)\s*(?:(?<equals>=)\s*(?<value>.*))?$/.exec(line)?.groups ?? {};
    const problem = variableProblem(key);
    if (problem !== undefined) throw badLine(name, index, problem);
    const known = { ...env, ...Object.fromEntries(found) };
    const read = equals === undefined ? { text: env[key] } : readValue(value, known);
    if (read.problem !== undefined) throw badLine(name, index, read.problem);
    if (read.text !== undefined) found.set(key, read.text);
  }
  return found;
}

export function variableProblem(name: string): string | undefined {
  return /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name)
    ? undefined
    : `'${name.slice(0, 60)}' cannot be the name of a variable`;
}

interface Value {
  readonly text?: string | undefined;
  readonly problem?: string | undefined;
}

function readValue(value: string, env: Variables): Value {
  const single = /^'([^']*)'\s*(?:#.*)?$/.exec(value);
  if (single !== null) return { text: single[1] ?? "" };
  const double = /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/.exec(value);
  if (double !== null) return interpolate((double[1] ?? "").replace(/\\(.)/g, escapedLetter), env);
  if (/^['"]/.test(value)) return { problem: "a quote is not closed, or something stands behind it" };
  return interpolate(value.replace(/(^|\s)#.*$/, "").trimEnd(), env);
}

function escapedLetter(whole: string, letter: string): string {
  return { n: "\n", t: "\t", r: "\r", '"': '"', "\\": "\\", $: "$$" }[letter] ?? whole;
}

function badLine(name: string, index: number, problem: string): CapstanError {
  return new CapstanError(`${name}:${index + 1}: ${problem}`, {
    code: "bad-env-file",
    hint: "Write a variable a line, as NAME=value.",
    exitCode: ExitCode.badData,
  });
}
