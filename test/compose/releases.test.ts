import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repository, Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

/** As a fetch from that release leaves it. */
function fetched(kind: "image" | "package", name: string, release: string | undefined): void {
  const origin = {
    ...{ kind, name, version: "1.0", remote: "osv", url: "https://example.com/x", release },
    ...{ size: 1, sha256: "0".repeat(64), fetched: "2026-01-01T00:00:00.000Z" },
  };
  sandbox.write({ [`store/origins/${kind}@${name}@1.0@.json`]: JSON.stringify(origin) });
}

beforeAll(async () => {
  const folder = join(sandbox.store, "repository", "osv-loader");
  mkdirSync(folder, { recursive: true });
  const prebuilt = join(repository, "guest", "prebuilt", "osv-demo-loader");
  copyFileSync(`${prebuilt}.img`, join(folder, "osv-loader.qemu"));
  await sandbox.package("libs", { lib: "x" });
  sandbox.project("app", { x: "x" }, ["libs"]);
});

test.each([
  ["v0.57.0", "v0.54.0", true],
  ["v0.57.0", "v0.57.0", false],
  ["v0.57.0", undefined, false],
  [undefined, "v0.54.0", false],
])("a loader of release %s and a package of %s: told is %s", async (loader, libs, isTold) => {
  fetched("image", "osv-loader", loader);
  fetched("package", "libs", libs);
  const args = ["package", "compose", "app", "--run", "/x", "--no-check"];
  const { code, stderr } = await sandbox.run(args, { cwd: sandbox.path("app") });
  expect(code).toBe(0);
  const words = "The image mixes what different releases brought: the loader osv-loader of v0.57.0; libs of v0.54.0";
  expect(stderr.includes(words), stderr).toBe(isTold);
});
