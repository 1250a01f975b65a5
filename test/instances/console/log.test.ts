import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { segmentPath, segmentSlots, timesPath } from "../../../src/instances/console/files.ts";
import { type ReadLogOptions, readLog } from "../../../src/instances/console/log-reader.ts";
import { ConsoleLog, type ConsoleLogOptions, logLimits } from "../../../src/instances/console/log-writer.ts";
import { offsetAt, timeAt } from "../../../src/instances/console/times.ts";
import { readTimes, TimesWriter } from "../../../src/instances/console/times-writer.ts";
import { temporaryFolder } from "../../hypervisors/tiny-guest.ts";
import { lacksProgram, lacksRoot, testUnless } from "../../support/machine.ts";

const root = temporaryFolder();
let count = 0;

function newFolder(): string {
  const folder = join(root, String(++count));
  mkdirSync(folder);
  return folder;
}

/** A clock that stands still unless it is told. */
class Clock {
  time = 1_000_000_000_000;
  readonly now = () => new Date(this.time);
}

function open(folder: string, changes: Partial<ConsoleLogOptions> = {}): ConsoleLog {
  return new ConsoleLog({ folder, now: new Clock().now, ...changes });
}

async function read(options: ReadLogOptions): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of readLog(options)) parts.push(part);
  return Buffer.concat(parts).toString("latin1");
}

function write(folder: string, texts: readonly string[], changes: Partial<ConsoleLogOptions> = {}): void {
  const log = open(folder, changes);
  for (const text of texts) log.append(Buffer.from(text, "latin1"));
  log.close();
}

describe("what is written", () => {
  test("is there after the close, byte for byte", async () => {
    const folder = newFolder();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value)).toString("latin1");
    write(folder, [bytes, "", "more"]);
    expect(readFileSync(segmentPath(folder, 0), "latin1")).toBe(`${bytes}more`);
    expect(await read({ folder })).toBe(`${bytes}more`);
  });

  test("can be seen soon, without a close", async () => {
    const folder = newFolder();
    const log = open(folder);
    log.append(Buffer.from("a"));
    while (readFileSync(segmentPath(folder, 0), "utf8") === "") await delay(5);
    log.append(Buffer.from("b"));
    while (readFileSync(segmentPath(folder, 0), "utf8") === "a") await delay(5);
    expect(await read({ folder })).toBe("ab");
    log.close();
  });

  test("is gone on with by another start", async () => {
    const folder = newFolder();
    write(folder, ["one\n"]);
    write(folder, ["two\n"]);
    expect(await read({ folder })).toBe("one\ntwo\n");
  });

  test("nothing follows a close", () => {
    const folder = newFolder();
    const log = open(folder);
    log.close();
    log.append(Buffer.from("late"));
    log.close();
    expect(readFileSync(segmentPath(folder, 0), "utf8")).toBe("");
  });

  test("keeps within its limits, with lines left whole", () => {
    const folder = newFolder();
    const lines = Array.from({ length: 40 }, (_, index) => `line ${index}\n`);
    write(folder, lines, { maxBytes: 50, files: 3 });
    expect(segmentSlots(folder)).toEqual([0, 1, 2]);
    const texts = [2, 1, 0].map((slot) => readFileSync(segmentPath(folder, slot), "utf8"));
    for (const text of texts) {
      expect(text.length).toBeLessThanOrEqual(50);
      expect(text).toMatch(/^line \d+\n/);
      expect(text).toMatch(/\n$/);
    }
    expect(lines.join("").endsWith(texts.join(""))).toBe(true);
  });

  test("any chunks, limits and starts: the files are the end of what was said, and within their limit", () => {
    const chunk = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 60 });
    void fc.assert(
      fc.property(
        fc.array(fc.array(chunk, { maxLength: 8 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 80 }),
        fc.integer({ min: 2, max: 5 }),
        (starts, maxBytes, files) => {
          const folder = newFolder();
          for (const texts of starts) write(folder, texts, { maxBytes, files });
          const slots = segmentSlots(folder).reverse();
          const texts = slots.map((slot) => readFileSync(segmentPath(folder, slot), "latin1"));
          const all = starts.flat().join("");
          expect(slots.length).toBeLessThanOrEqual(files);
          expect(all.endsWith(texts.join(""))).toBe(true);
          for (const text of texts) expect(text.length).toBeLessThanOrEqual(maxBytes);
          // Nothing goes before the last file is needed.
          if (slots.length < files) expect(texts.join("")).toBe(all);
          rmSync(folder, { recursive: true });
        },
      ),
    );
  });

  test("the limits of one file come from that of all", () => {
    expect(logLimits(64 * 2 ** 20)).toEqual({ maxBytes: 16 * 2 ** 20, files: 4 });
    expect(logLimits(1)).toEqual({ maxBytes: 4096, files: 4 });
  });
});

