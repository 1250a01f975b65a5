import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DirectoryEntry, FileEntry, FileTree, LinkEntry } from "../../../src/filesystems/filetree.ts";
import { createTree, insert } from "../../../src/filesystems/tree-builder.ts";
import { createGzipFile } from "../../../src/packages/tar/gzip-file.ts";
import { readTar } from "../../../src/packages/tar/reader.ts";
import { splitName, writeTar } from "../../../src/packages/tar/writer.ts";
import { hostPath } from "../../../src/support/host-paths.ts";
import { lacksProgram, testUnless } from "../../support/machine.ts";
import { failureOf, temporaryFolder } from "../support.ts";
import { chunked } from "./tar-fixtures.ts";

const base = { mode: 0o644, mtime: 1, origin: "test" };

function bytesFile(content: string | Uint8Array, mode = 0o644): FileEntry {
  const bytes = Buffer.from(content);
  return { ...base, mode, type: "file", size: bytes.length, content: { kind: "bytes", bytes } };
}

function link(target: string): LinkEntry {
  return { ...base, type: "symlink", target };
}

function directory(mode = 0o755): DirectoryEntry {
  return { ...base, mode, type: "directory", children: new Map() };
}

function treeOf(entries: Readonly<Record<string, FileEntry | LinkEntry | DirectoryEntry>>): FileTree {
  const tree = createTree();
  for (const [path, entry] of Object.entries(entries)) insert(tree, path, entry);
  return tree;
}

async function tarOf(tree: FileTree, mtime = 0): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await writeTar(tree, { mtime, write: async (chunk) => void chunks.push(Buffer.from(chunk)) });
  return Buffer.concat(chunks);
}

const LONG = "n".repeat(120);
const SAMPLE = treeOf({
  "usr/lib/x.so": bytesFile("library", 0o4511),
  "usr/lib-more": bytesFile(""),
  "usr/lib.txt": bytesFile("x".repeat(1025)),
  "usr/lib/l": link("/usr/../lib/x.so"),
  empty: directory(0o700),
  "Üml/äöü 日本 😀": bytesFile("utf-8"),
  "a b\n'\"\\": bytesFile("odd"),
  [`deep/${LONG}/${LONG}/${LONG}`]: bytesFile("long"),
  [`p/${"q".repeat(99)}/${"r".repeat(60)}`]: bytesFile("prefix"),
  "to-long": link(`/${LONG}`),
  "to-ü": link("ü"),
  "to-\udcff": link("\udcff/ü"),
  "caf\udce9/😀\udc80": bytesFile("latin"),
});

test("names are absolute, sorted, a directory before what it holds; owner, time and modes are fixed", async () => {
  const tar = await tarOf(
    treeOf({ "b/z": bytesFile("z", 0o4711), "b/a": link("/c"), b: directory(0o700), a: bytesFile("", 0o600) }),
    86_400,
  );
  const listing = execFileSync("tar", ["tvf", "-", "--full-time", "--utc", "-P"], { input: tar, encoding: "utf8" });
  expect(listing.replaceAll(/ +/g, " ").trim().split("\n")).toEqual([
    "drwxr-xr-x 0/0 0 1970-01-02 00:00:00 /",
    "-rw-r--r-- 0/0 0 1970-01-02 00:00:00 /a",
    "drwxr-xr-x 0/0 0 1970-01-02 00:00:00 /b/",
    "lrwxrwxrwx 0/0 0 1970-01-02 00:00:00 /b/a -> /c",
    "-rwxr-xr-x 0/0 1 1970-01-02 00:00:00 /b/z",
  ]);
});

