// Bundles the command line into dist/, and compiles it beforehand.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
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
const shared = {
  absWorkingDir: root,
  outdir: "dist",
  bundle: true,
  platform: "node",
  target: "node20.19",
  sourcemap: "linked",
  minifySyntax: true,
  legalComments: "none",
  // The package's ES modules: its build for Node is CommonJS, which cannot be split or shaken.
  alias: { yaml: join(root, "node_modules", "yaml", "browser", "index.js") },
  logLevel: "warning",
  metafile: true,
};

// One script for all commands: to find and read a hundred modules takes longer than what most of them do. It is read as
// Latin-1, in which V8 holds it without another copy.
const edge = await esbuild.build({
  ...shared,
  entryPoints: { edge: "src/cli/edge.ts" },
  entryNames: "[name]-[hash]",
  outExtension: { ".js": ".cjs" },
  format: "cjs",
  charset: "ascii",
  banner: { js: 'const moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
  define: { "import.meta.url": "moduleUrl" },
});
const script = Object.keys(edge.metafile.outputs).find((path) => path.endsWith(".cjs"));

const entries = await esbuild.build({
  ...shared,
  entryPoints: {
    main: "src/cli/main.ts",
    hub: "src/cli/hub.ts",
    supervisor: "src/cli/supervisor.ts",
    "code-cache": "src/cli/code-cache.ts",
  },
  format: "esm",
  // undici is CommonJS, and asks for Node's own modules by a function that modules of the new kind have not.
  banner: {
    js: 'import { createRequire as requireOf } from "node:module";const require = requireOf(import.meta.url);',
  },
  define: {
    "globalThis.CAPSTAN_VERSION": JSON.stringify(version),
    "globalThis.CAPSTAN_SCRIPT": JSON.stringify(basename(script)),
  },
});

const folder = mkdtempSync(join(tmpdir(), "capstan-build-"));
try {
  const cached = spawnSync(process.execPath, [join(root, "dist", "code-cache.js"), join(root, script), folder], {
    stdio: "ignore",
  });
  if (cached.status !== 0 || !existsSync(join(root, `${script}.cache`)))
    throw new Error("build: no code cache was made");
} finally {
  rmSync(folder, { recursive: true, force: true });
}

// What is of earlier builds goes last, so that a command that is just running finds its own until then.
const outputs = [edge, entries].flatMap(({ metafile }) => Object.keys(metafile.outputs));
const made = new Set([...outputs, `${script}.cache`].map((path) => join(root, path)));
for (const name of readdirSync(join(root, "dist"), { recursive: true })) {
  const path = join(root, "dist", name);
  if (!made.has(path) && statSync(path).isFile()) rmSync(path);
}