describe("a reader", () => {
  test("of a folder without a log gets nothing", async () => {
    expect(await read({ folder: newFolder() })).toBe("");
    expect(await read({ folder: join(root, "none"), tail: 3, since: 5 })).toBe("");
  });

  test("that follows gets all in its order, whatever is rotated meanwhile, and ends when the writer is over", async () => {
    const folder = newFolder();
    const log = open(folder, { maxBytes: 2000, files: 90 });
    let over = false;
    const reading = Promise.all([1, 2, 3].map(() => read({ folder, follow: true, isOver: () => over })));
    let said = "";
    for (let index = 0; index < 4000; index++) {
      const text = `${index} ${"x".repeat(index % 40)}\n`;
      said += text;
      log.append(Buffer.from(text));
      if (index % 50 === 0) await delay(1);
    }
    log.close();
    over = true;
    expect(segmentSlots(folder).length).toBeGreaterThan(40);
    for (const text of await reading) expect(text === said).toBe(true);
  });

  test("that follows waits for a log that is not there yet", async () => {
    const folder = join(root, "later");
    let over = false;
    const reading = read({ folder, follow: true, isOver: () => over });
    await delay(20);
    mkdirSync(folder);
    write(folder, ["hello"]);
    over = true;
    expect(await reading).toBe("hello");
  });

  test("that follows goes on over another start", async () => {
    const folder = newFolder();
    const reading = (async () => {
      let text = "";
      for await (const part of readLog({ folder, follow: true })) {
        text += part;
        if (text.includes("two")) return text;
      }
      return text;
    })();
    write(folder, ["one\n"]);
    await delay(30);
    write(folder, ["two\n"]);
    expect(await reading).toBe("one\ntwo\n");
  });

  test("ends at an abort, without an error", async () => {
    const folder = newFolder();
    write(folder, ["said\n"]);
    const controller = new AbortController();
    const reading = read({ folder, follow: true, signal: controller.signal });
    await delay(20);
    controller.abort();
    expect(await reading).toBe("said\n");
    expect(await read({ folder, follow: true, signal: controller.signal })).toBe("");
  });

  test("that does not follow takes no more than there was when it came", async () => {
    const folder = newFolder();
    write(folder, ["before"]);
    let text = "";
    for await (const part of readLog({ folder })) {
      text += part;
      appendFileSync(segmentPath(folder, 0), "after");
    }
    expect(text).toBe("before");
  });

  test("that is too slow is told that something is missing, and goes on with what is there", async () => {
    const folder = newFolder();
    const log = open(folder, { maxBytes: 10, files: 2 });
    log.append(Buffer.from("first one\n"));
    let over = false;
    let lost = 0;
    const iterator = readLog({ folder, follow: true, isOver: () => over, onLost: () => lost++ });
    while (readFileSync(segmentPath(folder, 0)).length === 0) await delay(5);
    expect(String((await iterator.next()).value)).toBe("first one\n");
    for (let index = 0; index < 5; index++) log.append(Buffer.from(`number ${index}\n`.slice(0, 10)));
    log.close();
    over = true;
    let rest = "";
    for await (const part of iterator) rest += part;
    expect(rest).toBe("number 3\nnumber 4\n");
    expect(lost).toBe(1);
  });

  test.each([
    [0, ""],
    [1, "four\n"],
    [2, "three\nfour\n"],
    [3, "two\nthree\nfour\n"],
    [4, "one\ntwo\nthree\nfour\n"],
    [9, "one\ntwo\nthree\nfour\n"],
  ])("gets the last %i lines, from whatever files they are in", async (tail, expected) => {
    for (const maxBytes of [6, 10, 1000]) {
      const folder = newFolder();
      write(folder, ["one\ntwo\nthree\nfour\n"], { maxBytes, files: 9 });
      expect(await read({ folder, tail })).toBe(expected);
    }
  });

  test("a last line without an end is one", async () => {
    const folder = newFolder();
    write(folder, ["one\ntwo\nthr"]);
    expect(await read({ folder, tail: 1 })).toBe("thr");
    expect(await read({ folder, tail: 2 })).toBe("two\nthr");
  });

  test("lines longer than what is read at once", async () => {
    const folder = newFolder();
    const long = "x".repeat(200_000);
    write(folder, [`one\n${long}\n${long}\n`]);
    expect((await read({ folder, tail: 1 })).length).toBe(200_001);
    expect((await read({ folder, tail: 2 })).length).toBe(400_002);
  });
});

