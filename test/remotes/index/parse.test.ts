import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatIndex } from "../../../src/remotes/index/format.ts";
import { parseIndex } from "../../../src/remotes/index/parse.ts";
import { relativeUrl } from "../../../src/remotes/index/relative-path.ts";
import type { RepositoryIndex } from "../../../src/remotes/index/schema.ts";
import { CapstanError } from "../../../src/support/errors.ts";
import { failureOf } from "../../packages/support.ts";
import { DIGEST, indexedFile, indexedImage, indexedPackage, repositoryIndex } from "./support.ts";

const NAME = "https://example.test/index.json";

function parse(text: string | Uint8Array): RepositoryIndex {
  return parseIndex(Buffer.from(text), NAME);
}

const FILE = { url: "packages/a.yaml", size: 1, sha256: DIGEST };
const PACKAGE = { name: "a", url: "packages/a.mpm", size: 2, sha256: DIGEST, manifest: FILE };

function document(more: object = {}): string {
  return JSON.stringify({ schema: 1, generated: "2026-11-20T09:11:00Z", packages: [], images: [], ...more });
}

test("a written index is read back as it was", () => {
  const index = repositoryIndex({
    packages: [
      indexedPackage("a", { version: "1.0", arch: "x86_64", title: "A", author: "me", require: ["b >= 1", "c"] }),
      indexedPackage("b", { created: "N/A", platform: "Ubuntu", archive: indexedFile("packages/b+c@1 %25.mpm") }),
    ],
    images: [indexedImage("mike/osv-loader", { version: "1", kernel: indexedFile("k"), index: indexedFile("i.yaml") })],
  });
  expect(parse(formatIndex(index))).toEqual(index);
});

test("the text does not hang on the order in which things were found", () => {
  const packages = ["b", "a", "c"].flatMap((name) => ["2", "1"].map((version) => indexedPackage(name, { version })));
  const images = [indexedImage("z"), indexedImage("y/z")];
  const text = formatIndex(repositoryIndex({ packages, images }));
  const turned = { packages: [...packages].reverse(), images: [...images].reverse() };
  expect(formatIndex(repositoryIndex(turned))).toBe(text);
  expect(text.match(/"name":"[^"]+","version":"./g)?.slice(0, 2)).toEqual([
    '"name":"a","version":"1',
    '"name":"a","version":"2',
  ]);
});

test("keys of newer writers are passed over, null is as good as nothing", () => {
  const text = document({ licence: {}, packages: [{ ...PACKAGE, signed: true, arch: null, title: null }] });
  expect(parse(text).packages).toEqual([
    indexedPackage("a", {
      archive: indexedFile("packages/a.mpm", { size: 2 }),
      manifest: indexedFile("packages/a.yaml", { size: 1 }),
    }),
  ]);
});

test("a newer schema is told as one", async () => {
  const error = await failureOf(() => parse(document({ schema: 2 })));
  expect([error.code, error.message]).toEqual([
    "remote-index-newer",
    `${NAME} has the schema 2, and this version of Capstan reads 1`,
  ]);
});

