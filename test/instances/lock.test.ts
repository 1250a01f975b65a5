import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { claim, isHeld, mend, type Owner, readLock, release, removeFolder, update } from "../../src/instances/lock.ts";
import { identify, isAlive } from "../../src/instances/process-identity.ts";
import { temporaryFolder } from "../hypervisors/tiny-guest.ts";

const top = temporaryFolder();
let count = 0;

function newFolder(): string {
  return join(top, `folder-${++count}`);
}

const alive: Owner = { capstan: identify(process.pid), image: "i", persist: false, started: "2026-01-01T00:00:00Z" };
/** The number of a living process, of an earlier time. */
const dead: Owner = { ...alive, capstan: { ...alive.capstan, start: `${alive.capstan.start}0` } };

test("a process is told from a later one of the same number", () => {
  expect(isAlive(identify(process.pid))).toBe(true);
  expect(isAlive(dead.capstan)).toBe(false);
  expect(isAlive({ pid: 2 ** 22 + 1, start: alive.capstan.start })).toBe(false);
  expect(isAlive({ pid: process.pid, start: "" })).toBe(true);
});

test.runIf(process.platform === "linux")("what cannot be told counts as alive: a process of another container", () => {
  const [boot = ""] = alive.capstan.start.split("/");
  expect(isAlive({ pid: 2 ** 22 + 1, start: `${boot}/pid:[1]/5` })).toBe(true);
  expect(isAlive({ pid: process.pid, start: "00000000-an-earlier-boot/pid:[1]/5" })).toBe(false);
});

test("a folder has one owner at a time", () => {
  const folder = newFolder();
  const first = claim(folder, alive);
  expect(first).toMatchObject({ claimed: true, lock: { generation: 1, owner: alive } });
  expect(claim(folder, alive)).toMatchObject({ claimed: false, held: { owner: alive } });
  if (first.claimed) release(first.lock);
  expect(claim(folder, alive).claimed).toBe(true);
});

test("a dead owner is followed, and its lock removed", () => {
  const folder = newFolder();
  claim(folder, dead);
  expect(claim(folder, { ...alive, image: "next" })).toMatchObject({ claimed: true, lock: { generation: 2 } });
  expect(readdirSync(folder)).toEqual(["lock.2"]);
  expect(readLock(folder)?.owner?.image).toBe("next");
});

test("an owner whose guest lives is alive", () => {
  const folder = newFolder();
  const result = claim(folder, dead);
  if (result.claimed) update(result.lock, { ...dead, qemu: identify(process.pid) });
  expect(claim(folder, alive).claimed).toBe(false);
  expect(readdirSync(folder)).toEqual(["lock.1"]);
});

test.each([
  "",
  "{",
  "[]",
  "{}",
  '{"capstan": {"pid": -1, "start": ""}, "image": "", "started": ""}',
  '{"capstan": {"pid": 1, "start": 5}}',
])("a lock that holds '%s' holds nobody off", (content) => {
  const folder = newFolder();
  mkdirSync(folder);
  writeFileSync(join(folder, "lock.3"), content);
  const lock = readLock(folder);
  expect(lock !== undefined && isHeld(lock)).toBe(false);
  expect(claim(folder, alive)).toMatchObject({ claimed: true, lock: { generation: 4 } });
});

test("a damaged lock is mended by its owner; one that is gone, or another's, is left alone", () => {
  const folder = newFolder();
  const made = claim(folder, alive);
  if (!made.claimed) throw new Error("not claimed");
  const full = { ...alive, qemu: dead.capstan };
  update(made.lock, full);
  expect(mend(made.lock, alive)).toEqual(full);
  writeFileSync(join(folder, "lock.1"), "garbage");
  expect(mend(made.lock, full)).toEqual(full);
  expect(readLock(folder)).toMatchObject({ generation: 1, owner: full });
  writeFileSync(join(folder, "lock.2"), "garbage");
  mend(made.lock, full);
  expect(readLock(folder)).toMatchObject({ generation: 2, owner: undefined });
  rmSync(folder, { recursive: true });
  mend(made.lock, full);
  expect(readLock(folder)).toBeUndefined();
});

test("of many processes that find a dead owner at once, one follows", async () => {
  const folder = newFolder();
  claim(folder, dead);
  const script = `
    import { claim } from ${JSON.stringify(join(import.meta.dirname, "../../src/instances/lock.ts"))};
    import { identify } from ${JSON.stringify(join(import.meta.dirname, "../../src/instances/process-identity.ts"))};
    const owner = { capstan: identify(process.ppid), image: "i", persist: false, started: "2026" };
    while (Date.now() < Number(process.argv[1])) {}
    console.log(claim(${JSON.stringify(folder)}, owner).claimed);
  `;
  const entry = join(top, "claim.mjs");
  const bundle = join(top, "claim.bundle.mjs");
  writeFileSync(entry, script.replace("process.argv[1]", "process.argv[2]"));
  const { buildSync } = await import("esbuild");
  buildSync({ entryPoints: [entry], bundle: true, platform: "node", format: "esm", outfile: bundle });
  const at = String(Date.now() + 1000);
  const answers = await Promise.all(
    Array.from({ length: 5 }, () =>
      promisify(execFile)(process.execPath, [bundle, at]).then(({ stdout }) => stdout.trim()),
    ),
  );
  expect(answers.sort()).toEqual(["false", "false", "false", "false", "true"]);
});

test("a folder is removed at once, and a second time without complaint", () => {
  const folder = newFolder();
  claim(folder, alive);
  removeFolder(folder);
  removeFolder(folder);
  expect(readLock(folder)).toBeUndefined();
});
