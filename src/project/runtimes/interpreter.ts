import type { YamlMap } from "../yaml-file.ts";
import {
  type Binding,
  type BootCommand,
  baseOr,
  bindingsOf,
  listBinding,
  type SharedSettings,
  textBinding,
} from "./runtime.ts";

/** What node and python differ in. */
export interface Interpreter {
  readonly base: { readonly package: string; readonly set: string };
  /** Bases that take the interpreter's default arguments. */
  readonly family: RegExp;
  /** Key and variable of the interpreter's own arguments. */
  readonly argsKey: string;
  readonly argsName: string;
  /** Stands in for no arguments: an unset variable would reach the interpreter as an empty argument. */
  readonly noArgs: string;
  /** What is run in place of a script for `shell: true`. */
  readonly shellMain: readonly string[];
  /** What to write after `main:`, for messages. */
  readonly mainAdvice: string;
}

/** A set of an interpreter's runtime: a script with arguments, or its interactive shell. */
export function interpreterCommand(interpreter: Interpreter, set: YamlMap, shared: SharedSettings): BootCommand {
  const shell = set.flag("shell") ?? false;
  const args = set.strings("args", shared.checkWord);
  const interpreterArgs = set.strings(interpreter.argsKey, shared.checkWord);
  const needsMain = !shell && shared.base === undefined;
  const main = needsMain
    ? set.required("main", interpreter.mainAdvice, shared.checkWord)
    : set.string("main", shared.checkWord);
  if (shell) checkShell(set, shared, [...(main === undefined ? [] : ["main"]), ...(args.length === 0 ? [] : ["args"])]);
  const own = shell
    ? shellBindings(interpreter)
    : [textBinding("MAIN", "main", main), listBinding("ARGS", "args", args)];
  return {
    run: baseOr(shared, set, interpreter.base),
    bindings: bindingsOf(shared, [argsBinding(interpreter, interpreterArgs, shared), ...own]),
  };
}

function argsBinding(interpreter: Interpreter, words: readonly string[], shared: SharedSettings): Binding | undefined {
  const name = interpreter.argsName;
  if (words.length > 0) return { name, words, key: interpreter.argsKey };
  const familiar = shared.base === undefined || interpreter.family.test(shared.base.package);
  return familiar ? { name, words: [interpreter.noArgs], key: undefined } : undefined;
}

function shellBindings(interpreter: Interpreter): readonly Binding[] {
  return [
    { name: "MAIN", words: interpreter.shellMain, key: undefined },
    { name: "ARGS", words: [], key: undefined },
  ];
}

function checkShell(set: YamlMap, shared: SharedSettings, given: readonly string[]): void {
  for (const key of given) set.problem(key, `'${key}' and 'shell: true' exclude each other: remove one of them`);
  for (const name of ["MAIN", "ARGS"]) {
    if ((shared.env.get(name) ?? "") !== "") {
      set.problem("env", `the variable ${name} and 'shell: true' exclude each other: remove one of them`);
    }
  }
}
