import { utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sweepDownloads } from "../../src/remotes/download-sweep.ts";
import { temporaryFolder, writeFiles } from "../packages/support.ts";
import { filesBelow } from "../store/support.ts";

const NOW = new Date(2026, 10, 20);
const DAY_MS = 24 * 60 * 60 * 1000;
const [OLD, LIVE] = ["0".repeat(32), "f".repeat(32)];

test("what nobody went on with for a week goes, all of a download at once; all else stays", () => {
  const folder = temporaryFolder();
  const days = {
    [OLD]: 8,
    [`${OLD}.part`]: 9,
    [`${OLD}.part.json`]: 30,
    [`${OLD}.part.lock`]: 8,
    // An old part whose lock is being touched.
    [`${LIVE}.part`]: 30,
    [`${LIVE}.part.json`]: 30,
    [`${LIVE}.part.lock`]: 0,
    "not-ours": 100,
  };
  writeFiles(folder, Object.fromEntries(Object.keys(days).map((name) => [name, "x"])));
  for (const [name, age] of Object.entries(days)) {
    const then = new Date(NOW.getTime() - age * DAY_MS);
    utimesSync(join(folder, name), then, then);
  }
  sweepDownloads(folder, NOW);
  expect(filesBelow(folder)).toEqual([`${LIVE}.part`, `${LIVE}.part.json`, `${LIVE}.part.lock`, "not-ours"]);
});

test("a folder that is not there is swept already", () => {
  expect(() => sweepDownloads(join(temporaryFolder(), "none"), NOW)).not.toThrow();
});
