import { type PackageIndex, packageRunConfig } from "../packages/package-index.ts";
import { cycleError, type Requirement, resolveDependencies } from "../packages/resolve.ts";
import type { Project } from "../project/project.ts";
import { type RunConfig, runtimeDependencies } from "../project/run-config.ts";
import { type RunScript, resolveRunConfigs } from "../project/run-scripts.ts";
import { requiredName } from "../project/versions.ts";
import type { Layout } from "../store/layout.ts";
import { packageNames, readStoredIndex, readStoredManifest, tryFindPackage } from "../store/packages.ts";
import type { Context } from "../support/context.ts";

/** A package of the plan: what its archive holds, none of it unpacked. */
export interface PlannedPackage {
  readonly name: string;
  readonly archive: string;
  readonly index: PackageIndex;
  readonly runConfig: RunConfig | undefined;
  /** Of the manifest in the store, which is the one that counts. */
  readonly require: readonly string[];
  readonly version: string | undefined;
}

/** What an image is made of, in order: nothing has been copied yet. */
export interface Plan {
  readonly project: Project;
  /** In the order in which they are laid over one another; the project comes last. */
  readonly packages: readonly PlannedPackage[];
  readonly scripts: readonly RunScript[];
  /** Whether the package of OSv's base files is among the packages. */
  readonly hasBase: boolean;
}

export interface PlanRequest {
  readonly project: Project;
  /** Packages beyond those of the manifest (`--require`). */
  readonly require: readonly string[];
  /** The package that every image has below everything else, where the store holds it. */
  readonly base: string;
}

export const BASE_PACKAGE = "osv.bootstrap";
export const REMOTE_BASE_PACKAGE = "osv.compose-remote";

/** Resolves which packages go in and in which order: base, the runtime's, those that the manifest requires, further ones. */
export async function makePlan(request: PlanRequest, layout: Layout, context: Context): Promise<Plan> {
  const { project, base } = request;
  const available = new Set(packageNames(layout));
  const hasBase = available.has(base);
  const { name: ownName } = project.manifest;
  const isOwn = (requirement: string) => requiredName(requirement) === ownName;
  if (project.manifest.require.some(isOwn)) throw cycleError([ownName, ownName]);
  const requiredBy = `the project ${ownName}`;
  const roots: Requirement[] = [
    ...(hasBase ? [{ name: base, requiredBy: "every image" }] : []),
    ...(project.runConfig === undefined ? [] : runtimeDependencies(project.runConfig)).map((name) => ({
      name,
      requiredBy: `the runtime ${project.runConfig?.runtime}`,
    })),
    ...project.manifest.require.map((name) => ({ name, requiredBy })),
    ...request.require.map((name) => ({ name, requiredBy: "--require" })),
  ];
  const packages = await resolveDependencies({
    // A project may be in the store under its own name, and its sets may be based on one another: it is not its own package.
    roots: roots.filter(({ name }) => !isOwn(name)),
    load: (name) => loadPackage(name, layout, context),
    available: () => available,
  });
  const scripts = resolveRunConfigs({
    project: { name: ownName, runConfig: project.runConfig },
    packages: packages.map(({ name, runConfig }) => ({ name, runConfig })),
  });
  for (const { name } of packages) context.reporter.report({ kind: "detail", text: `Package ${name}` });
  for (const { set, origin, replaces } of scripts) {
    if (replaces.length === 0) continue;
    context.reporter.report({
      kind: "detail",
      text: `Set '${set}' of ${origin} replaces that of ${replaces.join(", ")}`,
    });
  }
  return { project, packages, scripts, hasBase };
}

async function loadPackage(name: string, layout: Layout, context: Context): Promise<PlannedPackage | undefined> {
  const stored = tryFindPackage(layout, name);
  if (stored === undefined) return undefined;
  const { require, version } = readStoredManifest(stored);
  const index = await readStoredIndex(layout, stored, context);
  return { name, archive: stored.archive, index, runConfig: packageRunConfig(index, name), require, version };
}
