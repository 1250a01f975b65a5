import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { DEMO_DISK, type Made, makePackage, makeRepository, ONLINE } from "../support/repositories.ts";
import { Sandbox, sha256 } from "../support/sandbox.ts";

const shelf = new Sandbox();
let base: Made;
let top: Made;
let shop = "";
let sandbox: Sandbox;
let cwd = "";

beforeAll(async () => {
  base = await makePackage(shelf.dir, "base", { version: "1.5", files: { base: "base" } });
  top = await makePackage(shelf.dir, "top", { require: ["base >=1"], files: { top: "top" } });
  shop = await makeRepository(shelf.path("shop"), [base, top], { loader: true });
});

beforeEach(() => {
  sandbox = new Sandbox();
  onTestFinished(() => sandbox.remove());
  useShop(shop);
  cwd = sandbox.project("app", { app: "app" }, ["top"]);
});

afterAll(() => shelf.remove());

const useShop = (folder: string) =>
  sandbox.write({ "config.yaml": `remotes:\n  shop:\n    type: index\n    url: "${folder}"\n` }, sandbox.store);
const run = (...args: readonly string[]) => sandbox.run(["package", ...args], { cwd, env: ONLINE });
const ok = (...args: readonly string[]) => sandbox.ok(["package", ...args], { cwd, env: ONLINE });
const lock = () => ok("lock", "--pull-missing");
const lockText = () => readFileSync(join(cwd, "capstan.lock"), "utf8");
const compose = ["compose", "app", "--no-check"] as const;

/** Another content under the name and version of base. */
async function changeBase(): Promise<Made> {
  const changed = await makePackage(shelf.dir, "base", { version: "1.5", files: { base: "changed" } });
  await sandbox.ok(["package", "import", changed.path]);
  return changed;
}

test("lock fetches what is missing, and notes exactly what there is and where it came from", async () => {
  await lock();
  const source = (path: string) => ({ remote: "shop", url: `file://${shop}/${path}` });
  expect(JSON.parse(lockText())).toEqual({
    schema: 1,
    loader: { name: "osv-loader", sha256: sha256(DEMO_DISK), source: source("osv-loader/osv-loader.qemu.gz") },
    packages: [
      { name: "base", version: "1.5", sha256: sha256(base.path), source: source("packages/base.mpm") },
      { name: "top", version: "1.0", sha256: sha256(top.path), source: source("packages/top.mpm") },
    ],
  });
  const before = lockText();
  await ok("lock");
  expect(lockText()).toBe(before);
  // It is no part of the image.
  await ok(...compose);
  expect(await sandbox.ok(["image", "ls", "app", "/"])).not.toContain("capstan.lock");
});

test("the loader of the lock file is the one to go on with, until another one is named", async () => {
  await sandbox.ok(["import", "other-loader", DEMO_DISK]);
  const loaderOf = () => JSON.parse(lockText()).loader.name;
  await ok("lock", "--pull-missing", "-l", "other-loader");
  await ok("lock");
  expect(loaderOf()).toBe("other-loader");
  expect(await ok("verify")).toBe("The store is as capstan.lock says.\n");
  expect(JSON.parse(await ok(...compose, "--frozen", "--json"))).toMatchObject({ loader: "other-loader" });
  await ok("lock", "-l", "osv-loader");
  expect(loaderOf()).toBe("osv-loader");
});

test("a loader that was imported over a fetched one is not from where that was", async () => {
  await lock();
  const changed = sandbox.path("changed.img");
  writeFileSync(changed, Buffer.concat([readFileSync(DEMO_DISK), Buffer.from("more")]));
  await sandbox.ok(["import", "osv-loader", changed]);
  await ok("lock");
  expect(JSON.parse(lockText()).loader).toEqual({ name: "osv-loader", sha256: sha256(changed) });
});

test("verify says that all is as it was", async () => {
  await lock();
  expect(await ok("verify")).toBe("The store is as capstan.lock says.\n");
  expect(JSON.parse(await ok("verify", "--json"))).toEqual({ same: true, differences: [] });
});

