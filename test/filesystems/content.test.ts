import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ContentSource, type EmitOptions, emissionOrder, emitContents } from "../../src/filesystems/content.ts";
import type { ContentStream } from "../../src/filesystems/filetree.ts";
import { MemoryDevice } from "../support/memory-device.ts";
import { patterned } from "./trees.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "capstan-content-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A stream of these bytes in chunks of these sizes, over and over, that counts how it was used. */
function streamOf(bytes: Uint8Array, sizes: readonly number[] = [1000]) {
  const seen = { opened: 0, delivered: 0, closed: 0 };
  const stream: ContentStream = {
    name: "some.mpm",
    async *open() {
      seen.opened++;
      try {
        for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
          const chunk = bytes.subarray(offset, offset + (sizes[turn % sizes.length] ?? 1));
          offset += chunk.length;
          seen.delivered = offset;
          yield chunk;
        }
      } finally {
        seen.closed++;
      }
    },
  };
  return { stream, seen };
}

const host = (path: string, size: number): ContentSource => ({ size, content: { kind: "host", path } });
const bytes = (content: Uint8Array): ContentSource => ({
  size: content.length,
  content: { kind: "bytes", bytes: content },
});
const extent = (stream: ContentStream, offset: number, size: number): ContentSource => ({
  size,
  content: { kind: "extent", stream, offset },
});

/** All that was written, by file, and the order in which files were begun. */
async function emitted(files: readonly ContentSource[], options: Partial<EmitOptions> = {}) {
  const parts: Buffer[][] = files.map(() => []);
  const order: number[] = [];
  await emitContents(files, {
    write: (index, chunk, offset) => {
      const before = parts[index] ?? [];
      expect(chunk.length).toBeGreaterThan(0);
      expect(offset).toBe(before.reduce((sum, part) => sum + part.length, 0));
      if (before.length === 0) order.push(index);
      before.push(Buffer.from(chunk));
    },
    ...options,
  });
  return { contents: parts.map((part) => Buffer.concat(part)), order };
}

function hostFile(name: string, content: Uint8Array): ContentSource {
  const path = join(folder, name);
  writeFileSync(path, content);
  return host(path, content.length);
}

describe("host files", () => {
  test.each([0, 1, 511, 4096, 1048575, 1048576, 1048577, 3 * 1048576])("%i bytes arrive as they are", async (size) => {
    const content = patterned(size, 3);
    const { contents } = await emitted([hostFile("sized", content)]);
    expect(contents[0]?.equals(content)).toBe(true);
  });

  test("large ones come in large chunks", async () => {
    const sizes: number[] = [];
    await emitContents([hostFile("large", patterned(5 * 1048576, 1))], {
      write: (_index, chunk) => void sizes.push(chunk.length),
    });
    expect(sizes).toEqual(Array(5).fill(1048576));
  });

  test.each([10, 0, 1048576])(
    "D4: one that has grown since it had %i bytes is an error with its name",
    async (size) => {
      const file = hostFile("grown", patterned(size, 0));
      appendFileSync(join(folder, "grown"), "x");
      await expect(emitted([file])).rejects.toMatchObject({
        code: "file-changed",
        message: expect.stringContaining(join(folder, "grown")),
      });
    },
  );

  test.each([10, 1048577])("D4: one that has shrunk since it had %i bytes is an error with its name", async (size) => {
    const file = hostFile("shrunk", patterned(size, 0));
    truncateSync(join(folder, "shrunk"), size - 1);
    await expect(emitted([file])).rejects.toMatchObject({
      code: "file-changed",
      message: expect.stringContaining("shrunk"),
    });
  });

  test("D4: one that is gone is an error with its name", async () => {
    await expect(emitted([host(join(folder, "gone"), 1)])).rejects.toMatchObject({
      code: "os-enoent",
      message: expect.stringContaining(join(folder, "gone")),
    });
  });

  test.skipIf(process.platform !== "linux")(
    "D4: one that cannot be read to its end is an error with its name",
    async () => {
      // A file that even root can open and not read: no memory is mapped at address 0.
      await expect(emitted([host("/proc/self/mem", 5)])).rejects.toMatchObject({
        code: "os-eio",
        message: expect.stringContaining("/proc/self/mem"),
      });
    },
  );

  test("one that has become a folder or a FIFO is an error, and nobody waits for a FIFO's writer", async () => {
    await expect(emitted([host(folder, 5)])).rejects.toMatchObject({ code: "os-eisdir" });
    execFileSync("mkfifo", [join(folder, "fifo")]);
    await expect(emitted([host(join(folder, "fifo"), 5)])).rejects.toMatchObject({ code: "file-changed" });
  });

  test("a file that has become a link since it was looked at is refused", async () => {
    hostFile("target", Buffer.from("hello"));
    symlinkSync("target", join(folder, "link"));
    const file = host(join(folder, "link"), 5);
    await expect(emitted([file])).rejects.toMatchObject({ code: "file-changed" });
  });
});

