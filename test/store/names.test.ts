import fc from "fast-check";
import { expect, test } from "vitest";
import { findImage, removeImage } from "../../src/store/images.ts";
import { importImage } from "../../src/store/import-image.ts";
import { imagePaths } from "../../src/store/layout.ts";
import { findLoader } from "../../src/store/loaders.ts";
import { parseImageName } from "../../src/store/names.ts";
import { findPackage, removePackage } from "../../src/store/packages.ts";
import { stageImage } from "../../src/store/stage.ts";
import { failureOf, testContext } from "../packages/support.ts";
import { bootableDisk, filesBelow, fill, temporaryStore } from "./support.ts";

test.each([
  ["a", "a"],
  ["osv-loader", "osv-loader"],
  ["mike/osv-loader", "osv-loader"],
  ["A.b_c+d-1", "A.b_c+d-1"],
  ["9front", "9front"],
  ["n".repeat(200), "n".repeat(200)],
])("%s is a name", (full, base) => {
  expect(parseImageName(full)).toEqual({ full, base });
});

const BAD = [
  "",
  ".",
  "..",
  "/",
  "/x",
  "x/",
  "a//b",
  "../x",
  "x/..",
  "x/../y",
  "./x",
  "a/b/c",
  ".hidden",
  "ns/.hidden",
  "-rf",
  "ns/-x",
  "a b",
  "a\0b",
  "a\\b",
  "a:b",
  "a\nb",
  "~",
  "ü",
  "%2e%2e",
  "n".repeat(201),
];

test.each(BAD)("%j is refused by all that takes the name of an image, and touches nothing", async (name) => {
  const layout = temporaryStore();
  fill(layout.root, { "repository/x/x.qemu": bootableDisk(), "packages/p.mpm": "p", "packages/p.yaml": "p" });
  const before = filesBelow(layout.root);
  const file = `${layout.repository}/x/x.qemu`;
  const uses = [
    () => findImage(layout, name),
    () => removeImage(layout, name),
    () => stageImage(layout, name, { now: new Date() }),
    () => findLoader(layout, name, undefined),
    () => importImage(layout, { name, file }, testContext("/")),
  ];
  for (const use of uses) {
    const error = await failureOf(use);
    expect(error.code).toBe("bad-image-name");
    expect(error.exitCode).toBe(64);
    expect(error.hint).toContain("letters, digits");
    expect(error.message).not.toMatch(/\p{Cc}/u);
  }
  expect(filesBelow(layout.root)).toEqual(before);
});

test.each([...BAD, "ns/p"])("%j is refused by all that takes the name of a package", async (name) => {
  const layout = temporaryStore();
  fill(layout.root, { "packages/p.mpm": "p", "packages/p.yaml": "p" });
  expect((await failureOf(() => findPackage(layout, name))).code).toBe("bad-package-name");
  expect((await failureOf(() => removePackage(layout, name))).code).toBe("bad-package-name");
  expect(filesBelow(layout.root)).toEqual(["packages/p.mpm", "packages/p.yaml"]);
});

test("whatever passes stays below the repository", () => {
  const layout = temporaryStore();
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[a-z./-]{0,8}$/), fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(text, (name) => {
      const parsed = parseImageName(name);
      if (parsed === undefined) return;
      const { folder, image } = imagePaths(layout, parsed);
      expect(folder).toBe(`${layout.repository}/${name}`);
      expect(image.slice(folder.length + 1)).toBe(`${parsed.base}.qemu`);
      expect(name.split("/")).not.toContain("..");
    }),
    { numRuns: 300 },
  );
});
