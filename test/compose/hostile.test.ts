import { readFileSync, writeFileSync } from "node:fs";
import { deflateRawSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Sandbox, STACK } from "../support/sandbox.ts";
import { type TarMember, tar } from "./tar.ts";

const sandbox = new Sandbox();
const manifest: TarMember = { path: "/meta/package.yaml", content: "name: evil\ntitle: x\nauthor: x\n" };

beforeAll(async () => {
  sandbox.write({ "root/a/b/file": "x".repeat(5000), "root/other": "y".repeat(100_000) });
  await sandbox.ok(["compose", "victim", "root", "-l", "builtin", "-c", "/x"]);
});

afterAll(() => sandbox.remove());

/** What is wrong with the data is told as such: no stack, and not as a bug of ours. */
async function refused(args: readonly string[], cwd?: string): Promise<string> {
  const { code, stderr } = await sandbox.run(args, cwd === undefined ? {} : { cwd });
  expect(stderr).not.toMatch(STACK);
  expect(stderr).toMatch(/^Error: /m);
  expect(code).toBe(65);
  return stderr;
}

/** The same where the damage may go unnoticed: what is never right is a bug, a stack, or no end. */
async function survived(args: readonly string[]): Promise<void> {
  const { code, stderr, signal } = await sandbox.run(args);
  expect(signal).toBeNull();
  expect(stderr).not.toMatch(STACK);
  expect([0, 65, 66]).toContain(code);
}

/** Numbers that look random and are the same each time (xorshift). */
function* numbers(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield state >>> 0;
  }
}

function damaged(source: Uint8Array, seed: number, limit = source.length): Buffer {
  const bytes = Buffer.from(source);
  const random = numbers(seed * 7919 + 1);
  const next = () => random.next().value as number;
  for (let count = 1 + (next() % 8); count > 0; count--) bytes[next() % Math.min(limit, bytes.length)] = next() % 256;
  return bytes;
}

describe.concurrent("a package", () => {
  const bomb = gzipSync(tar([manifest, { path: "/zeros", content: "\0".repeat(4_000_000) }]));

  test.each<[string, Uint8Array]>([
    ["is empty", Buffer.alloc(0)],
    ["is text", Buffer.from("hello")],
    ["is gzip around nothing", gzipSync(Buffer.alloc(0))],
    ["is gzip around text", gzipSync("hello ".repeat(1000))],
    ["is cut off in its gzip", gzipSync(tar([manifest])).subarray(0, 60)],
    ["has rubbish in its gzip", Buffer.concat([gzipSync(tar([manifest])).subarray(0, 40), Buffer.alloc(200, 7)])],
    ["has a wrong checksum of gzip", Buffer.concat([gzipSync(tar([manifest])).subarray(0, -8), Buffer.alloc(8)])],
    ["is a raw deflate stream", deflateRawSync(tar([manifest]))],
    ["has no manifest", tar([{ path: "/file", content: "x" }])],
    ["has a link as its manifest", tar([{ path: "/meta/package.yaml", type: "symlink", target: "/etc/passwd" }])],
    ["has a broken manifest", tar([{ ...manifest, content: "name: [" }])],
    ["has no name", tar([{ ...manifest, content: "title: x\nauthor: x\n" }])],
    ["has a name that is a path", tar([{ ...manifest, content: "name: ../../evil\ntitle: x\nauthor: x\n" }])],
    ["has a member that is longer than the file", tar([manifest, { path: "/long", content: "x", size: 1e9 }])],
    ["has a member beyond all sizes", tar([manifest, { path: "/long", content: "x", size: 0o77777777777 }])],
    ["has a name of nothing", tar([manifest, { path: "", content: "x" }])],
    ["goes up at once", tar([manifest, { path: "/../x", content: "x" }])],
    ["goes up later", tar([manifest, { path: "/a/../../../x", content: "x" }])],
    ["has a file where a folder is", tar([manifest, { path: "/f", content: "x" }, { path: "/f/g", content: "x" }])],
    ["is not UTF-8", tar([manifest]).fill(0xff, 0, 4)],
  ])("that %s", async (what, bytes) => {
    const path = sandbox.path(`${what.replaceAll(" ", "-")}.mpm`);
    writeFileSync(path, bytes);
    expect(await refused(["package", "import", path])).toContain(path);
  });

  test.each([1, 2, 3, 4, 5, 6])("with bytes changed at random (%i)", async (seed) => {
    const path = sandbox.path(`random-${seed}.mpm`);
    const source = tar([
      { ...manifest, content: "name: rnd\ntitle: x\nauthor: x\n" },
      { path: "/a/file", content: "x".repeat(3000) },
    ]);
    writeFileSync(path, seed % 2 === 0 ? damaged(source, seed) : gzipSync(damaged(source, seed, 512)));
    await survived(["package", "import", path]);
  });

  test("of much air is read without filling the memory or the disk", async () => {
    writeFileSync(sandbox.path("bomb.mpm"), bomb);
    expect((await sandbox.run(["package", "import", "bomb.mpm"])).code).toBe(0);
  });
});

