import { basename, join } from "node:path";
import { type PackageIndex, readPackageIndex } from "../../packages/package-index.ts";
import type { RepositoryIndex } from "../../remotes/index/schema.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, InterruptedError } from "../../support/errors.ts";
import { OWN_FOLDER } from "../repository.ts";
import { groupByName, indexPage } from "./index-page.ts";
import { packagePage } from "./package-page.ts";
import { INDEX_PAGE, packagePagePath } from "./paths.ts";

export interface PackagePage {
  /** Relative to the repository. */
  readonly path: string;
  render(): Promise<string>;
}

/** The pages of an index, one for each name of a package. */
export function renderPackages(root: string, index: RepositoryIndex, context: Context): readonly PackagePage[] {
  const groups = groupByName(index.packages);
  const names = new Set(index.packages.map(({ name }) => name));
  return groups.flatMap(([newest, ...older]) => {
    if (newest === undefined) return [];
    const render = async () => {
      const content = await tryReadContent(root, newest.archive.path, context);
      return packagePage({ versions: [newest, ...older], content, names });
    };
    return [{ path: packagePagePath(newest.name), render }];
  });
}

/** The page at a path of the repository, though nobody has written it; undefined where none would be. */
export async function renderPage(
  path: string,
  { root, index }: { readonly root: string; readonly index: RepositoryIndex },
  context: Context,
): Promise<string | undefined> {
  if (path === INDEX_PAGE) return indexPage({ title: basename(root), index });
  return await renderPackages(root, index, context)
    .find((page) => page.path === path)
    ?.render();
}

/** A package that cannot be read has a page all the same: 'repo check' tells what is wrong with it. */
async function tryReadContent(root: string, path: string, context: Context): Promise<PackageIndex | undefined> {
  try {
    const cacheFolder = join(root, OWN_FOLDER, "packages");
    return await readPackageIndex(join(root, path), { cacheFolder, context });
  } catch (error) {
    if (!(error instanceof CapstanError) || error instanceof InterruptedError) throw error;
    context.reporter.report({ kind: "warning", text: `The files of a package are not shown: ${error.message}` });
    return undefined;
  }
}
