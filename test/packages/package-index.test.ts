import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { emitContents } from "../../src/filesystems/content.ts";
import type { FileEntry } from "../../src/filesystems/filetree.ts";
import { walk } from "../../src/filesystems/tree-walk.ts";
import { cachedIndexPath } from "../../src/packages/index-cache.ts";
import {
  arrivingIndex,
  type PackageIndex,
  packageManifest,
  packageStream,
  packageTree,
  readPackageIndex,
} from "../../src/packages/package-index.ts";
import { lacksProgram, testUnless } from "../support/machine.ts";
import { failureOf, manifestOf, temporaryFolder, testContext, writeFiles } from "./support.ts";
import { end, file, header } from "./tar/tar-fixtures.ts";

function read(path: string, cacheFolder?: string): Promise<PackageIndex> {
  return readPackageIndex(path, { cacheFolder, context: testContext("/") });
}

function archiveOf(...parts: readonly Uint8Array[]): string {
  const path = join(temporaryFolder(), "p.mpm");
  writeFileSync(path, gzipSync(Buffer.concat([...parts, end()])));
  return path;
}

async function contentsOf(index: PackageIndex): Promise<Record<string, string>> {
  const found: [string, FileEntry][] = [];
  for (const { path, entry } of walk(packageTree(index, "p"))) if (entry.type === "file") found.push([path, entry]);
  const chunks: string[][] = found.map(() => []);
  const files = found.map(([, entry]) => entry);
  await emitContents(files, { write: (at, chunk) => void chunks[at]?.push(Buffer.from(chunk).toString()) });
  return Object.fromEntries(found.map(([path], at) => [path, (chunks[at] ?? []).join("")]));
}

const META = [
  file("/meta/package.yaml", manifestOf("p")),
  file("/meta/run.yaml", "runtime: native\n"),
  file("/meta/README.md", "read\n"),
];

describe("while it arrives", () => {
  const bytes = gzipSync(Buffer.concat([...META, file("/big", "0123456789".repeat(300_000)), end()]));
  const limited = (env = {}) => arrivingIndex(testContext("/", { env }));
  const stored = (content: Uint8Array) => {
    const path = join(temporaryFolder(), "p.mpm");
    writeFileSync(path, content);
    return path;
  };
  const feed = async (index: ReturnType<typeof arrivingIndex>, content: Uint8Array, step = 1000) => {
    for (let at = 0; at < content.length; at += step) {
      // Whoever feeds it uses the buffer again.
      const chunk = Uint8Array.from(content.subarray(at, at + step));
      await index.take(chunk);
      chunk.fill(0xff);
    }
  };

  test.each([1, 100, bytes.length])("the index is that of the file, in steps of %i", async (step) => {
    const index = limited();
    index.restart();
    await feed(index, bytes.subarray(0, 500), step);
    index.restart();
    await feed(index, bytes, step);
    const path = stored(bytes);
    expect(await index.indexOf(path)).toEqual(await read(path));
    expect(await index.indexOf(path)).toBeUndefined();
  });

  const plain = Buffer.concat([...META, end()]);
  const broken = Buffer.from(bytes).fill(1, 300, 400);
  test.each([
    ["is cut off", bytes.subarray(0, -20), bytes.subarray(0, -20)],
    ["is damaged", broken, broken],
    ["has junk behind it", Buffer.concat([bytes, Buffer.from("junk")]), Buffer.concat([bytes, Buffer.from("junk")])],
    ["is not packed", plain, plain],
    ["is shorter than what came", bytes, bytes.subarray(0, -1)],
    ["is empty", Buffer.alloc(0), Buffer.alloc(0)],
  ])("what %s has to be read from its place", async (_, came, there) => {
    const index = limited();
    index.restart();
    await feed(index, came);
    expect(await index.indexOf(stored(there))).toBeUndefined();
  });

  test("zeros behind it are padding", async () => {
    const padded = Buffer.concat([bytes, Buffer.alloc(100_000)]);
    const index = limited();
    index.restart();
    await feed(index, padded);
    const path = stored(padded);
    expect(await index.indexOf(path)).toEqual(await read(path));
  });

  test("nothing came, since somebody else fetched it; or it was given up; or it unpacks to too much", async () => {
    expect(await limited().indexOf(stored(bytes))).toBeUndefined();
    const given = limited();
    given.restart();
    await given.take(bytes);
    given.close();
    expect(await given.indexOf(stored(bytes))).toBeUndefined();
    const large = limited({ CAPSTAN_UNPACK_LIMIT: "1M" });
    large.restart();
    await feed(large, bytes);
    expect(await large.indexOf(stored(bytes))).toBeUndefined();
  });
});

