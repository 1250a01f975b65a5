import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { PACKAGES } from "../../remotes/index/survey.ts";
import { writeFileAtomically } from "../../support/atomic.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, checkAborted, ExitCode } from "../../support/errors.ts";
import { needIndexFile } from "../index-file.ts";
import { openRepository, type Repository } from "../repository.ts";
import { GENERATOR } from "./document.ts";
import { unescapeHtml } from "./html.ts";
import { indexPage } from "./index-page.ts";
import { INDEX_PAGE } from "./paths.ts";
import { renderPackages } from "./render-page.ts";

export interface PagesOptions {
  /** What the page is called. Default: as before, or else the name of the folder. */
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
  const pages = new Set<string>();
  for (const { path, render } of renderPackages(root, index, context)) {
    checkAborted(context.signal);
    await writeChanged(join(root, path), await render());
    pages.add(path);
  }
  removeOthers(root, pages);
  const path = join(root, INDEX_PAGE);
  const title = options.title ?? titleBefore(path) ?? basename(root);
  await writeChanged(path, indexPage({ title, index }));
  return { path, pages: pages.size + 1 };
}

/** Brings the pages of a repository along with its index, where it has some of ours. */
export async function refreshPages({ root }: Repository, context: Context): Promise<void> {
  if (titleBefore(join(root, INDEX_PAGE)) !== undefined) await writePages(root, {}, context);
}

/** Undefined where there is no page of ours. */
function titleBefore(path: string): string | undefined {
  const page = existsSync(path) ? readFileSync(path, "utf8") : "";
  const title = page.includes(GENERATOR) ? /<title>([^<]*)<\/title>/.exec(page)?.[1] : undefined;
  return title === undefined ? undefined : unescapeHtml(title);
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
