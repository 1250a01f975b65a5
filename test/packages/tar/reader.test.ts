import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ArchiveEntry } from "../../../src/packages/tar/entries.ts";
import { readTar, type TarIndex, type TarReadOptions } from "../../../src/packages/tar/reader.ts";
import { CapstanError } from "../../../src/support/errors.ts";
import { chunked, data, end, file, gnuLong, header, OLD_GNU, octal, pax, SEVENTH_EDITION } from "./tar-fixtures.ts";

function read(parts: readonly Uint8Array[], options: Partial<TarReadOptions> = {}): Promise<TarIndex> {
  return readTar(chunked(Buffer.concat(parts), 700), { name: "p.mpm", ...options });
}

async function only(...parts: Uint8Array[]): Promise<ArchiveEntry | undefined> {
  const { entries } = await read([...parts, end()]);
  expect(entries).toHaveLength(1);
  return entries[0];
}

async function failure(parts: readonly Uint8Array[], options: Partial<TarReadOptions> = {}): Promise<CapstanError> {
  const error = await read(parts, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CapstanError);
  return error as CapstanError;
}

describe("names", () => {
  test.each([["a"], ["/a"], ["./a"], ["/./a"]])("the file %s is a", async (name) => {
    expect(await only(file(name))).toMatchObject({ path: "a", type: "file" });
  });

  test.each([["/"], ["./"], ["."], ["/."]])("the directory %s is the root", async (name) => {
    expect(await only(header({ name, type: "5", mode: "0000750\0" }))).toEqual({
      path: "",
      type: "directory",
      mode: 0o750,
      mtime: 0,
    });
  });

  test.each([
    ["a prefix", [file("c", "x", { prefix: "/a/b" })]],
    ["a GNU long name", [gnuLong("L", "/a/b/c"), file("short", "x", { magic: OLD_GNU })]],
    ["a PAX path", [pax({ path: "/a/b/c" }), file("short", "x")]],
    ["a PAX path over a GNU long name", [pax({ path: "a/b/c" }), gnuLong("L", "other"), file("short", "x")]],
    ["a global PAX path taken back", [pax({ path: "other" }, "g"), pax({ path: "" }), file("a/b/c", "x")]],
    ["hdrcharset, which changes nothing", [pax({ hdrcharset: "BINARY", path: "a/b/c" }), file("short", "x")]],
  ])("%s", async (_, parts) => {
    expect(await only(...parts)).toMatchObject({ path: "a/b/c", size: 1 });
  });

  test("a long name counts for one entry only", async () => {
    const { entries } = await read([
      gnuLong("L", "long"),
      file("x"),
      pax({ path: "longer" }),
      file("x"),
      file("x"),
      end(),
    ]);
    expect(entries.map(({ path }) => path)).toEqual(["long", "longer", "x"]);
  });

  test("long names of any length and alphabet", async () => {
    const part = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 60 })
      .filter((text) => !/[/\0]|^\.\.?$/.test(text));
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 12 }), fc.boolean(), async (parts, gnu) => {
        const path = parts.join("/");
        expect(await only(gnu ? gnuLong("L", path) : pax({ path }), file("x"))).toMatchObject({ path });
      }),
      { numRuns: 50 },
    );
  });
});

