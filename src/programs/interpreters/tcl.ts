import type { InterpreterSupport } from "../application.ts";
import { describeScript, multiarchFolders, prefixOf, versionIn } from "./scripted.ts";
import type { TrimRule } from "./survey.ts";

/** Tcl: the scripts that make up its library. */
export const tcl: InterpreterSupport = {
  name: "tcl",
  knows: (executable) => /^tclsh[\d.]*$/.test(executable),
  describe: (request, interpreter) => {
    const { space } = request;
    const version = versionIn(interpreter, space) ?? "8.6";
    const prefix = prefixOf(interpreter, space);
    const parents = [`${prefix}/share/tcltk`, `${prefix}/share`, ...multiarchFolders(prefix, space)];
    const library = parents
      .map((parent) => `${parent}/tcl${version}`)
      .find((path) => space.find(`${path}/init.tcl`)?.type === "file");
    const modules = parents.map((parent) => `${parent}/tcl${version.split(".", 1)[0]}`);
    return describeScript(request, interpreter, {
      libraries: [...(library === undefined ? [] : [library]), ...modules].map((path) => ({ path, rules: RULES })),
      neighbours: { endings: [".tcl"] },
      env: library === undefined ? [] : [["TCL_LIBRARY", library]],
    });
  },
};

const RULES: readonly TrimRule[] = [
  { what: "messages in other languages", matches: (path) => /^msgs$/.test(path) },
  { what: "files to build with", matches: (path) => /\.(h|a|sh|c)$/.test(path) },
];