describe.concurrent("meta/run.yaml", () => {
  test.each<[string, string, RegExp]>([
    ["is no YAML", "runtime: [native\n", /meta\/run\.yaml:\d+:\d+: /],
    ["has a tab for indentation", "runtime: native\nconfig_set:\n\tdefault:\n", /run\.yaml:3:1: /],
    ["has a key twice", "runtime: native\nruntime: node\nconfig_set: {a: {bootcmd: /x}}\n", /run\.yaml:2:1: /],
    ["has unknown keys", "runtme: native\nconfig_set: {a: {bootcmd: /x}}\n", /'runtme'.*Did you mean 'runtime'/],
    [
      "has an unknown runtime",
      "runtime: nativ\nconfig_set: {a: {bootcmd: /x}}\n",
      /run\.yaml:1:10: .*Did you mean 'native'/,
    ],
    ["has a set that is a path", "runtime: native\nconfig_set: {../../x: {bootcmd: /x}}\n", /'\.\.\/\.\.\/x'/],
    ["has a base on itself", "runtime: native\nconfig_set: {a: {base: 'app:a'}}\n", /circle/],
    ["has a base on nothing", "runtime: native\nconfig_set: {a: {base: 'nope:a'}}\n", /nope/],
    [
      "grows without end by aliases",
      `a: &a [x]\n${"bcdefghijkl"
        .split("")
        .map((c, i) => `${c}: &${c} [${`*${"abcdefghijk"[i]},`.repeat(9)}]\n`)
        .join("")}`,
      /run\.yaml/,
    ],
    ["is very deep", `a: ${"[".repeat(50_000)}`, /run\.yaml/],
    ["is binary", "runtime: native\0", /control character/],
    ["has two documents", "runtime: native\n---\nruntime: node\n", /run\.yaml:\d+/],
    ["is empty", "", /run\.yaml/],
  ])("that %s", async (what, text, message) => {
    const name = what.replaceAll(" ", "-");
    const cwd = sandbox.write(
      { "meta/package.yaml": "name: app\ntitle: x\nauthor: x\n", "meta/run.yaml": text },
      sandbox.path(name),
    );
    expect(await refused(["package", "compose", name, "-l", "builtin"], cwd)).toMatch(message);
  });

  test("all problems are told at once, each with its place", async () => {
    const text = "runtime: native\nconfig_set:\n  a:\n    bootcmd: '/x \"y'\n    enw: {}\n  b:\n    env: {1A: x}\n";
    const cwd = sandbox.write(
      { "meta/package.yaml": "name: app\ntitle: x\nauthor: x\n", "meta/run.yaml": text },
      sandbox.path("many-problems"),
    );
    const stderr = await refused(["package", "compose", "many", "-l", "builtin"], cwd);
    for (const place of [4, 5, 7]) expect(stderr).toMatch(new RegExp(`meta/run\\.yaml:${place}:\\d+: `));
  });
});

describe.concurrent("meta/package.yaml and .capstanignore", () => {
  test.each<[string, Readonly<Record<string, string>>]>([
    ["a manifest that is a list", { "meta/package.yaml": "- x\n" }],
    ["a manifest that is a text", { "meta/package.yaml": "x\n" }],
    ["a manifest with a map as its name", { "meta/package.yaml": "name: {}\ntitle: x\nauthor: x\n" }],
    ["a requirement that is a path", { "meta/package.yaml": "name: a\ntitle: x\nauthor: x\nrequire: [../../x]\n" }],
    [
      "ignore patterns that are not text",
      { "meta/package.yaml": "name: a\ntitle: x\nauthor: x\n", ".capstanignore": "\0\n" },
    ],
  ])("%s", async (what, files) => {
    const cwd = sandbox.write(files, sandbox.path(what.replaceAll(" ", "-")));
    await refused(["package", "build"], cwd);
    await refused(["package", "compose", "x", "-l", "builtin", "--run", "/x"], cwd);
  });
});

describe.concurrent("an image", () => {
  const header = Buffer.alloc(512);
  header.write("QFI\xfb", 0, "latin1");
  header.writeUInt32BE(3, 4);
  header.writeUInt32BE(16, 20);
  header.writeUInt32BE(104, 100);
  const withHeader = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.concat([header, Buffer.alloc(200_000)]);
    change(bytes);
    return bytes;
  };

  test.each<[string, Uint8Array]>([
    ["is text", Buffer.from("hello ".repeat(1000))],
    ["is cut off in its header", header.subarray(0, 40)],
    ["has clusters of 2^63 bytes", withHeader((bytes) => bytes.writeUInt32BE(63, 20))],
    ["is as large as can be", withHeader((bytes) => bytes.writeBigUInt64BE(2n ** 63n, 24))],
    ["has a table of 4 G entries", withHeader((bytes) => bytes.writeUInt32BE(2 ** 32 - 1, 36))],
    ["is encrypted", withHeader((bytes) => bytes.writeUInt32BE(1, 32))],
    ["has features of the future", withHeader((bytes) => bytes.writeBigUInt64BE(1n << 40n, 72))],
    [
      "lies upon another file",
      withHeader((bytes) => {
        bytes.writeBigUInt64BE(104n, 8);
        bytes.writeUInt32BE(11, 16);
        bytes.write("/etc/passwd", 104);
      }),
    ],
  ])("that %s", async (what, bytes) => {
    const path = sandbox.path(`${what.replaceAll(" ", "-")}.qcow2`);
    writeFileSync(path, bytes);
    expect(await refused(["image", "ls", path])).not.toContain("root:");
    await refused(["import", "evil", path]);
    await survived(["image", "inspect", path]);
    expect(sandbox.files("store/repository/evil")).toEqual([]);
  });

  test.each(Array.from({ length: 12 }, (_, index) => index))("with bytes changed at random (%i)", async (seed) => {
    const source = readFileSync(sandbox.image("victim"));
    const path = sandbox.path(`random-${seed}.img`);
    // Half of them in qcow2's own tables, half anywhere in ROFS's, which lie at the end.
    const at = seed % 2 === 0 ? 0 : source.length - 8192;
    const part = damaged(source.subarray(at), seed, 4096);
    writeFileSync(path, Buffer.concat([source.subarray(0, at), part]));
    await survived(["image", "ls", "-R", path]);
    await survived(["image", "inspect", path]);
    await survived(["image", "cat", path, "/a/b/file"]);
  });
});
