import { posix } from "node:path";
import type { Context } from "../../support/context.ts";
import type { Application, ApplicationRequest, InterpreterSupport, Part } from "../application.ts";
import { neighbourParts } from "./neighbours.ts";
import { ownFilesRule } from "./own-files.ts";
import { nameFrom, userSpace } from "./places.ts";
import { PythonParts } from "./python/collect.ts";
import type { FoundModule } from "./python/find-module.ts";
import { type PythonLayout, pythonLayout } from "./python/layout.ts";
import { type ModuleScan, scanModules } from "./python/modules.ts";
import { SITE_CUSTOMIZE } from "./python/socketpair.ts";
import { type PythonStart, pythonStart } from "./python/start.ts";
import { libraryRules, packageRules, projectRules } from "./python/trim.ts";
import { isWithin } from "./survey.ts";

/**
 * Python: the program, its standard library, and of the installed packages those that the user's files import. Byte code goes
 * in such that Python takes it without a look at times, which ROFS does not keep.
 */
export const python: InterpreterSupport = {
  name: "python",
  knows: (executable) => /^python(3(\.\d+)?)?$/.test(executable),
  describe,
};

async function describe(request: ApplicationRequest, interpreter: string, context: Context): Promise<Application> {
  const { recognised, space, isThisMachine } = request;
  const layout = pythonLayout(interpreter, { space, home: isThisMachine ? context.env.HOME : undefined });
  const start = pythonStart(request, context);
  const scan = scanModules({ ...start, userSpace, space, library: layout.library, sites: layout.sites });
  const parts = new PythonParts(request, layout);

  parts.folder({ ...LIBRARY, source: layout.library, target: layout.library, rules: libraryRules(layout.cacheTag) });
  addInstalled(scan, { parts, layout, request });
  addLocal(scan.local, { parts, layout, start });
  const pythonPath = [
    ...start.pythonPath,
    ...layout.foreignSites.filter((site) => scan.installed.some((one) => one.site === site)),
  ];
  if (needsSocketPair(scan)) {
    parts.parts.push({ ...SHIM, kind: "bytes", bytes: Buffer.from(SITE_CUSTOMIZE), mode: 0o644 });
    pythonPath.unshift(posix.dirname(SHIM.target));
  }
  const uncompiled = await parts.compile(context);
  return {
    recognised,
    name: nameFrom(recognised.path),
    executable: { source: layout.executable, target: layout.executable },
    args: [...recognised.interpreterArgs, ...start.args],
    env: new Map([
      ["PYTHONHOME", layout.prefix],
      ["PYTHONDONTWRITEBYTECODE", "1"],
      ["PYTHONUNBUFFERED", "1"],
      // Without locales, text would be ASCII alone.
      ["PYTHONUTF8", "1"],
      ...(pythonPath.length > 0 ? [["PYTHONPATH", pythonPath.join(":")] as const] : []),
      ...(recognised.env ?? []),
    ]),
    parts: [...parts.parts, ...pythonNeighbours(start, scan), ...start.parts],
    plugins: parts.objects,
    trimmed: parts.trimmed,
    writable: [],
    prefersLinux: undefined,
    notes: [...missingNotes(scan, layout), ...(uncompiled === undefined ? [] : [uncompiled])],
  };
}

interface Adding {
  readonly parts: PythonParts;
  readonly layout: PythonLayout;
}

function addInstalled(
  { installed, distributions }: ModuleScan,
  { parts, layout, request }: Adding & { readonly request: ApplicationRequest },
): void {
  const rules = packageRules(layout.cacheTag);
  for (const { site, entry, isFolder } of installed) {
    const place = `${site}/${entry}`;
    const common = { ...PACKAGE, source: place, target: place };
    if (isFolder) parts.folder({ ...common, rules });
    else parts.file(common);
  }
  for (const [site, list] of distributions) {
    for (const name of list.flatMap(({ metadata, libraries }) => [
      metadata,
      ...(libraries === undefined ? [] : [libraries]),
    ])) {
      const place = `${site}/${name}`;
      const isFolder = request.space.find(place)?.type === "directory";
      if (isFolder) parts.folder({ ...PACKAGE, source: place, target: place, rules: [] });
      else parts.file({ ...PACKAGE, source: place, target: place });
    }
  }
}

function addLocal(
  modules: readonly FoundModule[],
  { parts, layout, start }: Adding & { readonly start: PythonStart },
): void {
  const rules = projectRules(layout.cacheTag);
  const { whole } = start;
  if (whole !== undefined)
    parts.folder({ ...SCRIPT, ...whole, rules: [ownFilesRule(whole.source, userSpace), ...rules] });
  for (const module of modules) {
    const source = `${module.site}/${module.entry}`;
    if (whole !== undefined && isWithin(source, whole.source)) continue;
    const common = { ...SCRIPT, source, target: posix.join(start.localTarget, module.entry) };
    if (module.isFolder) parts.folder({ ...common, rules });
    else parts.file(common);
  }
}

/** What a script names of the files beside it, and the folders that web frameworks look for without being told. */
function pythonNeighbours({ script }: PythonStart, { local, names }: ModuleScan): readonly Part[] {
  if (script === undefined) return [];
  const isPage = FRAMEWORKS.some((name) => names.has(name));
  const known = local.flatMap(({ site, entry, isFolder }) => (isFolder ? [] : [posix.join(site, entry)]));
  return neighbourParts(script, { endings: [], known, names: () => (isPage ? ["templates", "static"] : []) });
}

function needsSocketPair({ names, local }: ModuleScan): boolean {
  return LOOPS.some((name) => names.has(name)) && !local.some(({ name }) => name === "sitecustomize");
}

function missingNotes({ missing }: ModuleScan, { executable }: PythonLayout): string[] {
  if (missing.length === 0) return [];
  const [modules, them] = missing.length === 1 ? ["The module", "it"] : ["The modules", "them"];
  return [
    `${modules} ${missing.join(", ")} cannot be found for ${executable}: install ${them}, or name the interpreter of the environment that has ${them} with --interpreter.`,
  ];
}

const FRAMEWORKS = "aiohttp bottle fastapi flask jinja2 quart sanic starlette tornado".split(" ");
const LIBRARY = { sourceSpace: "system", role: "standard library", neededBy: "every Python program" } as const;
const PACKAGE = { sourceSpace: "system", role: "library", neededBy: "import statements" } as const;
const SCRIPT = { sourceSpace: "user", role: "script", neededBy: "the command line" } as const;
const SHIM = {
  target: "/usr/lib/capstan/python/sitecustomize.py",
  role: "generated",
  neededBy: "asyncio",
} as const;
/** Modules whose event loops wake themselves up through a pair of sockets. */
const LOOPS = ["asyncio", "trio", "curio"];