describe("times", () => {
  /** Says a text at each of the times, in seconds from the clock's start. */
  function sayAt(
    folder: string,
    said: readonly (readonly [number, string])[],
    changes: Partial<ConsoleLogOptions> = {},
  ) {
    const clock = new Clock();
    const start = clock.time;
    for (const [second, text] of said) {
      clock.time = start + second * 1000;
      write(folder, [text], { now: clock.now, ...changes });
    }
    return start;
  }

  test.each([
    [-1, "a\nb\nc\n"],
    [0, "a\nb\nc\n"],
    [1, "b\nc\n"],
    [10, "b\nc\n"],
    [15, "c\n"],
    [20, "c\n"],
    [25, ""],
  ])("since %i s: %j", async (since, expected) => {
    for (const maxBytes of [2, 4, 100]) {
      const folder = newFolder();
      const start = sayAt(
        folder,
        [
          [0, "a\n"],
          [10, "b\n"],
          [20, "c\n"],
        ],
        { maxBytes, files: 9 },
      );
      expect(await read({ folder, since: start + since * 1000 })).toBe(expected);
    }
  });

  test.each([
    [1, "half a line\nmore\n$ "],
    [11, "$ "],
    [21, ""],
  ])("since %i s, a line that was begun before is told from its beginning: %j", async (since, expected) => {
    const folder = newFolder();
    const start = sayAt(folder, [
      [0, "whole\nhalf a"],
      [10, " line\nmore\n"],
      [20, "$ "],
    ]);
    expect(await read({ folder, since: start + since * 1000 })).toBe(expected);
  });

  test("of one start, without a restart in between", async () => {
    const folder = newFolder();
    const clock = new Clock();
    const start = clock.time;
    const log = open(folder, { now: clock.now });
    for (const second of [0, 1, 2, 3]) {
      clock.time = start + second * 1000;
      log.append(Buffer.from(`${second}\n`));
      while (!readFileSync(segmentPath(folder, 0), "utf8").includes(String(second))) await delay(5);
    }
    expect(await read({ folder, since: start + 2000 })).toBe("2\n3\n");
    expect(await read({ folder, since: start + 1500 })).toBe("2\n3\n");
    expect(await read({ folder, since: start + 1500, tail: 1 })).toBe("3\n");
    expect(await read({ folder, since: start + 3000, tail: 3 })).toBe("3\n");
    log.close();
  });

  test("many marks are thinned out, and still tell the time roughly", () => {
    const folder = newFolder();
    const times = new TimesWriter(folder, 4);
    times.begin({ identity: "1-1", size: 0 }, 0);
    for (let second = 1; second < 50_000; second++) times.mark(second, second * 1000);
    times.close();
    expect(statSync(timesPath(folder)).size).toBeLessThan(300_000);
    const [known] = readTimes(folder);
    if (known === undefined) throw new Error("no times");
    for (const second of [1, 20_000, 49_990]) {
      const offset = offsetAt(known, second * 1000) ?? Number.NaN;
      expect(offset).toBeLessThanOrEqual(second);
      expect(offset).toBeGreaterThan(second - 20);
      expect(timeAt(known, second)).toBeLessThanOrEqual(second * 1000);
    }
  });

  test.each([
    ["gone", ""],
    ["rubbish", "\x00\xff log 1 2\nlog 1-1 x 3\n5 5 5\n"],
    ["of another log", "log 1-1 0 100\n0 1\n"],
    ["torn", "log 1-1 0 100\n0 1\n12"],
  ])("a file of times that is %s", async (_, text) => {
    const folder = newFolder();
    const start = sayAt(folder, [[0, "a"]]);
    writeFileSync(timesPath(folder), text, "latin1");
    expect(await read({ folder, since: start })).toBe("a");
    expect(await read({ folder, since: Date.now() + 60_000 })).toBe("");
    write(folder, ["b"]);
    expect(await read({ folder })).toBe("ab");
  });
});