describe("streams", () => {
  test("every extent arrives whole, whatever the chunks; streams are opened once and never beyond the last extent", async () => {
    const data = patterned(5000, 9);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(5000), fc.nat(1500)), { minLength: 1, maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }),
        async (ranges, sizes) => {
          const { stream, seen } = streamOf(data, sizes);
          const files = ranges.map(([start, length]) => extent(stream, start, Math.min(length, data.length - start)));
          const { contents } = await emitted(files);
          for (const [index, [start]] of ranges.entries()) {
            expect(contents[index]?.equals(data.subarray(start, start + (files[index]?.size ?? 0)))).toBe(true);
          }
          const last = Math.max(
            ...ranges.map(([start], index) => (files[index]?.size ? start + files[index].size : 0)),
          );
          expect(seen.opened).toBe(last > 0 ? 1 : 0);
          expect(seen.closed).toBe(seen.opened);
          expect(seen.delivered).toBeLessThan(last + Math.max(...sizes));
        },
      ),
    );
  });

  test("chunks are passed on without a copy", async () => {
    const data = patterned(3000, 1);
    const { stream } = streamOf(data);
    await emitContents([extent(stream, 100, 2000)], {
      write: (_index, chunk) => expect(chunk.buffer).toBe(data.buffer),
    });
  });

  test.each([
    [990, 20],
    [2000, 1],
  ])("one that ends before %i+%i is an error with its name", async (offset, size) => {
    const { stream, seen } = streamOf(patterned(1000, 1));
    await expect(emitted([extent(stream, offset, size)])).rejects.toMatchObject({
      code: "content-truncated",
      message: expect.stringContaining("some.mpm"),
    });
    expect(seen.closed).toBe(1);
  });

  test("an error of the writer closes the stream", async () => {
    const { stream, seen } = streamOf(patterned(5000, 1));
    const failing = () => {
      throw new Error("disk full");
    };
    await expect(emitContents([extent(stream, 0, 5000)], { write: failing })).rejects.toThrow("disk full");
    expect(seen.closed).toBe(1);
  });
});

describe("all kinds together", () => {
  test("come in the order that emissionOrder foretells", async () => {
    const [a, b] = [streamOf(patterned(3000, 1)).stream, streamOf(patterned(3000, 2)).stream];
    const device = new MemoryDevice(patterned(2000, 5));
    const files = [
      extent(b, 2000, 10),
      bytes(Buffer.from("first")),
      extent(a, 50, 10),
      extent(b, 10, 30),
      hostFile("second", Buffer.from("second")),
      extent(a, 20, 30),
      { size: 1500, content: { kind: "device", device, offset: 100 } } as const,
    ];
    const { contents, order } = await emitted(files);
    expect(order).toEqual([1, 4, 6, 3, 0, 5, 2]);
    expect(emissionOrder(files)).toEqual(order);
    expect(String(contents[4])).toBe("second");
    expect(contents[6]?.equals(device.bytes.subarray(100, 1600))).toBe(true);
  });

  test("a writer that is busy is waited for", async () => {
    const events: string[] = [];
    await emitContents([bytes(Buffer.from("a")), bytes(Buffer.from("b"))], {
      write: async (index) => {
        events.push(`begin ${index}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
        events.push(`end ${index}`);
      },
    });
    expect(events).toEqual(["begin 0", "end 0", "begin 1", "end 1"]);
  });

  test("progress ends with all of it", async () => {
    const progress: (readonly [number, number])[] = [];
    const files = Array.from({ length: 1200 }, () => bytes(Buffer.from("xyz")));
    await emitted(files, { onProgress: (done, total) => progress.push([done, total]) });
    expect(progress.at(-1)).toEqual([3600, 3600]);
    expect(progress.length).toBeGreaterThan(2);
  });
});

describe("interruption", () => {
  test("stops between small files, within large ones and within streams", async () => {
    const { stream } = streamOf(patterned(20 * 1048576, 1), [65536]);
    const kinds: ContentSource[][] = [
      Array.from({ length: 2000 }, () => bytes(Buffer.from("x"))),
      [hostFile("huge", Buffer.alloc(20 * 1048576))],
      [extent(stream, 0, 20 * 1048576)],
    ];
    for (const files of kinds) {
      const controller = new AbortController();
      let calls = 0;
      const write = () => {
        if (++calls === 3) controller.abort();
      };
      await expect(emitContents(files, { write, signal: controller.signal })).rejects.toMatchObject({
        code: "interrupted",
      });
      expect(calls).toBeLessThan(600);
    }
  });
});
