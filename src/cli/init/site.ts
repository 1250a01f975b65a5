import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Candidate, Description } from "./candidate.ts";

/** Folders that generators of web pages write to; the folder itself comes last. */
const FOLDERS = ["public", "dist", "_site", "site", "www", "build", "."];
const SETTINGS = "lighttpd.conf";
const PORT = 80;

/** Web pages, served by lighttpd. */
export function siteCandidates(folder: string, names: ReadonlySet<string>): readonly Candidate[] {
  const found = FOLDERS.find((name) => existsSync(join(folder, name, "index.html")));
  if (found === undefined) return [];
  const title = found === "." ? "the web pages of this folder" : `the web pages of ${found}/`;
  return [{ kind: "site", title, describe: () => describe(found, names) }];
}

function describe(site: string, names: ReadonlySet<string>): Description {
  return {
    packages: ["deb:lighttpd"],
    cmdline: `/usr/sbin/lighttpd -D -f /etc/${SETTINGS}`,
    files: [[`/etc/${SETTINGS}`, SETTINGS], ...pages(site, names)],
    written: [[SETTINGS, settings()]],
  };
}

/** Of the project's own folder, what is there now and no file of the project's: nothing is served by accident. */
function pages(site: string, names: ReadonlySet<string>): readonly (readonly [target: string, source: string])[] {
  if (site !== ".") return [["/srv/www", site]];
  const served = [...names].filter((name) => !name.startsWith(".") && !NOT_SERVED.has(name)).sort();
  return served.map((name) => [`/srv/www/${name}`, name.replace(/[*?[\]\\&]/g, "\\$&")] as const);
}

const NOT_SERVED: ReadonlySet<string> = new Set(["Capstanfile", SETTINGS, "meta", "node_modules", "README.md"]);

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".txt": "text/plain; charset=utf-8",
  ".xml": "application/xml",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".gif": "image/gif",
  ".webp": "image/webp",
  ".ico": "image/vnd.microsoft.icon",
  ".woff2": "font/woff2",
  ".pdf": "application/pdf",
  ".wasm": "application/wasm",
  "": "application/octet-stream",
};

function settings(): string {
  const types = Object.entries(TYPES).map(([ending, type]) => `  "${ending}" => "${type}",`);
  return [
    "# lighttpd in the image: see https://redmine.lighttpd.net/projects/lighttpd/wiki",
    `server.port = ${PORT}`,
    'server.document-root = "/srv/www"',
    'index-file.names = ("index.html")',
    "mimetype.assign = (",
    ...types,
    ")",
    "",
  ].join("\n");
}