describe("when the disk is in the way", () => {
  test("a folder that is taken away ends the log, told once, and nothing else", () => {
    const folder = newFolder();
    const troubles: string[] = [];
    const log = open(folder, { maxBytes: 10, files: 2, onTrouble: ({ message }) => troubles.push(message) });
    log.append(Buffer.from("0123456789"));
    rmSync(folder, { recursive: true });
    for (let index = 0; index < 3; index++) log.append(Buffer.alloc(70_000, "x"));
    log.close();
    expect(troubles).toEqual([expect.stringContaining("no such file or directory")]);
    expect(existsSync(folder)).toBe(false);
  });

  test.each([
    ["a folder in its place", (folder: string) => mkdirSync(segmentPath(folder, 0)), "it is a directory"],
    ["no folder", (folder: string) => rmSync(folder, { recursive: true }), "no such file or directory"],
    [
      "a file in the folder's place",
      (folder: string) => {
        rmSync(folder, { recursive: true });
        writeFileSync(folder, "");
      },
      "not a directory",
    ],
  ])("a log that cannot be opened is told once: %s", (_, prepare, expected) => {
    const folder = newFolder();
    prepare(folder);
    const troubles: string[] = [];
    const log = open(folder, { onTrouble: ({ message }) => troubles.push(message) });
    log.append(Buffer.alloc(100_000));
    log.close();
    expect(troubles).toEqual([expect.stringContaining(`${segmentPath(folder, 0)}: `)]);
    expect(troubles[0]).toContain(expected);
  });

  testUnless(existsSync("/dev/full") ? undefined : "no /dev/full")(
    "a full disk is told once, and the guest goes on",
    () => {
      const folder = newFolder();
      symlinkSync("/dev/full", segmentPath(folder, 0));
      const troubles: string[] = [];
      const log = open(folder, { onTrouble: ({ message }) => troubles.push(message) });
      for (let index = 0; index < 5; index++) log.append(Buffer.alloc(70_000, "x"));
      log.close();
      expect(troubles).toEqual([expect.stringContaining("no space left")]);
    },
  );

  testUnless(lacksRoot() ?? lacksProgram("mount"))(
    "with room again, the log says how much is missing, and goes on",
    async () => {
      const folder = newFolder();
      if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]).status !== 0) return;
      try {
        const log = open(folder);
        writeFileSync(join(folder, "big"), Buffer.alloc((1 << 20) - 64 * 1024));
        const said = Buffer.alloc(64 * 1024, "x");
        for (let index = 0; index < 4; index++) log.append(said);
        rmSync(join(folder, "big"));
        log.append(Buffer.from("again\n"));
        log.close();
        const text = await read({ folder });
        const [, missing] =
          /\n\[capstan: (\d+) bytes of the console could not be written here\]\nagain\n$/.exec(text) ?? [];
        expect(Number(missing)).toBeGreaterThan(0);
        expect(text.split("x").length - 1 + Number(missing)).toBe(4 * said.length);
      } finally {
        spawnSync("umount", [folder]);
      }
    },
  );

  test("a writer that was killed while it renamed files leaves a gap, which readers step over", async () => {
    const folder = newFolder();
    write(folder, ["one\n", "two\n", "six\n"], { maxBytes: 4, files: 9 });
    expect(segmentSlots(folder)).toEqual([0, 1, 2]);
    renameSync(segmentPath(folder, 2), segmentPath(folder, 3));
    expect(await read({ folder })).toBe("one\ntwo\nsix\n");
    write(folder, ["ten\n"], { maxBytes: 4, files: 9 });
    expect(await read({ folder })).toBe("one\ntwo\nsix\nten\n");
  });

  test("leaves no other files", () => {
    const folder = newFolder();
    write(folder, ["one\n", "two\n", "six\n"], { maxBytes: 4, files: 9 });
    expect(readdirSync(folder).sort()).toEqual(["console.log", "console.log.1", "console.log.2", "console.times"]);
  });
});