describe("types", () => {
  test.each([
    ["0", "x"],
    ["\0", "x"],
    ["7", "x"],
  ])("type %j is a file", async (type, name) => {
    expect(await only(file(name, "abc", { type }))).toEqual({
      path: "x",
      type: "file",
      mode: 0o644,
      mtime: 0,
      size: 3,
      offset: 512,
    });
  });

  test("the seventh edition's directories end in a slash", async () => {
    expect(await only(header({ name: "d/", type: "\0", magic: SEVENTH_EDITION }))).toMatchObject({
      path: "d",
      type: "directory",
    });
  });

  test("D2: a symlink's target is what it says", async () => {
    expect(await only(header({ name: "a/b/l", type: "2", linkName: "/usr/../lib//x" }))).toMatchObject({
      type: "symlink",
      target: "/usr/../lib//x",
    });
  });

  test.each([
    ["GNU", gnuLong("K", "t".repeat(300))],
    ["PAX", pax({ linkpath: "t".repeat(300) })],
  ])("long targets of %s", async (_, extension) => {
    expect(await only(extension, header({ name: "l", type: "2" }))).toMatchObject({ target: "t".repeat(300) });
  });

  test("a hard link is the same bytes again, also of a link", async () => {
    const { entries } = await read([
      file("./a", "abc", { mode: "0000755\0" }),
      // Some tars write the size of the file, though no content follows.
      header({ name: "b", type: "1", linkName: "/a", size: octal(3) }),
      header({ name: "s", type: "2", linkName: "a" }),
      header({ name: "h", type: "1", linkName: "s" }),
      end(),
    ]);
    expect(entries).toEqual([
      { path: "a", type: "file", mode: 0o755, mtime: 0, size: 3, offset: 512 },
      { path: "b", type: "file", mode: 0o755, mtime: 0, size: 3, offset: 512 },
      { path: "s", type: "symlink", mode: 0o644, mtime: 0, target: "a" },
      { path: "h", type: "symlink", mode: 0o644, mtime: 0, target: "a" },
    ]);
  });

  test("times: PAX with fractions, before 1970, base-256", async () => {
    expect(await only(pax({ mtime: "1700000000.987654321" }), file("x"))).toMatchObject({ mtime: 1_700_000_000 });
    expect(await only(pax({ mtime: "-1.5" }), file("x"))).toMatchObject({ mtime: -2 });
    expect(await only(file("x", "", { mtime: Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]) }))).toMatchObject({
      mtime: 256,
    });
  });

  test("sizes: PAX goes before the header, base-256 is understood", async () => {
    const zero = header({ name: "x", size: octal(0) });
    expect(await only(pax({ size: "5" }), zero, data("hello"))).toMatchObject({ size: 5, offset: 3 * 512 });
    const large = header({ name: "x", size: Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]) });
    expect(await only(large, data("hello"))).toMatchObject({ size: 5 });
  });
});

describe("entries that occur twice", () => {
  test("the last one counts, and is told", async () => {
    const index = await read([file("a", "1"), file("b", "2"), file("/a", "333"), end()], {
      wanted: (path) => path === "a",
    });
    expect(index.repeated).toEqual(["a"]);
    expect(index.entries).toMatchObject([{ path: "a", size: 3 }, { path: "b" }]);
    expect(Buffer.from(index.contents.get("a") ?? []).toString()).toBe("333");
  });

  test("a directory that is listed twice is nothing to tell", async () => {
    const directory = header({ name: "d/", type: "5" });
    expect((await read([directory, file("d/x"), directory, end()])).repeated).toEqual([]);
  });
});

