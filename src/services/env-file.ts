import { readTextFile } from "../project/text-file.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { type Interpolated, interpolator } from "./interpolate.ts";

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
  // Without a prototype: `__proto__` and `constructor` are names like others.
  const known: Record<string, string | undefined> = Object.assign(Object.create(null), env);
  const expand = interpolator(known);
  for (const [index, written] of text.split(/\r?\n/).entries()) {
    const line = written.trim().replace(/^export\s+/, "");
    if (line === "" || line.startsWith("#")) continue;
    const {
      key = "",
      equals,
      value = "",
    } = /^(?<key>[^=\s]+)\s*(?:(?<equals>=)(?<value>.*))?$/s.exec(line)?.groups ?? {};
    const problem = variableProblem(key);
    if (problem !== undefined) throw badLine(name, index, problem);
    const read = equals === undefined ? { text: ownValue(env, key) } : readValue(value.trimStart(), expand);
    if (read.problem !== undefined) throw badLine(name, index, read.problem);
    if (read.text === undefined) continue;
    found.set(key, read.text);
    known[key] = read.text;
  }
  return found;
}

export function variableProblem(name: string): string | undefined {
  return /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name)
    ? undefined
    : `'${name.slice(0, 60)}' cannot be the name of a variable`;
}

function ownValue(env: Variables, key: string): string | undefined {
  return Object.hasOwn(env, key) ? env[key] : undefined;
}

interface Value {
  readonly text?: string | undefined;
  readonly problem?: string | undefined;
}

/** `.` is any character here, for the separators of lines that only Unicode knows: a line was cut off before. */
function readValue(value: string, expand: (text: string) => Interpolated): Value {
  const single = /^'([^']*)'\s*(?:#.*)?$/s.exec(value);
  if (single !== null) return { text: single[1] ?? "" };
  const double = /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/s.exec(value);
  if (double !== null) return expand((double[1] ?? "").replace(/\\(.)/gs, escapedLetter));
  if (/^['"]/.test(value)) return { problem: "a quote is not closed, or something stands behind it" };
  return expand(value.replace(/(^|\s)#.*$/s, "").trimEnd());
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