test("a changed package: verify names it, composing warns, --frozen refuses", async () => {
  await lock();
  await changeBase();
  const verified = await run("verify");
  expect(verified.code).toBe(65);
  expect(verified.stdout).toBe("the package base 1.5 has another content than the locked one\n");
  const frozen = await run(...compose, "--frozen");
  expect(frozen.code).toBe(65);
  expect(frozen.stderr).toContain("The store differs from capstan.lock: the package base 1.5 has another content");
  expect(existsSync(sandbox.image("app"))).toBe(false);
  const composed = await run(...compose);
  expect(composed.stderr).toContain("Not as in capstan.lock: the package base 1.5 has another content");
  expect(composed.code).toBe(0);
  // What the hint says: the package pull that brings it back.
  await ok("pull", "base");
  expect((await run("verify")).code).toBe(0);
});

test.each([
  { title: "another version", change: () => otherVersion(), says: "the package base is base 2.0, locked is base 1.5" },
  { title: "another loader", change: () => otherLoader(), says: "the loader osv-loader has another content" },
  {
    title: "a further requirement",
    change: () => require("more"),
    says: "the package more 1.0 is not in the lock file",
  },
  { title: "one requirement less", change: () => require(), says: "the package top 1.0 of the lock file is not used" },
])("$title is a difference", async ({ change, says }) => {
  await lock();
  await change();
  const { stderr, code } = await run(...compose, "--frozen");
  expect(stderr).toContain(says);
  expect(code).toBe(65);
});

async function otherVersion(): Promise<void> {
  const { path } = await makePackage(shelf.dir, "base", { version: "2.0" });
  await sandbox.ok(["package", "import", path]);
}

async function otherLoader(): Promise<void> {
  const bytes = readFileSync(DEMO_DISK);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  sandbox.write({ "other.img": bytes });
  await sandbox.ok(["import", "osv-loader", "other.img"]);
}

async function require(name?: string): Promise<void> {
  if (name === undefined) {
    sandbox.project("app", {});
    return;
  }
  await sandbox.package(name);
  sandbox.project("app", {}, ["top", name]);
}

test("--frozen composes the same image in another store, from the lock's own packages", async () => {
  await lock();
  await ok(...compose, "--frozen");
  const image = sha256(sandbox.image("app"));
  rmSync(join(sandbox.store, "packages"), { recursive: true });
  rmSync(join(sandbox.store, "repository"), { recursive: true });
  await ok(...compose, "--frozen", "--pull-missing");
  expect(sha256(sandbox.image("app"))).toBe(image);
});

test("newer packages in the remote: --frozen with --pull-missing takes those that were locked", async () => {
  await lock();
  rmSync(join(sandbox.store, "packages"), { recursive: true });
  const newer = await makePackage(shelf.dir, "base", { version: "2.0" });
  useShop(await makeRepository(shelf.path("newer"), [base, top, newer], { loader: true }));
  await ok(...compose, "--frozen", "--pull-missing");
  expect(sha256(join(sandbox.store, "packages/base.mpm"))).toBe(sha256(base.path));
  // Locking anew goes by what there is now.
  rmSync(join(sandbox.store, "packages"), { recursive: true });
  await lock();
  expect(lockText()).toContain('"2.0"');
});

test("a lock that contradicts what is required: the sentence names both", async () => {
  await lock();
  sandbox.project("app", {}, ["top", "base >=2"]);
  const { stderr } = await run(...compose, "--pull-missing");
  expect(stderr).toContain("No remote has base >=2 and 1.5 of capstan.lock");
});

test.each([
  ["no lock file", undefined, "There is no capstan.lock in this project"],
  ["no JSON", "{", "capstan.lock cannot be read: "],
  ["of a newer Capstan", '{"schema": 2}', "a newer Capstan wrote it"],
  ["no packages", '{"schema": 1}', "'packages' is no list"],
  ["a digest that is none", '{"schema": 1, "packages": [{"name": "a", "sha256": "x"}]}', "'packages[0].sha256' is no"],
  ["a name that is none", '{"schema": 1, "packages": [{"sha256": "x"}]}', "'packages[0].name' is missing"],
])("%s", async (_title, text, says) => {
  if (text !== undefined) sandbox.write({ "capstan.lock": text }, cwd);
  for (const args of [["verify"], ["compose", "app", "-l", "builtin", "--frozen", "--require", "top"]]) {
    const { stderr, code } = await run(...args);
    expect(stderr).toContain(says);
    expect(code).toBeGreaterThan(64);
  }
});
