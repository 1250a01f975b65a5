import { type FileSpace, readWhole } from "../filesystems/file-space.ts";
import { type ParsedCommand, parseCommandLine, parseScript } from "../project/boot-command.ts";
import { CapstanError } from "../support/errors.ts";

/** What a boot command line starts, with the scripts of the image that it runs. */
export interface BootPrograms {
  readonly programs: readonly BootProgram[];
  /** Paths of the scripts that it runs, as it names them. */
  readonly scripts: readonly string[];
  /** Scripts that it names and the image lacks. */
  readonly missingScripts: readonly string[];
  /** What OSv cannot read, a sentence each: of the line, or of a script. */
  readonly unreadable: readonly { readonly path: string; readonly problem: string }[];
  /** Variables that the line and the scripts set. */
  readonly env: ReadonlyMap<string, string>;
  /** --cwd, or "/". */
  readonly cwd: string;
}

export interface BootProgram {
  /** The words of its command, the program first; variables are put in where they are known. */
  readonly words: readonly string[];
  /** The script that starts it, or undefined for the boot command itself. */
  readonly script: string | undefined;
}

/**
 * Takes a boot command line apart as OSv does: files of /init run before it, `runscript FILE` runs the lines of a file of
 * the image, and is no command inside one (core/commands.cc, loader.cc). Programs whose name is a variable that only the
 * run will set are left out.
 */
export function bootPrograms(space: FileSpace, commandLine: string): BootPrograms {
  const reading = new Reading(space);
  const { options, commands, ignored } = parseCommandLine(commandLine);
  for (const option of options) reading.option(option);
  if (!options.includes("--noinit")) {
    for (const name of space.list("/init") ?? []) {
      const path = `/init/${name}`;
      reading.line(parseCommandLine(textOf(space, path) ?? "").commands, path);
    }
  }
  if (ignored.trim() !== "") {
    reading.unreadable.push({
      path: "/",
      problem: `OSv cannot read the boot command on from '${ignored.trim()}', and drops that`,
    });
  }
  reading.line(commands, undefined);
  return reading;
}

class Reading implements BootPrograms {
  readonly programs: BootProgram[] = [];
  readonly scripts: string[] = [];
  readonly missingScripts: string[] = [];
  readonly unreadable: { path: string; problem: string }[] = [];
  readonly env = new Map<string, string>();
  cwd = "/";
  readonly #space: FileSpace;

  constructor(space: FileSpace) {
    this.#space = space;
  }

  option(text: string): void {
    const [, name, value = ""] = /^--(env|cwd)=(.*)$/s.exec(text) ?? [];
    if (name === "cwd") this.cwd = value;
    if (name === "env" && value.includes("="))
      this.env.set(value.split("=", 1)[0] ?? "", value.slice(value.indexOf("=") + 1));
  }

  line(commands: readonly ParsedCommand[], script: string | undefined): void {
    for (const { words } of commands) {
      const [first, file] = words.map((word) => this.#expand(word));
      if (first === "runscript" && file !== undefined) this.#script(file);
      else this.#program(words, script);
    }
  }

  #script(path: string): void {
    const text = textOf(this.#space, path);
    if (text === undefined) {
      if (!path.includes("$") && !this.missingScripts.includes(path)) this.missingScripts.push(path);
      return;
    }
    this.scripts.push(path);
    const { commands, problems } = parseScript(text);
    for (const problem of problems) this.unreadable.push({ path, problem });
    for (const { key, value, ifUnset } of commands.flatMap(({ env }) => env)) {
      if (!ifUnset || !this.env.has(key)) this.env.set(key, this.#expand(value));
    }
    for (const { words } of commands) this.#program(words, path);
  }

  #program(words: readonly string[], script: string | undefined): void {
    const [program, ...rest] = words.map((word) => this.#expand(word));
    if (program === undefined || program === "" || program.includes("$")) return;
    this.programs.push({ words: [program, ...rest], script });
  }

  /** A variable that is not known stays as it is written. */
  #expand(word: string): string {
    const at = word.indexOf("$");
    const value = at === -1 ? undefined : this.env.get(word.slice(at + 1));
    return value === undefined ? word : word.slice(0, at) + value;
  }
}

const LARGEST_SCRIPT = 1 << 20;

function textOf(space: FileSpace, path: string): string | undefined {
  const file = space.find(path);
  if (file?.type !== "file") return undefined;
  try {
    return readWhole(file, LARGEST_SCRIPT).toString("utf8");
  } catch (error) {
    if (error instanceof CapstanError) return undefined;
    throw error;
  }
}