test("our reader reads what our writer writes", async () => {
  const tar = await tarOf(SAMPLE, 7);
  expect(tar.length % 512).toBe(0);
  const { entries, contents } = await readTar(chunked(tar), { name: "t", wanted: () => true });
  const shown = entries.map((entry) => {
    if (entry.type === "symlink") return `${entry.path} -> ${entry.target}`;
    if (entry.type === "directory") return `${entry.path}/`;
    expect(tar.subarray(entry.offset, entry.offset + entry.size)).toEqual(Buffer.from(contents.get(entry.path) ?? []));
    return `${entry.path} ${entry.mode.toString(8)} ${Buffer.from(contents.get(entry.path) ?? [])
      .toString()
      .slice(0, 8)}`;
  });
  expect(shown).toEqual([
    "/",
    "a b\n'\"\\ 644 odd",
    "caf\udce9/",
    "caf\udce9/😀\udc80 644 latin",
    "deep/",
    `deep/${LONG}/`,
    `deep/${LONG}/${LONG}/`,
    `deep/${LONG}/${LONG}/${LONG} 644 long`,
    "empty/",
    "p/",
    `p/${"q".repeat(99)}/`,
    `p/${"q".repeat(99)}/${"r".repeat(60)} 644 prefix`,
    `to-long -> /${LONG}`,
    "to-ü -> ü",
    "to-\udcff -> \udcff/ü",
    "usr/",
    "usr/lib/",
    "usr/lib/l -> /usr/../lib/x.so",
    "usr/lib/x.so 755 library",
    "usr/lib-more 644 ",
    "usr/lib.txt 644 xxxxxxxx",
    "Üml/",
    "Üml/äöü 日本 😀 644 utf-8",
  ]);
});

test("GNU tar unpacks it to the same files", async () => {
  const folder = temporaryFolder();
  execFileSync("tar", ["xf", "-", "-C", folder], { input: await tarOf(SAMPLE), stdio: ["pipe", "pipe", "pipe"] });
  expect(readFileSync(join(folder, "Üml/äöü 日本 😀"), "utf8")).toBe("utf-8");
  expect(readFileSync(join(folder, "deep", LONG, LONG, LONG), "utf8")).toBe("long");
  expect(readFileSync(join(folder, "p", "q".repeat(99), "r".repeat(60)), "utf8")).toBe("prefix");
  expect(readFileSync(join(folder, "usr/lib.txt"), "utf8")).toBe("x".repeat(1025));
  expect(readFileSync(hostPath(join(folder, "caf\udce9/😀\udc80")), "utf8")).toBe("latin");
  expect(readlinkSync(hostPath(join(folder, "to-\udcff")), "buffer")).toEqual(Buffer.from("\xff/\xc3\xbc", "latin1"));
});

testUnless(lacksProgram("python3"))("Python's tarfile reads it, PAX where needed and nowhere else", async () => {
  const path = join(temporaryFolder(), "t.tar");
  writeFileSync(path, await tarOf(SAMPLE, 9));
  const script = `
import json, sys, tarfile
t = tarfile.open(sys.argv[1], errorlevel=2)
print(json.dumps([[m.name, m.type.decode(), m.size, m.mode, m.uid, m.uname, m.mtime, m.linkname, sorted(m.pax_headers)] for m in t]))`;
  const members = JSON.parse(execFileSync("python3", ["-c", script, path], { encoding: "utf8" })) as unknown[][];
  const by = new Map(members.map((member) => [member[0], member]));
  expect(by.get("/usr/lib/l")).toEqual(["/usr/lib/l", "2", 0, 0o777, 0, "", 9, "/usr/../lib/x.so", []]);
  expect(by.get("/Üml/äöü 日本 😀")).toEqual(["/Üml/äöü 日本 😀", "0", 5, 0o644, 0, "", 9, "", ["path"]]);
  expect(by.get("/caf\udce9/😀\udc80")?.[8]).toEqual(["hdrcharset", "path"]);
  expect(by.get("/to-\udcff")?.[7]).toBe("\udcff/ü");
  expect(by.get("/to-long")).toEqual(["/to-long", "2", 0, 0o777, 0, "", 9, `/${LONG}`, ["linkpath"]]);
  expect(by.get(`/p/${"q".repeat(99)}/${"r".repeat(60)}`)?.[8]).toEqual([]);
  expect(members).toHaveLength(23);
});

