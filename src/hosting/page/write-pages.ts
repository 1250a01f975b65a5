import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { type PackageIndex, readPackageIndex } from "../../packages/package-index.ts";
import { PACKAGES } from "../../remotes/index/survey.ts";
import { writeFileAtomically } from "../../support/atomic.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, checkAborted, ExitCode, InterruptedError } from "../../support/errors.ts";
import { needIndexFile } from "../index-file.ts";
import { OWN_FOLDER, openRepository } from "../repository.ts";
import { GENERATOR } from "./document.ts";
import { groupByName, indexPage } from "./index-page.ts";
import { packagePage } from "./package-page.ts";
import { packagePagePath } from "./paths.ts";

export interface PagesOptions {
  /** What the page is called. Default: the name of the folder. */
  readonly title?: string | undefined;
}

export interface PagesResult {
  readonly path: string;
  /** How many pages there are. */
  readonly pages: number;
}

/**
 * Writes the pages for people beside what they are about: index.html, and packages/NAME.html for each package. They are
 * of the index as it is; those of packages that are gone are removed. The same index gives the same bytes.
 */
export async function writePages(dir: string, options: PagesOptions, context: Context): Promise<PagesResult> {
  const { root } = openRepository(dir, context);
  const { index } = needIndexFile(root);
  const groups = groupByName(index.packages);
  const names = new Set(groups.flatMap(([newest]) => (newest === undefined ? [] : [newest.name])));
  const pages = new Set<string>();
  for (const [newest, ...older] of groups) {
    checkAborted(context.signal);
    if (newest === undefined) continue;
    const content = await tryReadContent(root, newest.archive.path, context);
    const path = packagePagePath(newest.name);
    await writeChanged(join(root, path), packagePage({ versions: [newest, ...older], content, names }));
    pages.add(path);
  }
  removeOthers(root, pages);
  const path = join(root, "index.html");
  await writeChanged(path, indexPage({ title: options.title ?? basename(root), index }));
  return { path, pages: pages.size + 1 };
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

async function writeChanged(path: string, text: string): Promise<void> {
  const before = existsSync(path) ? readFileSync(path, "utf8") : undefined;
  if (before === text) return;
  if (before !== undefined && !before.includes(GENERATOR)) {
    throw new CapstanError(`${path} is a page that Capstan has not made`, {
      code: "page-in-the-way",
      hint: "Move it to another place.",
      exitCode: ExitCode.cannotCreate,
    });
  }
  await writeFileAtomically(path, text);
}

function removeOthers(root: string, pages: ReadonlySet<string>): void {
  const folder = join(root, PACKAGES);
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    if (!name.endsWith(".html") || name.startsWith(".") || pages.has(`${PACKAGES}/${name}`)) continue;
    if (readFileSync(join(folder, name), "utf8").includes(GENERATOR)) rmSync(join(folder, name));
  }
}
