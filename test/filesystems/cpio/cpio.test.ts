import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeHeader, encodeHeader, HEADER_SIZE, MAX_FILE_SIZE } from "../../../src/filesystems/cpio/layout.ts";
import { readCpio } from "../../../src/filesystems/cpio/reader.ts";
import { planCpio, writeCpio } from "../../../src/filesystems/cpio/writer.ts";
import type { ContentStream, FileTree } from "../../../src/filesystems/filetree.ts";
import { BORDER_SIZES, file, type SketchFolder, tree, treeArbitrary } from "../trees.ts";

async function archiveOf(root: FileTree): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const plan = planCpio(root);
  await writeCpio(plan, { write: (chunk) => void chunks.push(Buffer.from(chunk)) });
  const archive = Buffer.concat(chunks);
  expect(archive.length).toBe(plan.size);
  return archive;
}

/** In pieces of one size, as a connection may deliver them. */
async function* pieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Lines that say what an archive holds, in its order. */
async function listing(bytes: Uint8Array, size?: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const part of readCpio(pieces(bytes, size))) {
    if (part.kind === "data") {
      lines.push(`${lines.pop()}${Buffer.from(part.bytes).toString("latin1")}`);
      continue;
    }
    const { name, type, mode, target } = part.entry;
    const rest = type === "symlink" ? ` -> ${target}` : type === "file" ? ": " : "";
    lines.push(`${type} ${mode.toString(8)} ${name}${rest}`);
  }
  return lines;
}

const listed = async (sketch: SketchFolder) => await listing(await archiveOf(tree(sketch)));

describe("what is written", () => {
  test("byte for byte: a file, as the format's description has it", async () => {
    const archive = await archiveOf(tree({ a: "xyz" }));
    const header = (fields: readonly string[]) => `070701${fields.join("")}`;
    const zero = "00000000";
    const [ino, mode, links, size, nameSize] = ["00000001", "000081A4", "00000001", "00000003", "00000003"];
    const first = header([ino, mode, zero, zero, links, zero, size, zero, zero, zero, zero, nameSize, zero]);
    const last = header([zero, zero, zero, zero, links, zero, zero, zero, zero, zero, zero, "0000000B", zero]);
    // 110 bytes of header, 3 of name, 3 of padding; 3 of content, 1 of padding.
    expect(archive.toString("latin1")).toBe(`${first}/a\0\0\0\0xyz\0${last}TRAILER!!!\0\0\0\0`);
  });

  test("directories first, links last, names absolute, without the root", async () => {
    expect(await listed({ b: { c: { f: "1" } }, a: ["/b"], e: "" })).toEqual([
      "directory 755 /b",
      "directory 755 /b/c",
      "file 644 /e: ",
      "file 644 /b/c/f: 1",
      "symlink 777 /a -> /b",
    ]);
  });

  test("a directory that its owner may not write to gets its mode when all is in it, the innermost first", async () => {
    const root = tree({ outer: { inner: { f: "1" } } });
    const seal = (at: FileTree) => Object.assign(at, { mode: 0o555 });
    const outer = root.children.get("outer");
    const inner = outer?.type === "directory" ? outer.children.get("inner") : undefined;
    if (outer?.type !== "directory" || inner?.type !== "directory") throw new Error("no directories");
    seal(outer);
    seal(inner);
    expect(await listing(await archiveOf(root))).toEqual([
      "directory 755 /outer",
      "directory 755 /outer/inner",
      "file 644 /outer/inner/f: 1",
      "directory 555 /outer/inner",
      "directory 555 /outer",
    ]);
  });

  test("nothing but the trailer of an empty tree", async () => {
    expect(await archiveOf(tree({}))).toHaveLength(124);
  });

  test.each(BORDER_SIZES)("a file of %i bytes is padded to a multiple of 4", async (size) => {
    const content = Buffer.alloc(size, "abcdefg");
    const archive = await archiveOf(tree({ f: content, g: "behind" }));
    expect(archive.length % 4).toBe(0);
    expect(await listing(archive, 4096)).toContain(`file 644 /f: ${content.toString()}`);
    expect(await listing(archive, 7)).toContain("file 644 /g: behind");
  });

  test("parts of one stream, in any order and twice, as hard links are", async () => {
    const bytes = Buffer.from("0123456789".repeat(20_000));
    let opened = 0;
    const stream: ContentStream = {
      name: "some.mpm",
      async *open() {
        opened++;
        yield* pieces(bytes, 3333);
      },
    };
    const part = (offset: number, size: number) => ({
      ...file(""),
      size,
      content: { kind: "extent" as const, stream, offset },
    });
    const root = tree({});
    const large = 150_000;
    for (const [name, offset, size] of [
      ["c", 5, 10],
      ["b", 20, large],
      ["a", 20, large],
      ["d", 180_000, 4],
    ] as const) {
      root.children.set(name, part(offset, size));
    }
    const lines = (await listing(await archiveOf(root))).sort();
    const text = (offset: number, size: number) => bytes.toString("latin1", offset, offset + size);
    expect(lines.map((line) => line.slice(0, 24))).toEqual(
      ["a", "b", "c", "d"].map((name, at) => {
        const [offset = 0, size = 0] =
          [
            [20, large],
            [20, large],
            [5, 10],
            [180_000, 4],
          ][at] ?? [];
        return `file 644 /${name}: ${text(offset, size)}`.slice(0, 24);
      }),
    );
    expect(lines[0]?.slice("file 644 /a: ".length)).toBe(text(20, large));
    expect(lines[1]?.slice("file 644 /b: ".length)).toBe(text(20, large));
    expect(opened).toBe(2);
  });

  test("refuses what the other side cannot take", () => {
    const huge = { ...file(""), size: MAX_FILE_SIZE + 1 };
    const root = tree({});
    root.children.set("huge", huge);
    expect(() => planCpio(root)).toThrow(expect.objectContaining({ code: "file-too-large" }));
    root.children.set("huge", { ...huge, size: MAX_FILE_SIZE });
    expect(() => planCpio(root)).not.toThrow();
    expect(() => planCpio(tree({ link: [""] }))).toThrow(expect.objectContaining({ code: "bad-link" }));
  });
});

