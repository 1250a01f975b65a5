import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { FileTree } from "../../src/filesystems/filetree.ts";
import type { Source } from "../../src/images/file-sources.ts";
import { formatCycloneDx } from "../../src/images/sbom/cyclonedx.ts";
import { declaredPackage } from "../../src/images/sbom/declared-packages.ts";
import { takeInventory } from "../../src/images/sbom/inventory.ts";
import { packageUrl } from "../../src/images/sbom/package-url.ts";
import { formatSpdx } from "../../src/images/sbom/spdx.ts";
import { temporaryFolder, testContext } from "../packages/support.ts";
import { treeOf } from "./trees.ts";

const unknown: Source = { kind: "unknown", name: "unknown", version: undefined };

function inventory(
  tree: FileTree,
  sourceOf: (path: string) => Source = () => unknown,
  signal = new AbortController().signal,
) {
  return takeInventory(
    {
      ...{ name: "app", tree, sourceOf, distribution: "debian", created: new Date(Date.UTC(2026, 0, 2, 3, 4, 5)) },
      kernel: { name: "OSv", version: "v0.57.0", url: "pkg:github/cloudius-systems/osv@v0.57.0" },
      tool: { name: "capstan", version: "1.0" },
    },
    { ...testContext("/"), signal },
  );
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const sha1 = (text: string) => createHash("sha1").update(text).digest("hex");

test("every file is there once, with its hashes and its package", async () => {
  const { files, packages, created } = await inventory(treeOf({ "/a": "one", "/d/b": "two", "/l": "-> /a" }), (path) =>
    path === "/a" ? { kind: "package", name: "libs", version: "2.0" } : unknown,
  );
  expect(created).toBe("2026-01-02T03:04:05Z");
  expect(packages).toMatchObject([{ kind: "package", name: "libs", version: "2.0", url: "pkg:generic/libs@2.0" }]);
  expect(files).toMatchObject([
    { path: "/a", size: 3, sha1: sha1("one"), sha256: sha256("one"), package: packages[0]?.id, elf: undefined },
    { path: "/d/b", size: 3, sha256: sha256("two"), package: undefined },
  ]);
});

test("a file that is all but endless can be interrupted", async () => {
  const ending = new AbortController();
  const vast = { type: "file", mode: 0o644, mtime: 0, origin: "x", size: 2 ** 50 } as const;
  const device = { size: vast.size, read: (target: Uint8Array) => void target.fill(0) };
  const tree = treeOf({});
  tree.children.set("vast", { ...vast, content: { kind: "device", device, offset: 0 } });
  setTimeout(() => ending.abort(), 20);
  await expect(inventory(tree, undefined, ending.signal)).rejects.toMatchObject({ code: "interrupted" });
});

test("a distribution's package whose files have changed on this machine is doubted", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "same"), "one");
  writeFileSync(join(folder, "other"), "TWO");
  const of = (path: string): Source => {
    const from = join(folder, path === "/a" ? "same" : "other");
    return { kind: "distribution", name: path.slice(1), version: "1", manager: "dpkg", path: from };
  };
  const { packages } = await inventory(treeOf({ "/a": "one", "/b": "two" }), of);
  expect(packages.map(({ name, comment }) => [name, comment === undefined])).toEqual([
    ["a", true],
    ["b", false],
  ]);
});

const library = "/lib/x86_64-linux-gnu/libc.so.6";
test.skipIf(!existsSync(library) || !existsSync("/usr/bin/env"))("what an ELF file loads is told", async () => {
  const tree = treeOf({ "/bin/env": readFileSync("/usr/bin/env"), "/lib/libc.so.6": readFileSync(library) });
  const { files } = await inventory(tree);
  const [program, libc] = files;
  expect(libc?.elf).toMatchObject({
    isLibrary: true,
    soname: "libc.so.6",
    buildId: expect.stringMatching(/^[0-9a-f]+$/),
  });
  expect(program?.elf).toMatchObject({ isLibrary: false, loads: [libc?.id] });
});

test("a damaged ELF file is a file like any other", async () => {
  const { files } = await inventory(treeOf({ "/bad.so": "\x7fELF and no more" }));
  expect(files).toMatchObject([{ path: "/bad.so", elf: undefined }]);
});

