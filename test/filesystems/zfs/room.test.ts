import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { Content, FileTree } from "../../../src/filesystems/filetree.ts";
import { treeFromHost } from "../../../src/filesystems/host-tree.ts";
import { checkRoom } from "../../../src/filesystems/zfs/room.ts";
import { allocatable } from "../../../src/filesystems/zfs/write/allocator.ts";
import { planZfs, writeZfs } from "../../../src/filesystems/zfs/writer.ts";
import { KiB, MiB } from "../../../src/support/bytes.ts";
import { file, patterned, tree } from "../trees.ts";

const base = mkdtempSync(join(tmpdir(), "capstan-room-"));
afterAll(() => rmSync(base, { recursive: true }));

const rootOf = (content: Content, size: number): FileTree => ({
  ...tree({}),
  children: new Map([["f", { ...file(""), size, content }]]),
});
const smallest = (root: FileTree) => planZfs(root, { size: 64 * MiB, root: "osv" });

/** How many bytes were written before the pool was done, or refused. */
async function written(root: FileTree): Promise<{ bytes: number; code: unknown }> {
  const chunks: number[] = [];
  const plan = smallest(root);
  const device = { size: plan.size, write: (data: Uint8Array) => void chunks.push(data.length) };
  const code = await writeZfs(plan, device).then(
    () => "fits",
    (error: unknown) => (error as { code: unknown }).code,
  );
  return { bytes: chunks.reduce((sum, length) => sum + length, 0), code };
}

describe("what cannot fit is refused before anything is written", () => {
  test("from memory", async () => {
    expect(await written(tree({ f: patterned(40 * MiB, 1) }))).toEqual({ bytes: 0, code: "image-too-small" });
  });

  test("from the host, be it in large files or in small ones", async () => {
    for (const [count, size] of [
      [2, 20 * MiB],
      [400, 100 * KiB],
    ] as const) {
      const folder = mkdtempSync(join(base, "files-"));
      for (let index = 0; index < count; index++) writeFileSync(join(folder, `${index}`), patterned(size, index));
      const root = await treeFromHost(folder, { origin: "" });
      expect(await written(root)).toEqual({ bytes: 0, code: "image-too-small" });
    }
  });

  test("too many entries", async () => {
    const names = Array.from({ length: 60_000 }, (_, index) => [`${index}`, ""] as const);
    expect(await written(tree(Object.fromEntries(names)))).toEqual({ bytes: 0, code: "image-too-small" });
  });

  test("the message says how much room there is", async () => {
    await expect(checkRoom(smallest(tree({ f: patterned(40 * MiB, 1) })))).rejects.toMatchObject({
      message: expect.stringMatching(/^A ZFS of 64 MiB is too small: the files do not fit in the \d+ MiB that it has/),
      hint: expect.stringMatching(/^Give --size \d+M or more/),
    });
  });
});

describe("what fits is never refused", () => {
  test("a file with holes that is much larger than the pool", async () => {
    const path = join(base, "sparse");
    writeFileSync(path, patterned(1000, 1));
    truncateSync(path, 512 * MiB);
    const root = rootOf({ kind: "host", path }, 512 * MiB);
    expect((await written(root)).code).toBe("fits");
  });

  test("zeros that are there byte for byte", async () => {
    expect((await written(tree({ f: new Uint8Array(100 * MiB) }))).code).toBe("fits");
  });

  test("whatever the mixture", async () => {
    const room = allocatable(smallest(tree({})).geometry);
    const blocks = fc.array(fc.boolean(), { minLength: 80, maxLength: 130 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(blocks, fc.nat({ max: 128 * KiB })), { minLength: 4, maxLength: 5 }),
        async (sketch) => {
          const files = sketch.map(([isFull, rest], index) => {
            const bytes = new Uint8Array(isFull.length * 128 * KiB + rest);
            for (const [block, full] of isFull.entries()) if (full) bytes[block * 128 * KiB] = 1;
            return [`f${index}`, bytes] as const;
          });
          const root = tree(Object.fromEntries(files));
          const refused = await checkRoom(smallest(root)).then(
            () => false,
            () => true,
          );
          const large = planZfs(root, { size: 1024 * MiB, root: "osv" });
          const { allocated } = await writeZfs(large, { size: large.size, write: () => undefined });
          if (refused) expect(allocated).toBeGreaterThan(room);
        },
      ),
      { numRuns: 20 },
    );
  });

  test("a file that is not there any more is told by who reads it", async () => {
    const root = rootOf({ kind: "host", path: join(base, "gone") }, 100 * MiB);
    expect((await written(root)).code).not.toBe("image-too-small");
  });
});
