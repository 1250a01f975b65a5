import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { layoutOf, packagePaths } from "../../src/store/layout.ts";
import { completePair, publishPair } from "../../src/store/package-pair.ts";
import { listPackages, readStoredManifest, removePackage, tryFindPackage } from "../../src/store/packages.ts";
import { manifestOf, temporaryFolder, writeFiles } from "../packages/support.ts";
import { repository, Sandbox } from "../support/sandbox.ts";

/** Imports a project, and kills its own process before or after the n-th rename. */
const SOURCE = `
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
const [root, folder, at, when] = process.argv.slice(2);
const { renameSync } = fs;
let made = 0;
fs.renameSync = (...paths) => {
  made++;
  if (when === "before" && made === Number(at)) process.kill(process.pid, "SIGKILL");
  renameSync(...paths);
  if (when === "after" && made === Number(at)) process.kill(process.pid, "SIGKILL");
};
syncBuiltinESMExports();
const { importProject } = await import("./src/store/packages.ts");
const { layoutOf } = await import("./src/store/layout.ts");
const reporter = { report() {}, verbose: false };
const context = { cwd: "/", env: {}, now: () => new Date(), signal: new AbortController().signal, reporter };
await importProject(layoutOf(root), folder, context);
`;

const sandbox = new Sandbox();
const harness = sandbox.path("harness.mjs");
beforeAll(async () => {
  const stdin = { contents: SOURCE, resolveDir: repository, loader: "ts" } as const;
  const js = `import { createRequire } from "node:module"; const require = createRequire(${JSON.stringify(join(repository, "package.json"))});`;
  const options = { bundle: true, format: "esm", platform: "node", logLevel: "error", banner: { js } } as const;
  await build({ ...options, stdin, outfile: harness });
});
afterAll(() => sandbox.remove());

function importAt(root: string, version: string, at: number, when: string): boolean {
  const folder = sandbox.path("project");
  rmSync(folder, { recursive: true, force: true });
  writeFiles(folder, { "meta/package.yaml": manifestOf("p", `version: "${version}"\n`), version });
  const { status, signal, stderr } = spawnSync(process.execPath, [harness, root, folder, String(at), when]);
  expect(String(stderr)).toBe("");
  expect(signal === "SIGKILL" || status === 0).toBe(true);
  return status === 0;
}

test("wherever an update is killed, archive and manifest are of one version, and the next update completes", () => {
  const root = sandbox.path("store");
  const layout = layoutOf(root);
  expect(importAt(root, "1.0", 0, "")).toBe(true);
  let version = "1.0";
  const seen = new Set<string>();
  for (let at = 1, isDone = false; !isDone; at++) {
    for (const when of ["before", "after"]) {
      const next = `2.${at}.${when === "before" ? 0 : 1}`;
      isDone = importAt(root, next, at, when);
      const stored = tryFindPackage(layout, "p");
      if (stored === undefined) throw new Error("the package is gone");
      const found = readStoredManifest(stored).version ?? "";
      const inArchive = gunzipSync(readFileSync(stored.archive)).toString("latin1");
      expect([version, next]).toContain(found);
      expect(inArchive).toContain(`version: "${found}"`);
      seen.add(found === next ? "new" : "old");
      version = found;
    }
  }
  expect([...seen].sort()).toEqual(["new", "old"]);
  expect(importAt(root, "3.0", 0, "")).toBe(true);
  expect(listPackages(layout).map(({ info }) => info?.version)).toEqual(["3.0"]);
  expect(readdirSync(layout.packages).filter((name) => name.endsWith(".next"))).toEqual([]);
}, 60_000);

function pair(folder: string, content: string) {
  mkdirSync(folder, { recursive: true });
  const paths = { archive: join(folder, "p.mpm"), manifest: join(folder, "p.yaml") };
  writeFileSync(paths.archive, content);
  writeFileSync(paths.manifest, content);
  return paths;
}

test.each(["", "{", "{}", '{"archive":"1 2 3","manifest":"x"}', "[1]", "null"])(
  "a note %j of an archive that is not there changes nothing, and goes with the next one",
  (text) => {
    const folder = temporaryFolder();
    const to = pair(join(folder, "to"), "old");
    const note = join(folder, "to", ".p.mpm.next");
    writeFileSync(note, text);
    completePair(to);
    expect(readFileSync(to.manifest, "utf8")).toBe("old");
    expect(publishPair(pair(join(folder, "from"), "new"), to)).toBe(true);
    expect([to.archive, to.manifest].map((path) => readFileSync(path, "utf8"))).toEqual(["new", "new"]);
    expect(existsSync(note)).toBe(false);
  },
);

test("a package that is removed takes its note with it", async () => {
  const layout = layoutOf(temporaryFolder());
  const to = packagePaths(layout, "p");
  pair(layout.packages, "x");
  writeFileSync(join(layout.packages, ".p.mpm.next"), "{}");
  await removePackage(layout, "p");
  expect(readdirSync(layout.packages)).toEqual([]);
  expect(existsSync(to.archive)).toBe(false);
});
