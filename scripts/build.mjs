// Bundles the command line into dist/. Chunks are split so that each command loads only what it needs.
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
let esbuild;
try {
  esbuild = await import("esbuild");
} catch {
  if (existsSync(join(root, "dist", "main.js"))) process.exit(0); // installed from a package: already built
  console.error("build: esbuild is missing. Run `npm ci` first.");
  process.exit(1);
}

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const { metafile } = await esbuild.build({
  absWorkingDir: root,
  entryPoints: { main: "src/cli/main.ts", hub: "src/cli/hub.ts", supervisor: "src/cli/supervisor.ts" },
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  sourcemap: "linked",
  minifySyntax: true,
  legalComments: "none",
  // undici is CommonJS, and asks for Node's own modules by a function that modules of the new kind have not.
  banner: { js: 'import { createRequire } from "node:module";const require = createRequire(import.meta.url);' },
  chunkNames: "chunks/[name]-[hash]",
  define: { "globalThis.CAPSTAN_VERSION": JSON.stringify(version) },
  // The package's ES modules: its build for Node is CommonJS, which cannot be split or shaken.
  alias: { yaml: join(root, "node_modules", "yaml", "browser", "index.js") },
  logLevel: "warning",
  metafile: true,
});

// Chunks of earlier builds go last, so that a command that is just running finds its own until then.
const made = new Set(Object.keys(metafile.outputs).map((path) => join(root, path)));
for (const name of readdirSync(join(root, "dist"), { recursive: true })) {
  const path = join(root, "dist", name);
  if (!made.has(path) && statSync(path).isFile()) rmSync(path);
}