test("any tree is read back as it was, whatever pieces it comes in", async () => {
  await fc.assert(
    fc.asyncProperty(treeArbitrary, fc.integer({ min: 1, max: 5000 }), async (root, size) => {
      const archive = await archiveOf(root);
      const found = await listing(archive, size);
      const wanted: string[] = [];
      const visit = (at: FileTree, path: string) => {
        for (const [name, entry] of at.children) {
          const full = `${path}/${name}`;
          const mode = entry.mode.toString(8);
          if (entry.type === "directory") {
            wanted.push(`directory ${mode} ${full}`);
            visit(entry, full);
          } else if (entry.type === "symlink") wanted.push(`symlink ${mode} ${full} -> ${entry.target}`);
          else if (entry.content.kind === "bytes") {
            wanted.push(`file ${mode} ${full}: ${Buffer.from(entry.content.bytes).toString("latin1")}`);
          }
        }
      };
      visit(root, "");
      expect(found.sort()).toEqual(wanted.sort());
    }),
    { numRuns: 60 },
  );
});

test("a header is read as it was written", () => {
  const number = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(
    fc.property(fc.record({ mode: number, size: number, nameSize: number, check: number, mtime: number }), (fields) => {
      expect(decodeHeader(encodeHeader(fields))).toMatchObject(fields);
    }),
  );
  expect(() => encodeHeader({ size: 2 ** 32 })).toThrow(RangeError);
});

describe("damage is refused", () => {
  const whole = archiveOf(tree({ d: {}, f: "some content", l: ["target"] }));
  const refused = async (bytes: Uint8Array) => await expect(listing(bytes)).rejects.toMatchObject({ code: "bad-cpio" });

  test("an end at any place", async () => {
    const bytes = await whole;
    for (let end = 0; end < bytes.length; end += 13) await refused(bytes.subarray(0, end));
  });

  test.each([
    ["another magic", 0, "070707"],
    ["digits that are none", 14, "0000x1ED"],
    ["a type that is none", 14, "00001000"],
    ["a name of no length", HEADER_SIZE - 16, "00000000"],
    ["a name longer than any path", HEADER_SIZE - 16, "7FFFFFFF"],
    ["a name that ends early", HEADER_SIZE, "\0"],
    ["a directory with content", 54, "00000004"],
  ])("%s", async (_, at, text) => {
    const bytes = Buffer.from(await whole);
    bytes.write(text, at, "latin1");
    await refused(bytes);
  });

  test("anything: it is refused or read, and nothing else happens", async () => {
    const bytes = await whole;
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.uint8Array({ minLength: 1, maxLength: 12 }), async (at, noise) => {
        const changed = Buffer.from(bytes);
        changed.set(noise.subarray(0, bytes.length - at), at);
        await listing(changed).catch((error: unknown) => expect(error).toMatchObject({ code: "bad-cpio" }));
      }),
    );
  });
});
