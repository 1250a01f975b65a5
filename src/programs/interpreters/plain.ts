import { basename } from "node:path";
import type { Application, ApplicationRequest } from "../application.ts";
import { APP_FOLDER, nameFrom, placeProgram } from "./places.ts";

/** A program that nothing more is known of than its file. */
export function plainProgram(request: ApplicationRequest): Application {
  const { recognised } = request;
  return {
    recognised,
    name: nameFrom(recognised.path),
    executable: placeProgram(request),
    args: [],
    env: new Map(),
    parts: [],
    plugins: [],
    trimmed: [],
    writable: [],
    prefersLinux: undefined,
    notes: [],
  };
}

/** A script with an interpreter that nothing more is known of than its file, or that is one program and nothing else. */
export function plainScript(request: ApplicationRequest, interpreter: string): Application {
  const { recognised, space } = request;
  const executable = space.find(interpreter)?.realPath ?? interpreter;
  const script = `${APP_FOLDER}/${basename(recognised.path)}`;
  const isInterpreter = recognised.kind === "elf";
  return {
    ...plainProgram(request),
    executable: { source: executable, target: executable },
    args: isInterpreter ? [] : [...recognised.interpreterArgs, script],
    env: recognised.env ?? new Map(),
    parts: isInterpreter
      ? []
      : [
          {
            kind: "file",
            source: recognised.path,
            sourceSpace: "user",
            target: script,
            role: "script",
            neededBy: "the command line",
          },
        ],
  };
}
