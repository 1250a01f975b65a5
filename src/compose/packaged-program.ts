import { basename, join, posix } from "node:path";
import { treeFromHost } from "../filesystems/host-tree.ts";
import { createTree, insert } from "../filesystems/tree-builder.ts";
import { packageRunConfig } from "../packages/package-index.ts";
import type { ApplicationKind, Recognised } from "../programs/application.ts";
import { parseRunConfig, type RunConfig } from "../project/run-config.ts";
import type { Layout } from "../store/layout.ts";
import { findPackage, readStoredIndex } from "../store/packages.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { type ProgramContent, safeName } from "./program.ts";

export interface PackagedProgramRequest {
  readonly recognised: Recognised;
  /** The package that has the interpreter. */
  readonly package: string;
  readonly args: readonly string[];
  readonly layout: Layout;
}

/** Where the user's files go. */
const FOLDER = "/app";

/**
 * A script that the interpreter of a package runs: the package's own configuration set starts it, as for a project that
 * names it as `base`. Errors: CapstanError `no-such-package`, `no-runtime-for`, `no-set-in-package`.
 */
export async function packagedProgram(request: PackagedProgramRequest, context: Context): Promise<ProgramContent> {
  const { recognised } = request;
  const runtime = RUNTIMES[recognised.kind];
  if (runtime === undefined) {
    throw new CapstanError(`${recognised.path} is ${recognised.title}, which no package of interpreters runs`, {
      code: "no-runtime-for",
      exitCode: ExitCode.usage,
      hint: "Leave --interpreter out, or give it the path of a program.",
    });
  }
  const stored = findPackage(request.layout, request.package);
  const index = await readStoredIndex(request.layout, stored, context);
  const set = chooseSet(packageRunConfig(index, request.package), runtime, request.package);
  const name = basename(recognised.path);
  const isFolder = recognised.kind === "node-project" || recognised.kind === "python-package";
  const tree = createTree();
  const own = await treeFromHost(recognised.path, { origin: name, ignore: isNotForImages, signal: context.signal });
  insert(tree, isFolder ? posix.join(FOLDER, name) : FOLDER, own);
  const main = posix.join(FOLDER, name, isFolder ? (recognised.main ?? "__main__.py") : "");
  return {
    name: safeName(name.replace(/\.[^.]+$/, "")),
    tree,
    writable: [],
    runConfig: parseRunConfig(runConfigText(runtime, { base: `${request.package}:${set}`, main, args: request.args }), {
      name: `the command line of ${name}`,
    }),
  };
}

const RUNTIMES: Readonly<Partial<Record<ApplicationKind, string>>> = {
  "node-script": "node",
  "node-project": "node",
  "python-script": "python",
  "python-package": "python",
  jar: "java",
};

function isNotForImages(path: string): boolean {
  return path === ".git" || path === "node_modules/.cache";
}

/** The set that has the runtime's name, or the only one there is. */
function chooseSet(config: RunConfig | undefined, runtime: string, packageName: string): string {
  const names = [...(config?.sets.keys() ?? [])];
  const chosen = names.find((name) => name === runtime) ?? (names.length === 1 ? names[0] : config?.defaults[0]);
  if (chosen !== undefined) return chosen;
  throw new CapstanError(`The package ${packageName} does not say how it starts a script`, {
    code: "no-set-in-package",
    hint: `Name a package with a configuration set '${runtime}' in its meta/run.yaml: see capstan package describe.`,
  });
}

interface RunConfigParts {
  readonly base: string;
  /** Without a trailing slash. */
  readonly main: string;
  readonly args: readonly string[];
}

/** JSON's strings are YAML's double-quoted ones. */
function runConfigText(runtime: string, { base, main, args }: RunConfigParts): string {
  const lines = [`runtime: ${runtime}`, "config_set:", "  default:", `    base: ${JSON.stringify(base)}`];
  lines.push(`    main: ${JSON.stringify(join(main))}`);
  if (args.length > 0) lines.push("    args:", ...args.map((word) => `      - ${JSON.stringify(word)}`));
  return `${lines.join("\n")}\n`;
}
