// Writes what is generated from the command table: docs/reference/ and completions/. With --check, only compares.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { root } from "./setup.mjs";

const bundled = await build({
  absWorkingDir: root,
  entryPoints: ["src/cli/reference.ts"],
  bundle: true,
  splitting: false,
  format: "esm",
  platform: "node",
  write: false,
  external: ["./commands/*"],
});
const { generatedFiles } = await import(
  `data:text/javascript;base64,${Buffer.from(bundled.outputFiles[0].text).toString("base64")}`
);

const stale = [];
for (const [path, text] of generatedFiles()) {
  const target = join(root, path);
  if (readOrEmpty(target) === text) continue;
  stale.push(path);
  if (process.argv.includes("--check")) continue;
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
  console.error(`generate: wrote ${path}`);
}
if (process.argv.includes("--check") && stale.length > 0) {
  console.error(`generate: stale: ${stale.join(", ")}. Run \`npm run docs\`.`);
  process.exit(1);
}

function readOrEmpty(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
