import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { additionOf, addToRepository } from "../../src/hosting/add-to-repository.ts";
import { checkRepository } from "../../src/hosting/check-repository.ts";
import { mirror, nameFilter } from "../../src/hosting/mirror.ts";
import { githubRemote } from "../../src/remotes/github/remote.ts";
import { indexRemote } from "../../src/remotes/index/remote.ts";
import type { Remote } from "../../src/remotes/remote.ts";
import { s3Remote } from "../../src/remotes/s3/remote.ts";
import { temporaryFolder, testContext, writeFiles } from "../packages/support.ts";
import { bootableDisk, filesBelow } from "../store/support.ts";
import { sha256 } from "../support/sandbox.ts";
import { ALL, emptyRepository, makePackage, offered, served } from "./support.ts";

const ARCHES = ["x86_64", "aarch64"];

async function source() {
  const { dir, context } = emptyRepository();
  const folder = temporaryFolder();
  writeFiles(folder, { "disk.img": bootableDisk(), "disk.elf": "\x7fELF kernel" });
  const packages = [
    await makePackage("osv.hello", { version: "1.0" }),
    await makePackage("osv.hello", { version: "2.0", require: ["osv.libz"] }),
    await makePackage("osv.libz", { suffix: ".x86_64" }),
    await makePackage("other"),
  ];
  const image = {
    kind: "image",
    name: "osv-loader",
    disk: join(folder, "disk.img"),
    kernel: join(folder, "disk.elf"),
    meta: { version: "0.57.0", description: "A loader" },
  } as const;
  await addToRepository(dir, [...packages.map((file) => additionOf(file)), image], {}, context);
  return { dir, context };
}

const remotes: readonly [string, (url: string) => Remote][] = [
  ["index", (url) => indexRemote({ name: "r", url, keys: [], cacheFolder: temporaryFolder() })],
  ["s3", (url) => s3Remote({ name: "r", url, cacheFolder: temporaryFolder() })],
  [
    "github",
    (url) =>
      githubRemote({
        name: "r",
        apiUrl: url,
        repository: "any/thing",
        releaseTag: "any",
        cacheFolder: temporaryFolder(),
      }),
  ],
];

describe.each(remotes)("a served repository as a remote of the kind %s", (kind, remoteOf) => {
  test("offers all, with what it requires", async () => {
    const { dir } = await source();
    const { url } = await served(dir);
    const older = kind === "index" ? ["osv.hello 1.0"] : [];
    const names = await offered(remoteOf(url));
    expect([...names].sort()).toEqual(
      ["image osv-loader 0.57.0", ...older, "osv.hello 2.0 osv.libz", "osv.libz 1.0", "other 1.0"].sort(),
    );
    expect(await remoteOf(url).packages({ ...ALL, names: ["osv.libz"] }, testContext("/"))).toMatchObject([
      { name: "osv.libz", archive: { size: expect.any(Number), gzip: false } },
    ]);
  });

  test("is mirrored whole, and the second time nothing is fetched", async () => {
    const { dir } = await source();
    const { url } = await served(dir);
    const { dir: copy, context } = emptyRepository();
    const options = { filters: [], arches: ARCHES, replace: false };
    const result = await mirror(remoteOf(url), copy, options, context);
    expect(result.failed).toEqual([]);
    expect((await checkRepository(copy, { keys: [] }, context)).findings).toEqual([]);
    for (const name of ["osv.hello.mpm", "osv.hello.yaml", "osv.libz.mpm.x86_64", "other.mpm"]) {
      expect(sha256(join(copy, "packages", name))).toBe(sha256(join(dir, "packages", name)));
    }
    const again = await mirror(remoteOf(url), copy, options, context);
    expect(again).toMatchObject({
      fetched: [],
      failed: [],
      unchanged: result.fetched.length,
      index: { changed: false },
    });
    expect(filesBelow(join(copy, ".capstan", "downloads"))).toEqual([]);
  });
});

describe("repo mirror", () => {
  test("keeps all versions and the bytes of images, so that the indexes agree", async () => {
    const { dir } = await source();
    const { url } = await served(dir);
    const { dir: copy, context } = emptyRepository();
    const [, remoteOf] = remotes[0] ?? [];
    await mirror(remoteOf?.(url) as Remote, copy, { filters: [], arches: ARCHES, replace: false }, context);
    const index = (folder: string) => JSON.parse(readFileSync(join(folder, "index.json"), "utf8"));
    expect(index(copy)).toEqual(index(dir));
  });

  test("what is damaged on the way does not come in, and holds up nothing else", async () => {
    const { dir } = await source();
    writeFileSync(join(dir, "packages/other.mpm"), readFileSync(join(dir, "packages/other.mpm")).fill(1, 20, 40));
    const { url } = await served(dir);
    const { dir: copy, context } = emptyRepository();
    const remote = remotes[0]?.[1](url) as Remote;
    const { failed, fetched } = await mirror(remote, copy, { filters: [], arches: ARCHES, replace: false }, context);
    expect(failed).toMatchObject([{ kind: "package", name: "other", version: "1.0" }]);
    expect(fetched).toHaveLength(4);
    expect(existsSync(join(copy, "packages/other.mpm"))).toBe(false);
    expect(existsSync(join(copy, "packages/other.yaml"))).toBe(false);
  });

  test("a change under the same version is told, and taken only when that is allowed", async () => {
    const { dir, context } = await source();
    const { url } = await served(dir);
    const { dir: copy } = emptyRepository();
    const run = (replace: boolean) =>
      mirror(remotes[0]?.[1](url) as Remote, copy, { filters: ["other"], arches: ARCHES, replace }, context);
    await run(false);
    const changed = await makePackage("other", { files: { new: "1" } });
    await addToRepository(dir, [additionOf(changed)], { replace: true }, context);
    expect((await run(false)).failed).toMatchObject([
      { name: "other", problem: expect.stringContaining("has another package") },
    ]);
    expect((await run(true)).fetched).toMatchObject([{ name: "other" }]);
    expect(sha256(join(copy, "packages/other.mpm"))).toBe(sha256(changed));
  });
});

test.each([
  [[], "anything", true],
  [["osv"], "my.osv.thing", true],
  [["osv."], "other", false],
  [["osv.*"], "osv.hello", true],
  [["osv.*"], "my.osv.hello", false],
  [["*.js"], "node.js", true],
  [["a*b*c"], "a-b-b-c", true],
  [["a*b"], "ab", true],
  [["ab*ba"], "aba", false],
  [["x", "osv.*"], "osv.y", true],
  [["*"], "", true],
])("the filters %j let %s pass: %s", (filters, name, expected) => {
  expect(nameFilter(filters)(name)).toBe(expected);
});
