/**
 * The names of modules that Python source imports, found by its lines: "a.b" for `import a.b` and `from a.b import c`, ".c"
 * and "..d" for what is relative. A line within a string may look like an import: callers leave out what is not there.
 */
export interface Imports {
  readonly modules: ReadonlySet<string>;
  /** Those of lines that are not indented: they are not in a function, a condition or a `try`. */
  readonly needed: ReadonlySet<string>;
}

export function importsOf(source: string): Imports {
  const modules = new Set<string>();
  const needed = new Set<string>();
  for (const [, indent, plain, from, what] of source.matchAll(IMPORT)) {
    for (const module of plain === undefined ? fromNames(from ?? "", what ?? "") : plainNames(plain)) {
      modules.add(module);
      if (indent === "") needed.add(module);
    }
  }
  return { modules, needed };
}

/** The first part of a module's name: what is looked for on sys.path. */
export function topOf(module: string): string {
  return module.split(".", 1)[0] ?? module;
}

/** Behind `import`: "a, b.c as d". */
function plainNames(list: string): string[] {
  return list
    .split(",")
    .map((one) => one.trim().split(/\s/, 1)[0] ?? "")
    .filter((name) => MODULE.test(name));
}

/** What is imported from a package may be one of its modules: "a.b" and "a.b.c" for `from a.b import c`. */
function fromNames(from: string, what: string): string[] {
  const names = what
    .replace(/#[^\n]*|[()\\]/g, " ")
    .split(",")
    .map((one) => one.trim().split(/\s/, 1)[0] ?? "")
    .filter((name) => /^\w+$/.test(name));
  const prefix = from.endsWith(".") ? from : `${from}.`;
  return [...(/[^.]/.test(from) ? [from] : []), ...names.map((name) => prefix + name)];
}

const MODULE = /^[\p{L}_][\p{L}\p{N}_]*(\.[\p{L}_][\p{L}\p{N}_]*)*$/u;
/** Groups: indent, or what parts it from the statement before; the list behind `import`; the module behind `from`; what is imported from it, over several lines in brackets. */
const IMPORT =
  /(^[ \t]*|;[ \t]*)(?:import[ \t]+([^\n#;]{1,1000})|from[ \t]*([.\w]{1,300})[ \t]*import[ \t]*(\([^)]{0,5000}\)|[^\n#;]{1,1000}))/gmu;
