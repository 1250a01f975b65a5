import { formatCreated } from "../../project/manifest.ts";
import { newestFirst } from "../../remotes/index/order.ts";
import { relativeUrl } from "../../remotes/index/relative-path.ts";
import type { IndexedImage, IndexedPackage, RepositoryIndex } from "../../remotes/index/schema.ts";
import { formatSize } from "../../support/bytes.ts";
import { count } from "../../support/count.ts";
import { documentOf } from "./document.ts";
import { type Html, html } from "./html.ts";
import { packagePagePath } from "./paths.ts";
import { FILTER_SCRIPT } from "./style.ts";

export interface IndexPageOptions {
  readonly title: string;
  readonly index: RepositoryIndex;
}

/** The page of the whole repository: index.html. */
export function indexPage({ title, index }: IndexPageOptions): string {
  const packages = groupByName(index.packages);
  const images = [...index.images].sort(newestFirst);
  const body = html`<header>
<h1>${title}</h1>
<p class="soft">${count(packages.length, "package")} and ${count(images.length, "image")} for the OSv unikernel, as of <time datetime="${index.generated}">${index.generated.slice(0, 10)}</time>.</p>
</header>
<main id="main">
<div id="search" role="search" hidden>
<label for="filter">Search by name, description or requirement</label>
<input type="search" id="filter" autocomplete="off" spellcheck="false" aria-describedby="count">
<p id="count" class="soft" role="status" aria-live="polite"></p>
</div>
<section aria-labelledby="packages">
<h2 id="packages">Packages</h2>
${packages.length === 0 ? html`<p>There are none yet.</p>` : packageTable(packages)}
</section>
<section aria-labelledby="images">
<h2 id="images">Images</h2>
${images.length === 0 ? html`<p>There are none yet.</p>` : imageTable(images)}
</section>
<section aria-labelledby="use">
<h2 id="use">How to use</h2>
<p>Tell Capstan once where this repository is, which is the address of this page, and pull by name:</p>
<pre><code>capstan remote add NAME ADDRESS
capstan package search
capstan package pull PACKAGE
capstan pull IMAGE</code></pre>
<p>All that is here stands in <a href="index.json">index.json</a>, with sizes and SHA-256 digests.</p>
</section>
</main>`;
  return documentOf({ title, body, script: FILTER_SCRIPT });
}

/** The versions of each name, the newest first. */
export function groupByName(packages: readonly IndexedPackage[]): readonly (readonly IndexedPackage[])[] {
  const groups = new Map<string, IndexedPackage[]>();
  for (const item of [...packages].sort(newestFirst)) {
    const group = groups.get(item.name);
    if (group === undefined) groups.set(item.name, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}

function packageTable(groups: readonly (readonly IndexedPackage[])[]): Html {
  return html`<div class="scroll" role="region" aria-labelledby="packages" tabindex="0">
<table>
<thead><tr><th scope="col">Name</th><th scope="col">Description</th><th scope="col">Version</th><th scope="col">Requires</th><th scope="col" class="number">Size</th><th scope="col">Created</th></tr></thead>
<tbody>
${groups.flatMap(([newest, ...older]) => (newest === undefined ? [] : [packageRow(newest, older)]))}
</tbody>
</table>
</div>`;
}

function packageRow(item: IndexedPackage, older: readonly IndexedPackage[]): Html {
  const versions = new Set(older.map(({ version }) => version).filter((version) => version !== item.version));
  const more =
    versions.size === 0 ? undefined : html` <span class="soft">and ${count(versions.size, "older one")}</span>`;
  return html`<tr><th scope="row"><a href="${relativeUrl(packagePagePath(item.name))}">${item.name}</a></th><td class="text">${item.title}</td><td>${item.version}${more}</td><td class="text">${item.require.join(", ")}</td><td class="number">${formatSize(item.archive.size)}</td><td class="date">${dateOf(item.created)}</td></tr>`;
}

function imageTable(images: readonly IndexedImage[]): Html {
  return html`<div class="scroll" role="region" aria-labelledby="images" tabindex="0">
<table>
<thead><tr><th scope="col">Name</th><th scope="col">Description</th><th scope="col">Version</th><th scope="col">Architecture</th><th scope="col" class="number">Size</th><th scope="col">Created</th></tr></thead>
<tbody>
${images.map(imageRow)}
</tbody>
</table>
</div>`;
}

function imageRow(item: IndexedImage): Html {
  const { disk, kernel } = item;
  const kernelLink =
    kernel === undefined
      ? undefined
      : html`<a class="beside" href="${relativeUrl(kernel.path)}">kernel of ${item.name}</a>`;
  return html`<tr><th scope="row"><a href="${relativeUrl(disk.path)}">${item.name}</a>${kernelLink}</th><td class="text">${item.description}</td><td>${item.version}</td><td>${item.arch}</td><td class="number">${formatSize(disk.size)}</td><td class="date">${dateOf(item.created)}</td></tr>`;
}

/** `N/A` is for tables of terminals. */
function dateOf(created: string | undefined): string {
  const text = formatCreated(created);
  return text === "N/A" ? "" : text.slice(0, 10);
}