describe("what is refused, with its place", () => {
  test.each<[string, string | Uint8Array, string]>([
    ["nothing", "", "Unexpected end"],
    ["a page of a proxy", "<!doctype html><p>404", "it is a web page, not JSON"],
    ["cut off", document().slice(0, -3), "JSON"],
    ["not UTF-8", Buffer.from([0x22, 0xff, 0x22]), "it is not UTF-8"],
    ["a list", "[]", "it must be an object"],
    ["no schema", "{}", "schema: must be 1"],
    ["schema 0", document({ schema: 0 }), "schema: must be 1"],
    ["no time", document({ generated: undefined }), "generated: is missing"],
    ["a time that is none", document({ generated: "2026-13-20T09:11:00Z" }), "generated: must be a time"],
    ["packages as a map", document({ packages: {} }), "packages: must be a list"],
    ["a package that is a text", document({ packages: ["a"] }), "packages[0]: must be an object"],
    ["no name", document({ packages: [{ ...PACKAGE, name: undefined }] }), "packages[0].name: is missing"],
    ["a name with a path", document({ packages: [{ ...PACKAGE, name: "../a" }] }), "packages[0].name: '../a' cannot"],
    ["an image's name", document({ images: [{ name: "a/b/c", disk: FILE }] }), "images[0].name: 'a/b/c' cannot"],
    ["no manifest", document({ packages: [{ ...PACKAGE, manifest: undefined }] }), "packages[0].manifest: is missing"],
    ["no digest", document({ packages: [{ ...PACKAGE, sha256: undefined }] }), "packages[0].sha256: is missing"],
    ["a short digest", document({ packages: [{ ...PACKAGE, sha256: "ab" }] }), "packages[0].sha256: must be 64"],
    ["size as text", document({ packages: [{ ...PACKAGE, size: "2" }] }), "packages[0].size: must be a whole"],
    ["half a byte", document({ packages: [{ ...PACKAGE, size: 0.5 }] }), "packages[0].size: must be a whole"],
    ["less than nothing", document({ packages: [{ ...PACKAGE, size: -1 }] }), "packages[0].size: must be a whole"],
    [
      "a size that no number holds",
      document({ packages: [{ ...PACKAGE, size: 2 ** 53 }] }),
      "packages[0].size: must be a",
    ],
    ["title as a list", document({ packages: [{ ...PACKAGE, title: [] }] }), "packages[0].title: must be a text"],
    [
      "what a terminal obeys",
      document({ packages: [{ ...PACKAGE, title: "\x1b[2J" }] }),
      "packages[0].title: has control",
    ],
    ["a long title", document({ packages: [{ ...PACKAGE, title: "x".repeat(5000) }] }), "packages[0].title: is longer"],
    [
      "a requirement that is a number",
      document({ packages: [{ ...PACKAGE, require: ["b", 1] }] }),
      "packages[0].require[1]: must",
    ],
    ["gzip as text", document({ packages: [{ ...PACKAGE, gzip: "no" }] }), "packages[0].gzip: must be true or false"],
    ["an image without a disk", document({ images: [{ name: "a" }] }), "images[0].disk: is missing"],
    [
      "the same twice",
      document({ packages: [PACKAGE, { ...PACKAGE, url: "packages/b.mpm" }] }),
      "packages: 'a' is there twice",
    ],
  ])("%s", async (_, text, problem) => {
    const error = await failureOf(() => parse(text));
    expect(error.code).toBe("remote-index-invalid");
    expect(error.message).toContain(`${NAME} is not a sound index: `);
    expect(error.message).toContain(problem);
  });

  test("all at once, and not more than a screen of them", async () => {
    const packages = Array.from({ length: 500 }, () => ({ ...PACKAGE, name: "", size: -1 }));
    const error = await failureOf(() => parse(document({ packages })));
    expect(error.details).toHaveLength(50);
    expect(error.details.slice(0, 3)).toEqual([
      expect.stringContaining("packages[0].name: "),
      expect.stringContaining("packages[0].size: "),
      expect.stringContaining("packages[1].name: "),
    ]);
  });
});

describe("addresses that do not stay below the folder of the index", () => {
  test.each([
    "/etc/passwd",
    "//evil.test/a.mpm",
    "https://evil.test/a.mpm",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "../a.mpm",
    "packages/../../a.mpm",
    "packages/%2e%2e/%2e%2e/a.mpm",
    "packages/..%2f..%2fa.mpm",
    "packages\\..\\a.mpm",
    "packages/%5c..%5ca.mpm",
    "packages//a.mpm",
    "packages/./a.mpm",
    "packages/.capstan/a.mpm",
    "packages/a.mpm?x=1",
    "packages/a.mpm#x",
    "packages/a%00.mpm",
    "packages/a%0a.mpm",
    "packages/%E0%A4%A.mpm",
    "packages/%ff.mpm",
    "packages/\ud800.mpm",
    "",
    "a".repeat(3000),
  ])("%j is refused", async (url) => {
    const error = await failureOf(() => parse(document({ packages: [{ ...PACKAGE, url }] })));
    expect(error.message).toContain("packages[0].url: ");
  });

  test("every path that is written is read back, and its address is no other one's", () => {
    const segment = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
      .filter((text) => !text.startsWith(".") && !/[/\\]/.test(text));
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 4 }), (segments) => {
        const path = segments.join("/");
        const index = repositoryIndex({ packages: [indexedPackage("a", { archive: indexedFile(path) })] });
        const base = "https://example.test/base/";
        const resolved = new URL(relativeUrl(path), base);
        expect(resolved.href.startsWith(base)).toBe(true);
        expect(decodeURIComponent(resolved.pathname)).toBe(`/base/${path}`);
        expect(parse(formatIndex(index)).packages[0]?.archive.path).toBe(path);
      }),
    );
  });
});

test("whatever comes, it is an index or an error of ours", () => {
  const sound = formatIndex(repositoryIndex({ packages: [indexedPackage("a")], images: [indexedImage("b")] }));
  const cut = fc.tuple(fc.nat(sound.length), fc.nat(sound.length), fc.string()).map(([from, to, text]) => {
    return sound.slice(0, Math.min(from, to)) + text + sound.slice(Math.max(from, to));
  });
  const values = fc.json().map((text) => text.replace("{", '{"schema":1,'));
  fc.assert(
    fc.property(fc.oneof(cut, values, fc.string()), (text) => {
      try {
        parse(text);
      } catch (error) {
        expect(error).toBeInstanceOf(CapstanError);
      }
    }),
    { numRuns: 500 },
  );
});

test("a document that is nested a million times is an error and no crash", async () => {
  const error = await failureOf(() => parse(`{"schema":1,"packages":${"[".repeat(1_000_000)}`));
  expect(error.code).toBe("remote-index-invalid");
});
