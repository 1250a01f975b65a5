import { readCommands, readLoaderOptions } from "../../src/project/osv-grammar.ts";

/** What a kernel starts: each program with its arguments, in order. */
export interface Started {
  readonly programs: readonly (readonly string[])[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Boots in the mind: loader options, `runscript` files and `$` are treated as OSv does (core/commands.cc, loader.cc).
 * Throws where OSv would power off or crash.
 */
export function boot(line: string, files: Readonly<Record<string, string>> = {}): Started {
  const env: Record<string, string> = {};
  const { options, end } = readLoaderOptions(line);
  for (const { text } of options) {
    if (!text.startsWith("--env=")) throw new Error(`unrecognized option ${text}`);
    const at = text.indexOf("=", 6);
    env[text.slice(6, at)] = text.slice(at + 1);
  }
  const programs: string[][] = [];
  for (const words of wordsOf(line.slice(end)).map((command) => command.map((word) => expand(word, env)))) {
    if (words[0] !== "runscript") {
      programs.push(words);
      continue;
    }
    const file = files[words[1] ?? ""];
    if (file === undefined || words.length !== 2) throw new Error(`cannot open ${words[1]}`);
    for (const scriptLine of file.split("\n")) programs.push(...scriptCommands(scriptLine, env));
  }
  if (programs.length === 0) throw new Error("This image has an empty command line.");
  return { programs, env };
}

function scriptCommands(line: string, env: Record<string, string>): string[][] {
  const commands = wordsOf(line);
  for (const words of commands) {
    while (words[0]?.startsWith("-")) setOption(words.shift() ?? "", env);
    if (words.length === 0) throw new Error("a command without words");
  }
  return commands.map((words) => words.map((word) => expand(word, env)));
}

function setOption(option: string, env: Record<string, string>): void {
  if (!option.startsWith("--env=")) throw new Error(`unrecognised option ${option}`);
  const text = option.slice(6);
  const soft = text.indexOf("?=");
  const at = soft === -1 ? text.indexOf("=") : soft;
  if (at === -1) throw new Error("expected KEY(?)=value");
  const key = text.slice(0, at);
  if (soft !== -1 && env[key] !== undefined) return;
  env[key] = expand(text.slice(at + (soft === -1 ? 1 : 2)), env);
}

function wordsOf(line: string): string[][] {
  const { commands } = readCommands(line);
  if (commands.length === 0 && /[^ \f\n\r\t\v;]/.test(line)) throw new Error("Failed to parse command line.");
  return commands.map(({ words }) => words.map(({ text }) => text));
}

function expand(word: string, env: Readonly<Record<string, string>>): string {
  const at = word.indexOf("$");
  return at === -1 ? word : word.slice(0, at) + (env[word.slice(at + 1)] ?? "");
}