describe("D5: what could lead outside is refused, with archive and entry", () => {
  test.each<[string, Uint8Array[], string]>([
    ["..", [file("../x")], "'../x'"],
    [".. in the middle", [file("a/../../b")], "'a/../../b'"],
    [".. that stays inside", [file("a/../b")], "'a/../b'"],
    ["absolute ..", [file("/../x")], "'/../x'"],
    [".. by PAX", [pax({ path: "/a/../../x" }), file("ok")], "'/a/../../x'"],
    [".. by a GNU long name", [gnuLong("L", "../x"), file("ok")], "'../x'"],
    [".. by a prefix", [file("x", "", { prefix: ".." })], "'../x'"],
    ["two slashes", [file("//etc/passwd")], "'//etc/passwd'"],
    ["an empty name", [file("")], "''"],
    ["NUL by PAX", [pax({ path: "a\0b" }), file("ok")], "a\\u0000b"],
    [".. below what is no UTF-8", [file(Buffer.from("\xff/../x", "latin1"))], "'\\xff/../x'"],
    [
      "an absolute link, then a file through it",
      [header({ name: "l", type: "2", linkName: "/tmp" }), file("l/x")],
      "'/l/x'",
    ],
    [
      "a file below, then the link above it",
      [file("l/x"), header({ name: "l", type: "2", linkName: "/tmp" })],
      "'/l/x'",
    ],
    [
      "a directory that becomes a link",
      [header({ name: "l/", type: "5" }), file("l/m/x"), header({ name: "l", type: "2", linkName: ".." })],
      "'/l/m/x'",
    ],
    ["a file as a directory", [file("f"), file("f/x")], "'/f/x'"],
    ["the root as a link", [header({ name: "/", type: "2", linkName: "/tmp" })], "'/'"],
    ["a link to nothing", [header({ name: "l", type: "2" })], "'/l'"],
    ["a link with NUL", [pax({ linkpath: "a\0b" }), header({ name: "l", type: "2" })], "'/l'"],
    ["a hard link out of the archive", [header({ name: "h", type: "1", linkName: "/etc/passwd" })], "'/h'"],
    ["a hard link upwards", [header({ name: "h", type: "1", linkName: "../x" })], "'/h'"],
    ["a hard link to what comes later", [header({ name: "h", type: "1", linkName: "x" }), file("x")], "'/h'"],
    [
      "a hard link to a directory",
      [header({ name: "d", type: "5" }), header({ name: "h", type: "1", linkName: "d" })],
      "'/h'",
    ],
  ])("%s", async (_, parts, entry) => {
    const error = await failure([...parts, end()]);
    expect(error.code).toBe("archive-unsafe-entry");
    expect(error.message).toContain("p.mpm");
    expect(error.message).toContain(entry);
    expect(error.message).not.toMatch(/\p{Cc}/u);
  });
});

test.each([
  ["3", "character device"],
  ["4", "block device"],
  ["6", "FIFO"],
  ["S", "sparse"],
  ["M", "unknown type 'M'"],
])("type %s is refused: %s", async (type, word) => {
  const error = await failure([header({ name: "dev/thing", type }), end()]);
  expect(error.code).toBe("archive-unsupported-entry");
  expect(error.message).toContain("p.mpm: '/dev/thing'");
  expect(error.message).toContain(word);
});

test("PAX's sparse files are refused", async () => {
  const error = await failure([pax({ "GNU.sparse.major": "1" }), file("x"), end()]);
  expect(error.code).toBe("archive-unsupported-entry");
});

