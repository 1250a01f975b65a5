import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConsoleLog } from "../../../src/instances/console/log-writer.ts";
import { readTimedLines } from "../../../src/instances/console/timed-lines.ts";
import { temporaryFolder } from "../../hypervisors/tiny-guest.ts";

const root = temporaryFolder();

function newFolder(name: string): string {
  const folder = join(root, name);
  mkdirSync(folder);
  return folder;
}

async function lines(folder: string, tail?: number): Promise<(readonly [number | undefined, string])[]> {
  const all: (readonly [number | undefined, string])[] = [];
  for await (const { time, bytes } of readTimedLines({ folder, tail })) all.push([time, bytes.toString()]);
  return all;
}

test("each line has the time of its first byte, over files and starts", async () => {
  const folder = newFolder("times");
  for (const [time, text] of [
    [1000, "one\ntw"],
    [2000, "o\nthree\r\n\nfour"],
  ] as const) {
    const log = new ConsoleLog({ folder, now: () => new Date(time), maxBytes: 10, files: 9 });
    log.append(Buffer.from(text));
    log.close();
  }
  const expected = [
    [1000, "one\n"],
    [1000, "two\n"],
    [2000, "three\r\n"],
    [2000, "\n"],
    [2000, "four"],
  ] as const;
  expect(await lines(folder)).toEqual(expected);
  expect(await lines(folder, 2)).toEqual(expected.slice(-2));
});

test("a line without an end comes in parts", async () => {
  const folder = newFolder("long");
  const log = new ConsoleLog({ folder, now: () => new Date(5) });
  const text = Buffer.alloc(3 << 20, "x");
  log.append(text);
  log.close();
  const parts = await lines(folder);
  expect(parts.length).toBeGreaterThan(1);
  expect(parts.map(([, part]) => part).join("").length).toBe(text.length);
});