test("any tree comes back from the reader", async () => {
  const name = fc
    .string({ unit: "grapheme", minLength: 1, maxLength: 80 })
    .filter((text) => !/[/\0]|^\.\.?$/.test(text));
  const path = fc.array(name, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/"));
  const leaf = fc.oneof(fc.uint8Array({ maxLength: 1200 }), name);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(path, leaf), { maxLength: 12 }), async (leaves) => {
      const wanted = new Map<string, Uint8Array | string>();
      for (const [at, value] of leaves) {
        const clash = [...wanted.keys()].some(
          (other) => `${other}/`.startsWith(`${at}/`) || `${at}/`.startsWith(`${other}/`),
        );
        if (!clash) wanted.set(at, value);
      }
      const tree = createTree();
      for (const [at, value] of wanted) insert(tree, at, typeof value === "string" ? link(value) : bytesFile(value));
      const tar = await tarOf(tree);
      const { entries, contents } = await readTar(chunked(tar, 1000), { name: "t", wanted: () => true });
      const found = new Map<string, Uint8Array | string>();
      for (const entry of entries) {
        if (entry.type === "symlink") found.set(entry.path, entry.target);
        if (entry.type === "file") found.set(entry.path, contents.get(entry.path) ?? "missing");
      }
      const plain = (map: Map<string, Uint8Array | string>) =>
        [...map].map(([at, value]) => [at, typeof value === "string" ? value : [...value]]).sort();
      expect(plain(found)).toEqual(plain(wanted));
    }),
    { numRuns: 60 },
  );
});

describe("names in ustar", () => {
  test.each<[string, { name: string; prefix: string } | undefined]>([
    [`/${"a".repeat(99)}`, { name: `/${"a".repeat(99)}`, prefix: "" }],
    [`/${"a".repeat(100)}`, undefined],
    [`/b/${"a".repeat(100)}`, { name: "a".repeat(100), prefix: "/b" }],
    [`/b/${"a".repeat(99)}/`, { name: `${"a".repeat(99)}/`, prefix: "/b" }],
    [`/b/${"a".repeat(100)}/`, undefined],
    [`/${"b".repeat(154)}/${"a".repeat(100)}`, { name: "a".repeat(100), prefix: `/${"b".repeat(154)}` }],
    [`/${"b".repeat(155)}/${"a".repeat(100)}`, undefined],
    [`/${"b".repeat(50)}/ü${"a".repeat(60)}`, undefined],
    ["/ü", undefined],
  ])("%s", (name, expected) => {
    expect(splitName(name)).toEqual(expected);
  });
});

test("a file that changes its size meanwhile is an error", async () => {
  const path = join(temporaryFolder(), "f");
  writeFileSync(path, "1234");
  const tree = treeOf({ f: { ...base, type: "file", size: 5, content: { kind: "host", path } } });
  expect((await failureOf(() => tarOf(tree))).message).toContain(path);
});

describe("gzip files", () => {
  test("have a header without time, name and system", async () => {
    const path = join(temporaryFolder(), "x.gz");
    const file = await createGzipFile(path);
    await file.write(Buffer.from("hello "));
    await file.write(Buffer.from("world"));
    await file.finish();
    await file.close();
    const bytes = readFileSync(path);
    expect([...bytes.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    expect(gunzipSync(bytes).toString()).toBe("hello world");
    expect(execFileSync("gzip", ["-dc", path], { encoding: "utf8" })).toBe("hello world");
  });

  test("are never written over another file", async () => {
    const path = join(temporaryFolder(), "x.gz");
    mkdirSync(path);
    await expect(createGzipFile(path)).rejects.toThrow("EEXIST");
  });

  test("tell a full disk to whoever writes", async () => {
    const path = join(temporaryFolder(), "x.gz");
    const file = await createGzipFile(path);
    // Closing the file under it is the nearest to a disk that fails.
    await file.close();
    await expect(file.write(Buffer.alloc(100))).rejects.toThrow();
  });
});
