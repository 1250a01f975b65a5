import type { PackageIndex } from "../../packages/package-index.ts";
import { formatCreated } from "../../project/manifest.ts";
import { parseRequirement } from "../../project/versions.ts";
import type { IndexedPackage } from "../../remotes/index/schema.ts";
import { formatSize } from "../../support/bytes.ts";
import { count } from "../../support/count.ts";
import { documentOf } from "./document.ts";
import { type Html, html } from "./html.ts";

export interface PackagePageOptions {
  /** All of one name, the newest first. */
  readonly versions: readonly [IndexedPackage, ...IndexedPackage[]];
  /** What is in the newest; undefined where it cannot be read. */
  readonly content: PackageIndex | undefined;
  /** Names that have a page. */
  readonly names: ReadonlySet<string>;
}

/** The page of a package: packages/NAME.html. */
export function packagePage({ versions, content, names }: PackagePageOptions): string {
  const [newest] = versions;
  const { name, title, author, version, created, platform, arch } = newest;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["Version", version],
    ["Author", author],
    ["Created", created === undefined ? undefined : formatCreated(created)],
    ["Built on", platform],
    ["Architecture", arch],
  ];
  const body = html`<nav aria-label="Back"><a href="../index.html">All packages and images</a></nav>
<main id="main">
<h1>${name}</h1>
<p>${title}</p>
<dl>
${facts.flatMap(([term, value]) => (value === undefined ? [] : [html`<dt>${term}</dt><dd>${value}</dd>`]))}
<dt>Requires</dt><dd>${newest.require.length === 0 ? "nothing" : requirementLinks(newest.require, names)}</dd>
</dl>
<section aria-labelledby="use">
<h2 id="use">How to use</h2>
<pre><code>capstan package pull ${name}</code></pre>
<p>Or require it in the <code>meta/package.yaml</code> of a project, and let Capstan pull what is missing:</p>
<pre><code>require:
- ${name}</code></pre>
</section>
${content?.readmeText === undefined ? undefined : readme(content.readmeText)}
<section aria-labelledby="versions">
<h2 id="versions">Versions</h2>
<div class="scroll" role="region" aria-labelledby="versions" tabindex="0">
<table>
<thead><tr><th scope="col">Version</th><th scope="col">Architecture</th><th scope="col">Created</th><th scope="col" class="number">Size</th><th scope="col">SHA-256</th></tr></thead>
<tbody>
${versions.map(versionRow)}
</tbody>
</table>
</div>
</section>
${content === undefined ? undefined : fileList(content)}
</main>`;
  return documentOf({ title: `${name}${version === undefined ? "" : ` ${version}`}`, body });
}

function requirementLinks(requirements: readonly string[], names: ReadonlySet<string>): Html {
  return html`${requirements.map((text, index) => {
    const parsed = parseRequirement(text);
    const comma = index < requirements.length - 1 ? ", " : "";
    if ("problem" in parsed || !names.has(parsed.name)) return html`${text}${comma}`;
    return html`<a href="${encodeURIComponent(parsed.name)}.html">${text}</a>${comma}`;
  })}`;
}

/** As it was written: Markdown is meant to be read so, too. */
function readme(text: string): Html {
  return html`<section aria-labelledby="readme">
<h2 id="readme">Read me</h2>
<pre>${text}</pre>
</section>`;
}

function versionRow({ version, arch, created, archive }: IndexedPackage): Html {
  const href = encodeURIComponent(archive.path.slice(archive.path.lastIndexOf("/") + 1));
  return html`<tr><th scope="row"><a href="${href}">${version ?? "unknown"}</a></th><td>${arch ?? "any"}</td><td class="date">${created === undefined ? "" : formatCreated(created)}</td><td class="number">${formatSize(archive.size)}</td><td class="digest"><code>${archive.sha256}</code></td></tr>`;
}

/** Pages have to open quickly: of tens of thousands of files, nobody reads all. */
const SHOWN_FILES = 2000;

function fileList({ entries }: PackageIndex): Html {
  const files = entries.filter(({ type, path }) => type !== "directory" && !path.startsWith("meta/"));
  const left = files.length - SHOWN_FILES;
  return html`<section aria-labelledby="files">
<h2 id="files">Files</h2>
<p class="soft">${count(files.length, "file")}, as they come into an image.</p>
<div class="files scroll" role="region" aria-labelledby="files" tabindex="0">
<table>
<thead><tr><th scope="col">Path</th><th scope="col" class="number">Size</th></tr></thead>
<tbody>
${files.slice(0, SHOWN_FILES).map((file) => {
  const target = file.type === "symlink" ? html` <span class="soft">links to ${file.target}</span>` : undefined;
  const size = file.type === "file" ? formatSize(file.size) : undefined;
  return html`<tr><th scope="row"><code>/${file.path}</code>${target}</th><td class="number">${size}</td></tr>`;
})}
</tbody>
</table>
</div>
${left <= 0 ? undefined : html`<p class="soft">and ${left} more.</p>`}
</section>`;
}