test.each<[string, string, object | undefined]>([
  [
    "/app/node_modules/left-pad/package.json",
    '{"name":"left-pad","version":"1.3.0"}',
    { kind: "npm", name: "left-pad", version: "1.3.0" },
  ],
  ["/node_modules/@a/b/package.json", '{"name":"@a/b","version":"2"}', { kind: "npm", name: "@a/b" }],
  ["/node_modules/x/test/package.json", '{"name":"fixture","version":"1"}', undefined],
  ["/node_modules/x/package.json", '{"private":true}', undefined],
  ["/node_modules/x/package.json", "[", undefined],
  ["/package.json", '{"name":"own","version":"1"}', undefined],
  [
    "/p/Flask-2.0.dist-info/METADATA",
    "Metadata-Version: 2.1\nName: Flask\nVersion: 2.0\n\nName: no\n",
    { kind: "pypi", name: "Flask", version: "2.0" },
  ],
  ["/p/x.dist-info/METADATA", "Metadata-Version: 2.1\n\nName: body\n", undefined],
  ["/p/x.dist-info/METADATA", "Name: bad\u0000name here\n", undefined],
  ["/p/x.dist-info/METADATA", "Name: \t Flask \r\n", { kind: "pypi", name: "Flask" }],
  // Blanks are nothing to go back and forth over.
  ["/p/x.dist-info/METADATA", `Name: a${" ".repeat(900_000)}b\n`, undefined],
])("%s with %j", (path, text, expected) => {
  const entry = treeOf({ "/f": text }).children.get("f");
  if (entry?.type !== "file") throw new Error("it is a file");
  const found = declaredPackage(path, entry);
  if (expected === undefined) expect(found).toBeUndefined();
  else expect(found).toMatchObject(expected);
});

test.each([
  [
    { kind: "distribution", name: "libssl3", version: "1:3.0+b1", manager: "dpkg", distribution: "debian" },
    "pkg:deb/debian/libssl3@1%3A3.0%2Bb1",
  ],
  [
    { kind: "distribution", name: "musl", version: "1.2", manager: "apk", distribution: undefined },
    "pkg:apk/alpine/musl@1.2",
  ],
  [{ kind: "npm", name: "@a/b", version: "1", distribution: undefined }, "pkg:npm/%40a/b@1"],
  [{ kind: "pypi", name: "Foo_Bar", version: undefined, distribution: undefined }, "pkg:pypi/foo-bar"],
  [{ kind: "host", name: "x", version: undefined, distribution: undefined }, undefined],
] as const)("%j is %s", (input, url) => {
  expect(packageUrl(input)).toBe(url);
});

const sample = () =>
  inventory(treeOf({ "/a": "one", "/a2": "one more", "/b": "two" }), (path) =>
    path.startsWith("/a") ? { kind: "project", name: "app", version: undefined } : unknown,
  );

test("SPDX: every element that is named in a relationship is there, and nothing is there twice", async () => {
  const document = formatSpdx(await sample()) as {
    packages: { SPDXID: string }[];
    files: { SPDXID: string; fileName: string; checksums: object[] }[];
    relationships: { spdxElementId: string; relationshipType: string; relatedSpdxElement: string }[];
  };
  const ids = [
    "SPDXRef-DOCUMENT",
    ...document.packages.map(({ SPDXID }) => SPDXID),
    ...document.files.map(({ SPDXID }) => SPDXID),
  ];
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/);
  for (const { spdxElementId, relatedSpdxElement } of document.relationships) {
    expect(ids).toContain(spdxElementId);
    expect(ids).toContain(relatedSpdxElement);
  }
  expect(document.files[0]).toMatchObject({
    fileName: "./a",
    checksums: [
      { algorithm: "SHA1", checksumValue: sha1("one") },
      { algorithm: "SHA256", checksumValue: sha256("one") },
    ],
  });
  expect(document).toMatchObject({ spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT" });
});

test("SPDX: only what contains files is analysed, and has their sum", async () => {
  const document = formatSpdx(await sample()) as {
    packages: { name: string; filesAnalyzed: boolean; packageVerificationCode?: object }[];
  };
  expect(document.packages.map((one) => [one.filesAnalyzed, one.packageVerificationCode])).toEqual([
    [true, { packageVerificationCodeValue: sha1(sha1("two")) }],
    [false, undefined],
    [true, { packageVerificationCodeValue: sha1([sha1("one"), sha1("one more")].sort().join("")) }],
  ]);
});

test("CycloneDX: references lead to components, and files lie in their packages", async () => {
  interface Component {
    "bom-ref": string;
    name: string;
    components?: Component[];
  }
  const bill = formatCycloneDx(await sample()) as {
    components: Component[];
    metadata: { component: Component };
    dependencies: { ref: string; dependsOn: string[] }[];
  };
  const all = [bill.metadata.component, ...bill.components].flatMap((one) => [one, ...(one.components ?? [])]);
  const refs = all.map((one) => one["bom-ref"]);
  expect(new Set(refs).size).toBe(refs.length);
  for (const { ref, dependsOn } of bill.dependencies)
    for (const one of [ref, ...dependsOn]) expect(refs).toContain(one);
  expect(bill.components.find(({ name }) => name === "app")?.components?.map(({ name }) => name)).toEqual([
    "/a",
    "/a2",
  ]);
  expect(bill).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.5", version: 1 });
});

test.each([formatSpdx, formatCycloneDx])("the same image at the same time gives the same text", async (format) => {
  expect(JSON.stringify(format(await sample()))).toBe(JSON.stringify(format(await sample())));
});
