import { execFileSync } from "node:child_process";
import { readdirSync, readlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { archiveIdentity, readArchive } from "../../../src/packages/tar/archive.ts";
import { InterruptedError } from "../../../src/support/errors.ts";
import { failureOf, temporaryFolder } from "../support.ts";

async function readAll(path: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readArchive(path)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function archive(...parts: readonly Uint8Array[]): string {
  const path = join(temporaryFolder(), "p.mpm");
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

const HELLO = gzipSync("hello ");
const WORLD = gzipSync("world");

describe("what is unpacked", () => {
  test.each<[string, Uint8Array[], string]>([
    ["plain bytes", [Buffer.from("hello world")], "hello world"],
    ["no bytes", [], ""],
    ["one byte of gzip's mark", [Buffer.from([0x1f])], "\x1f"],
    ["gzip", [HELLO], "hello "],
    ["gzip of several members", [HELLO, WORLD, HELLO], "hello worldhello "],
    ["gzip padded with zeros", [HELLO, Buffer.alloc(200_000)], "hello "],
  ])("%s", async (_, parts, expected) => {
    expect(await readAll(archive(...parts))).toBe(expected);
  });

  test("more than a chunk, compressed and not", async () => {
    const text = "0123456789abcdef".repeat(300_000);
    expect((await readAll(archive(Buffer.from(text)))) === text).toBe(true);
    expect((await readAll(archive(gzipSync(text, { level: 0 })))) === text).toBe(true);
  });
});

describe("what is refused", () => {
  const wrongSum = Buffer.from(HELLO);
  wrongSum.writeUInt8(wrongSum.readUInt8(HELLO.length - 7) ^ 1, HELLO.length - 7);
  test.each<[string, Uint8Array[]]>([
    ["gzip with text behind it", [HELLO, Buffer.from("garbage, and more of it than a header")]],
    ["gzip with one byte behind it", [HELLO, Buffer.from("x")]],
    ["gzip with zeros and then something behind it", [HELLO, Buffer.alloc(100_000), Buffer.from("x")]],
    ["gzip with a wrong checksum", [wrongSum]],
    ["a second member that is cut off", [HELLO, WORLD.subarray(0, 12)]],
  ])("%s", async (_, parts) => {
    const path = archive(...parts);
    const error = await failureOf(() => readAll(path));
    expect(error.code).toBe("archive-damaged");
    expect(error.message).toContain(path);
  });

  test("gzip cut off anywhere", async () => {
    for (let size = 2; size < HELLO.length; size++) {
      expect((await failureOf(() => readAll(archive(HELLO.subarray(0, size))))).code).toBe("archive-damaged");
    }
  });

  test("a folder, a FIFO (without waiting for a writer), and nothing", async () => {
    const folder = temporaryFolder();
    execFileSync("mkfifo", [join(folder, "fifo")]);
    expect((await failureOf(() => readAll(folder))).code).toBe("archive-not-a-file");
    expect((await failureOf(() => readAll(join(folder, "fifo")))).code).toBe("archive-not-a-file");
    const missing = await failureOf(() => readAll(join(folder, "none.mpm")));
    expect(missing.message).toBe(`Reading ${join(folder, "none.mpm")}: no such file or directory`);
  });

  test("a file that is not in the expected state", async () => {
    const path = archive(HELLO);
    const expected = await archiveIdentity(path);
    for await (const _ of readArchive(path, { expected }));
    utimesSync(path, 1, 1);
    const read = async () => {
      for await (const _ of readArchive(path, { expected }));
    };
    expect((await failureOf(read)).code).toBe("archive-changed");
  });
});

describe("the file is closed", () => {
  const large = gzipSync(Buffer.alloc(20_000_000, "abc"), { level: 0 });
  const holders = (path: string) =>
    readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(join("/proc/self/fd", fd)) === path;
      } catch {
        return false;
      }
    });

  test("when the reader stops early", async () => {
    const path = archive(large);
    for await (const _ of readArchive(path)) {
      expect(holders(path)).toHaveLength(1);
      break;
    }
    expect(holders(path)).toEqual([]);
  });

  test("when the work is interrupted", async () => {
    const path = archive(large);
    const controller = new AbortController();
    const read = async () => {
      for await (const _ of readArchive(path, { signal: controller.signal })) controller.abort();
    };
    await expect(read()).rejects.toBeInstanceOf(InterruptedError);
    expect(holders(path)).toEqual([]);
  });

  test("when the archive is damaged", async () => {
    const path = archive(large.subarray(0, 5_000_000));
    await failureOf(() => readAll(path));
    expect(holders(path)).toEqual([]);
  });
});