describe("damage", () => {
  test.each<[string, Uint8Array[], string]>([
    ["an empty file", [], "it is empty"],
    ["half a header", [file("a"), header({ name: "b" }).subarray(0, 300)], "in the middle of a header"],
    ["content that is cut off", [header({ name: "b", size: octal(513) }), data("x")], "in the middle of '/b'"],
    ["padding that is cut off", [file("b", "x").subarray(0, 600)], "in the middle of '/b'"],
    ["a size beyond the stream", [header({ name: "b", size: octal(2 ** 32) }), end()], "in the middle of '/b'"],
    ["a negative size", [header({ name: "b", size: Buffer.alloc(12, 0xff) }), end()], "size of '/b'"],
    ["a size that is none", [header({ name: "b", size: "zzz" }), end()], "size of '/b'"],
    ["a PAX size that is none", [pax({ size: "1e3" }), file("b"), end()], "size of '/b'"],
    ["a time that is none", [pax({ mtime: "now" }), file("b"), end()], "time of '/b'"],
    ["a mode that is none", [header({ name: "b", mode: "rwxr-x\0" }), end()], "mode of '/b'"],
    [
      "PAX records that are none",
      [header({ name: "p", type: "x", size: octal(4) }), data("junk"), file("b"), end()],
      "PAX",
    ],
    ["a PAX header at the end", [file("a"), pax({ path: "b" }), end()], "extended header"],
    ["a wrong checksum", [file("a"), header({ name: "b", checksum: "0000001\0" }), end()], "byte 512"],
    ["something behind the end mark", [file("a"), end(), file("b"), end()], "behind its end mark"],
    ["something behind half an end mark", [file("a"), Buffer.alloc(512), file("b"), end()], "behind its end mark"],
    ["a directory with content", [header({ name: "d/", type: "0", size: octal(3) }), data("abc"), end()], "'/d/'"],
  ])("%s", async (_, parts, words) => {
    const error = await failure(parts);
    expect(error.code).toBe("archive-damaged");
    expect(error.message).toContain("p.mpm");
    expect(error.message).toContain(words);
  });

  test.each(["<!DOCTYPE html>".padEnd(2000), "404: Not Found"])(
    "what is no archive at all is called so: %s",
    async (text) => {
      expect((await failure([Buffer.from(text)])).code).toBe("archive-not-tar");
    },
  );

  test.each([0, 512, 1024, 10240])("an end of %d zeros is good", async (zeros) => {
    expect((await read([file("a"), Buffer.alloc(zeros)])).entries).toHaveLength(1);
  });

  test("an archive of zeros has no entries", async () => {
    expect((await read([end()])).entries).toEqual([]);
  });

  test("cut anywhere, it is refused or has its first entries", async () => {
    const whole = Buffer.concat([
      gnuLong("L", "n".repeat(200)),
      file("x", "abc"),
      pax({ path: "p" }),
      file("y", "d".repeat(600)),
    ]);
    const sizes = fc.integer({ min: 1, max: whole.length - 1 });
    await fc.assert(
      fc.asyncProperty(sizes, async (size) => {
        // Only between two entries nothing shows: an end mark may be missing.
        if (size === 4 * 512) expect((await read([whole.subarray(0, size)])).entries).toHaveLength(1);
        else
          expect((await failure([whole.subarray(0, size)])).code).toBe(
            size < 512 ? "archive-not-tar" : "archive-damaged",
          );
      }),
      { numRuns: 300 },
    );
  });

  test("any bytes changed, it is read or refused, and never more than that", async () => {
    const whole = Buffer.concat([
      pax({ path: "p" }),
      file("x", "abc"),
      header({ name: "l", type: "2", linkName: "x" }),
      end(),
    ]);
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        await read([bytes]).catch((error: unknown) => expect(error).toBeInstanceOf(CapstanError));
      }),
      { numRuns: 300 },
    );
  });
});

describe("limits", () => {
  test.each<[string, Partial<TarReadOptions>]>([
    ["entries", { limits: { entries: 2 } }],
    ["size of all", { limits: { totalSize: 2000 } }],
    ["size of a header extension", { limits: { headerExtension: 100 } }],
    ["size of what is wanted", { limits: { wantedSize: 2 }, wanted: () => true }],
  ])("%s", async (_, options) => {
    const parts = [file("a", "abc"), gnuLong("L", "n".repeat(150)), file("b"), end()];
    expect((await read(parts)).entries).toHaveLength(2);
    expect((await failure(parts, options)).code).toBe("archive-too-large");
  });

  test("extended headers count as entries: a chain of them ends", async () => {
    const parts = Array.from({ length: 50 }, () => pax({ comment: "x" }));
    expect((await failure(parts, { limits: { entries: 20 } })).code).toBe("archive-too-large");
  });

  test("a header extension is refused by its size, before it is read", async () => {
    const endless = header({ name: "x", type: "L", size: octal(2 ** 32) });
    expect((await failure([endless, end()])).code).toBe("archive-too-large");
  });
});

test("the source is told when no more is wanted", async () => {
  let closed = false;
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield file("../x");
    } finally {
      closed = true;
    }
  }
  await expect(readTar(source(), { name: "p.mpm" })).rejects.toThrow("..");
  expect(closed).toBe(true);
});

test("chunks of any size give the same index", async () => {
  const whole = Buffer.concat([gnuLong("L", "n".repeat(700)), file("x", "a".repeat(2000)), file("y", "b"), end()]);
  const expected = await read([whole]);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3000 }), async (size) => {
      expect(await readTar(chunked(whole, size), { name: "p.mpm" })).toEqual(expected);
    }),
    { numRuns: 30 },
  );
});