describe("packages of every make", () => {
  const files = {
    "meta/package.yaml": manifestOf("p"),
    "bin/app": "application",
    "etc/name with ü": "1",
    [`${"d".repeat(90)}/${"f".repeat(200)}`]: "long",
  };
  const makes: [string, string[]][] = [
    ["GNU tar, names as ./a", ["czf", "p.mpm", "-C", "in", "."]],
    ["GNU tar, names as a", ["czf", "p.mpm", "-C", "in", "meta", "bin", "etc", "d".repeat(90)]],
    ["GNU tar, names as /a", ["czf", "p.mpm", "-P", "--transform=s,^\\./*,/,S", "-C", "in", "."]],
    ["GNU tar, PAX", ["czf", "p.mpm", "--format=pax", "-C", "in", "."]],
    ["GNU tar, old GNU", ["czf", "p.mpm", "--format=oldgnu", "-C", "in", "."]],
    ["GNU tar, not compressed", ["cf", "p.mpm", "-C", "in", "."]],
  ];

  test.each(makes)("%s", async (_, args) => {
    const folder = temporaryFolder();
    writeFiles(join(folder, "in"), files);
    symlinkSync("../bin/app", join(folder, "in/etc/link"));
    execFileSync("tar", args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    const index = await read(join(folder, "p.mpm"));
    expect(packageManifest(index).name).toBe("p");
    const { "meta/package.yaml": _manifest, ...content } = files;
    expect(await contentsOf(index)).toEqual(Object.fromEntries(Object.entries(content).map(([k, v]) => [`/${k}`, v])));
    expect(index.entries.find(({ path }) => path === "etc/link")).toMatchObject({ target: "../bin/app" });
  });

  for (const format of ["USTAR_FORMAT", "GNU_FORMAT", "PAX_FORMAT"])
    testUnless(lacksProgram("python3"))(`Python's tarfile, ${format}`, async () => {
      const folder = temporaryFolder();
      writeFiles(join(folder, "in"), files);
      const script = `
import sys, tarfile
with tarfile.open("p.mpm", "w:gz", format=tarfile.${format}) as t:
    t.add("in", arcname="/")`;
      const short = format === "USTAR_FORMAT" ? join(folder, "in", "d".repeat(90)) : undefined;
      if (short !== undefined) renameSync(short, join(folder, "elsewhere"));
      execFileSync("python3", ["-c", script], { cwd: folder });
      const contents = await contentsOf(await read(join(folder, "p.mpm")));
      expect(contents["/bin/app"]).toBe("application");
      expect(Object.keys(contents)).toHaveLength(format === "USTAR_FORMAT" ? 2 : 3);
    });
});

describe("the tree of a package", () => {
  test("has all but meta, with modes, targets and extents", async () => {
    const index = await read(
      archiveOf(
        ...META,
        header({ name: "/", type: "5", mode: "0000711\0" }),
        file("/metadata", "stays"),
        header({ name: "/usr/lib/", type: "5", mode: "0000750\0" }),
        file("/usr/lib/x.so", "xyz", { mode: "0000755\0" }),
        header({ name: "/l", type: "2", linkName: "/proc/mounts" }),
      ),
    );
    const tree = packageTree(index, "osv.p");
    expect(tree).toMatchObject({ mode: 0o711, origin: "osv.p" });
    expect([...walk(tree)].map(({ path }) => path)).toEqual(["/l", "/metadata", "/usr", "/usr/lib", "/usr/lib/x.so"]);
    expect([...walk(tree)].at(-1)?.entry).toMatchObject({
      type: "file",
      mode: 0o755,
      size: 3,
      origin: "osv.p",
      content: { kind: "extent", offset: 6 * 512 + 512 + 1024 + 512 + 512 },
    });
    expect(await contentsOf(index)).toEqual({ "/metadata": "stays", "/usr/lib/x.so": "xyz" });
  });

  test("the texts of meta are at hand", async () => {
    const index = await read(archiveOf(...META));
    expect(index).toMatchObject({
      manifestText: manifestOf("p"),
      runConfigText: "runtime: native\n",
      readmeText: "read\n",
    });
    expect(await contentsOf(index)).toEqual({});
  });

  test("a package without a manifest inside can be read, and not be taken for one that has it", async () => {
    const index = await read(archiveOf(file("a", "1")));
    expect(index.manifestText).toBeUndefined();
    expect((await failureOf(() => packageManifest(index))).code).toBe("package-without-manifest");
  });

  test("a manifest that is a link is refused", async () => {
    const path = archiveOf(header({ name: "/meta/package.yaml", type: "2", linkName: "/etc/passwd" }));
    expect((await failureOf(() => read(path))).message).toContain("'/meta/package.yaml' is a link");
  });

  test("opening the archive fails when it is another one by now", async () => {
    const path = archiveOf(...META, file("a", "1"));
    const index = await read(path);
    appendFileSync(path, Buffer.alloc(1));
    const open = async () => {
      for await (const _ of packageStream(index).open());
    };
    expect((await failureOf(open)).code).toBe("archive-changed");
  });
});

test("D5: hostile packages are refused by name, and nothing is written anywhere", async () => {
  const outside = temporaryFolder();
  const hostile: [string, Uint8Array[]][] = [
    ["../evil", [file("../evil", "x")]],
    ["/a/../../evil", [file("/a/../../evil", "x")]],
    ["/door/evil", [header({ name: "/door", type: "2", linkName: outside }), file("/door/evil", "x")]],
    ["/h", [header({ name: "/h", type: "1", linkName: "/etc/passwd" })]],
  ];
  for (const [name, parts] of hostile) {
    const path = archiveOf(...META, ...parts);
    const error = await failureOf(() => read(path));
    expect(error.code).toBe("archive-unsafe-entry");
    expect(error.message).toContain(path);
    expect(error.message).toContain(`'${name}'`);
  }
  expect(readdirSync(outside)).toEqual([]);
});

describe("the cache of indexes", () => {
  async function prepared() {
    const cache = join(temporaryFolder(), "cache");
    const path = archiveOf(
      ...META,
      header({ name: "l", type: "2", linkName: "a" }),
      file("a", "12"),
      header({ name: "d", type: "5" }),
    );
    const index = await read(path, cache);
    return { cache, path, index, cached: cachedIndexPath(cache, path) };
  }

  test("gives the same index without unpacking", async () => {
    const { cache, path, index, cached } = await prepared();
    // That it is the cache which answers shows when it says something else than the archive.
    writeFileSync(cached, readFileSync(cached, "utf8").replace('"read\\n"', '"cached\\n"'));
    expect(await read(path, cache)).toEqual({ ...index, readmeText: "cached\n" });
  });

  test("forgets when the archive changes", async () => {
    const { cache, path, cached } = await prepared();
    writeFileSync(path, gzipSync(Buffer.concat([file("new", "1"), end()])));
    expect((await read(path, cache)).entries).toMatchObject([{ path: "new" }]);
    expect(JSON.parse(readFileSync(cached, "utf8"))).toMatchObject({ entries: [["new", 0o644, 0, 1, 512]] });
    expect(readdirSync(cache)).toHaveLength(1);
  });

  test.each<[string, (text: string) => string]>([
    ["cut off", (text) => text.slice(0, -10)],
    ["empty", () => ""],
    ["null", () => "null"],
    ["of another schema", (text) => text.replace('"schema":1', '"schema":0')],
    ["of another archive", (text) => text.replace('"path":"', '"path":"/x')],
    ["with a path that leads out", (text) => text.replace('["a",', '["../a",')],
    ["with a path twice", (text) => text.replace('["d",', '["a",')],
    ["with an entry below a link", (text) => text.replace('["a",', '["l/a",')],
    ["with a mode that is none", (text) => text.replace('["a",420', '["a",-1')],
    ["with a size that is none", (text) => text.replace(/(\["a",420,0,)2/, "$11e99")],
    ["with a row too short", (text) => text.replace(/\["a",420,0,.*?\]/, '["a",420]')],
    ["without texts", (text) => text.replace('"readmeText"', '"other"')],
  ])("is passed over and made again when it is %s", async (_, spoil) => {
    const { cache, path, index, cached } = await prepared();
    const good = readFileSync(cached, "utf8");
    expect(spoil(good)).not.toBe(good);
    writeFileSync(cached, spoil(good));
    expect(await read(path, cache)).toEqual(index);
    expect(readFileSync(cached, "utf8")).toBe(good);
  });

  test("that cannot be written is no error, and told with --verbose", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "cache"), "a file in its place");
    const context = testContext("/");
    const path = archiveOf(...META);
    expect((await readPackageIndex(path, { cacheFolder: join(folder, "cache"), context })).entries).toHaveLength(3);
    expect(context.events).toMatchObject([{ kind: "detail", text: expect.stringContaining(path) }]);
  });

  test("a damaged archive leaves none", async () => {
    const cache = join(temporaryFolder(), "cache");
    mkdirSync(cache);
    await failureOf(() => read(archiveOf(file("../x")), cache));
    expect(readdirSync(cache)).toEqual([]);
    expect(existsSync(cache)).toBe(true);
  });
});

test("entries that stand in the archive twice are told with --verbose", async () => {
  const context = testContext("/");
  const index = await readPackageIndex(archiveOf(...META, file("a", "1"), file("a", "22")), { context });
  expect(index.repeated).toEqual(["a"]);
  expect(await contentsOf(index)).toEqual({ "/a": "22" });
  expect(context.events).toMatchObject([{ kind: "detail", text: expect.stringContaining("'/a'") }]);
});
