import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { emitContents } from "../../src/filesystems/content.ts";
import type { FileEntry, FileTree } from "../../src/filesystems/filetree.ts";
import { type HostTreeOptions, treeFromHost } from "../../src/filesystems/host-tree.ts";
import { lookup, measureTree, walk } from "../../src/filesystems/tree-walk.ts";

let base: string;
let root: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "capstan-host-"));
  root = join(base, "project");
  mkdirSync(join(root, "dir", "empty"), { recursive: true });
  writeFileSync(join(root, "dir", "file"), "hello");
  writeFileSync(join(root, "top"), "");
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const read = (path: string, options: Partial<HostTreeOptions> = {}) =>
  treeFromHost(path, { origin: "project", ...options });
const lines = (tree: FileTree) =>
  [...walk(tree)].map(({ path, entry }) => {
    if (entry.type === "symlink") return `${path} -> ${entry.target}`;
    return entry.type === "directory" ? `${path}/` : path;
  });

async function text(tree: FileTree, path: string): Promise<string> {
  const entry = lookup(tree, path) as FileEntry;
  const chunks: Buffer[] = [];
  await emitContents([entry], { write: (_index, chunk) => void chunks.push(Buffer.from(chunk)) });
  return Buffer.concat(chunks).toString();
}

/** A path of bytes, each of them one character here. */
const below = (path: string) => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, "latin1")]);

const ALL = ["/dir/", "/dir/empty/", "/dir/file", "/top"];

describe("roots", () => {
  test.each([
    ["absolute", () => [root, {}] as const],
    ["with a slash at its end", () => [`${root}/`, {}] as const],
    ["relative", () => ["project", { cwd: base }] as const],
    ["relative, with slashes", () => ["./project//", { cwd: base }] as const],
    ["the working directory", () => [".", { cwd: root }] as const],
    ["its parent", () => ["..", { cwd: join(root, "dir") }] as const],
    ["empty, which is the working directory", () => ["", { cwd: root }] as const],
  ])("%s", async (_name, arrange) => {
    const [path, options] = arrange();
    const tree = await read(path, options);
    expect(lines(tree)).toEqual(ALL);
    expect(await text(tree, "/dir/file")).toBe("hello");
  });

  test.each(["", "/"])("a link to a folder, written with '%s' at its end", async (suffix) => {
    symlinkSync("project", join(base, "linked"));
    const tree = await read(`linked${suffix}`, { cwd: base });
    expect(lines(tree)).toEqual(ALL);
    expect(await text(tree, "/dir/file")).toBe("hello");
  });

  test("a link is stored as such when it is not to be followed", async () => {
    symlinkSync("project", join(base, "linked"));
    expect(lines(await read(join(base, "linked"), { followRootLink: false }))).toEqual(["/linked -> project"]);
  });

  test("a single file, and a link to one", async () => {
    const tree = await read("dir/file", { cwd: root });
    expect(lines(tree)).toEqual(["/file"]);
    symlinkSync("dir/file", join(root, "other"));
    const linked = await read("other", { cwd: root });
    expect(lines(linked)).toEqual(["/other"]);
    expect(await text(linked, "/other")).toBe("hello");
  });

  test("one that does not exist is an error with its name", async () => {
    await expect(read("nothing", { cwd: base })).rejects.toMatchObject({
      exitCode: 66,
      message: expect.stringContaining(join(base, "nothing")),
    });
  });
});

test("entries carry mode, time, size and origin", async () => {
  chmodSync(join(root, "dir", "file"), 0o4751);
  utimesSync(join(root, "dir", "file"), 1000, 1234567.9);
  const tree = await read(root);
  const { ino, mtimeMs, ctimeMs } = lstatSync(join(root, "dir", "file"));
  expect(lookup(tree, "/dir/file")).toEqual({
    type: "file",
    mode: 0o4751,
    mtime: 1234567,
    origin: "project",
    size: 5,
    content: { kind: "host", path: join(root, "dir", "file"), stamp: { ino, mtimeMs, ctimeMs } },
  });
});

describe("links", () => {
  beforeEach(() => {
    writeFileSync(join(base, "secret"), "outside");
    mkdirSync(join(base, "elsewhere"));
    writeFileSync(join(base, "elsewhere", "x"), "far");
    symlinkSync("/usr/lib/x", join(root, "dir", "absolute"));
    symlinkSync("../../secret", join(root, "dir", "out"));
    symlinkSync("file", join(root, "dir", "near"));
    symlinkSync("../dir", join(root, "folder"));
    symlinkSync("self", join(root, "self"));
    symlinkSync(join(base, "elsewhere"), join(root, "away"));
  });

  test("D2: are stored as they say, wherever they lead to", async () => {
    rmSync(join(root, "folder"));
    expect(lines(await read(root))).toEqual([
      `/away -> ${join(base, "elsewhere")}`,
      "/dir/",
      "/dir/absolute -> /usr/lib/x",
      "/dir/empty/",
      "/dir/file",
      "/dir/near -> file",
      "/dir/out -> ../../secret",
      "/self -> self",
      "/top",
    ]);
  });

  test("followed inside: what leads out stays a link", async () => {
    rmSync(join(root, "folder"));
    symlinkSync("dir/empty", join(root, "folder"));
    const tree = await read(root, { followLinks: "inside" });
    expect(lines(tree).filter((line) => line.includes("->"))).toEqual([
      `/away -> ${join(base, "elsewhere")}`,
      "/dir/absolute -> /usr/lib/x",
      "/dir/out -> ../../secret",
      "/self -> self",
    ]);
    expect(lookup(tree, "/folder", { follow: false })?.type).toBe("directory");
    expect(await text(tree, "/dir/near")).toBe("hello");
  });

  test("all followed: what leads nowhere stays a link", async () => {
    rmSync(join(root, "folder"));
    const tree = await read(root, { followLinks: "all" });
    expect(lines(tree).filter((line) => line.includes("->"))).toEqual(["/dir/absolute -> /usr/lib/x", "/self -> self"]);
    expect(await text(tree, "/dir/out")).toBe("outside");
    expect(await text(tree, "/away/x")).toBe("far");
  });

  test("a followed link to a folder above it is an error with its name", async () => {
    symlinkSync("..", join(root, "dir", "up"));
    for (const followLinks of ["inside", "all"] as const) {
      await expect(read(root, { followLinks })).rejects.toMatchObject({ code: "link-cycle" });
    }
    expect(lines(await read(root))).toContain("/dir/up -> ..");
  });
});

describe("ignoring", () => {
  test("is asked with relative paths, and a folder goes with all that is in it", async () => {
    const asked: unknown[] = [];
    const skipped: unknown[] = [];
    const tree = await read(root, {
      ignore: (path, isDirectory) => {
        asked.push([path, isDirectory]);
        return path === "dir";
      },
      onSkip: (path, isDirectory) => skipped.push([path, isDirectory]),
    });
    expect(lines(tree)).toEqual(["/top"]);
    expect(asked.sort()).toEqual([
      ["dir", true],
      ["top", false],
    ]);
    expect(skipped).toEqual([["dir", true]]);
  });

  test("lets nested paths be told apart", async () => {
    expect(lines(await read(root, { ignore: (path) => path === "dir/file" }))).toEqual([
      "/dir/",
      "/dir/empty/",
      "/top",
    ]);
  });

  test("makes what no image can hold harmless", async () => {
    execFileSync("mkfifo", [join(root, "pipe")]);
    expect(lines(await read(root, { ignore: (path) => path === "pipe" }))).toEqual(ALL);
  });
});

describe("what is refused", () => {
  test("FIFOs, sockets and devices, by path and type", async () => {
    execFileSync("mkfifo", [join(root, "dir", "pipe")]);
    await expect(read(root)).rejects.toMatchObject({
      code: "unsupported-file-type",
      message: `'${join(root, "dir", "pipe")}' is a FIFO, which no image can hold`,
    });
    rmSync(join(root, "dir", "pipe"));
    const server = createServer().listen(join(root, "dir", "socket"));
    await new Promise((resolve) => server.once("listening", resolve));
    await expect(read(root)).rejects.toMatchObject({ message: expect.stringContaining("is a socket") });
    await new Promise((resolve) => server.close(resolve));
    await expect(read("/dev/null")).rejects.toMatchObject({
      message: expect.stringContaining("is a character device"),
    });
  });

  test("with their bytes, where names are no UTF-8", async () => {
    mkdirSync(below("dir/caf\xe9"));
    execFileSync("bash", ["-c", "mkfifo $'dir/caf\\xe9/pipe'"], { cwd: root });
    await expect(read(root)).rejects.toMatchObject({
      code: "unsupported-file-type",
      message: expect.stringContaining("/dir/caf\\xe9/pipe' is a FIFO"),
    });
  });
});

describe("names that are no UTF-8", () => {
  test("of folders, files and links, and what is below them", async () => {
    mkdirSync(below("dir/caf\xe9"));
    writeFileSync(below("dir/caf\xe9/\xff\n"), "below");
    symlinkSync(Buffer.from("../\xe9", "latin1"), below("dir/caf\xe9/\xc3\xa9\xc3"));
    const found = await read(root);
    expect(lines(found)).toEqual([
      "/dir/",
      "/dir/caf\udce9/",
      "/dir/caf\udce9/é\udcc3 -> ../\udce9",
      "/dir/caf\udce9/\udcff\n",
      "/dir/empty/",
      "/dir/file",
      "/top",
    ]);
    expect(await text(found, "/dir/caf\udce9/\udcff\n")).toBe("below");
  });

  test("behind links that are followed", async () => {
    mkdirSync(below("dir/\xe9"));
    writeFileSync(below("dir/\xe9/f"), "");
    symlinkSync(Buffer.from("dir/\xe9", "latin1"), join(root, "link"));
    expect(lines(await read(root, { followLinks: "inside" }))).toContain("/link/f");
  });

  test("are not those with the character that Node.js shows for them", async () => {
    writeFileSync(join(root, "\ufffd"), "");
    symlinkSync("\ufffd", join(root, "link"));
    expect(lines(await read(root))).toEqual([
      "/dir/",
      "/dir/empty/",
      "/dir/file",
      "/link -> \ufffd",
      "/top",
      "/\ufffd",
    ]);
  });
});

describe("as a user who may not read everything", () => {
  /** Reads tree and contents in a process of its own, which root starts as nobody: root may read everything. */
  function readAsNobody(path: string): { status: number | null; output: string } {
    const script = join(base, "reader.mjs");
    const lines = [
      `import { treeFromHost } from ${JSON.stringify(join(import.meta.dirname, "../../src/filesystems/host-tree.ts"))};`,
      `import { planRofs, writeRofs } from ${JSON.stringify(join(import.meta.dirname, "../../src/filesystems/rofs/writer.ts"))};`,
      `try {`,
      `  const plan = planRofs(await treeFromHost(process.argv[2], { origin: "p" }));`,
      `  await writeRofs(plan, { size: plan.size, write() {} });`,
      `  console.log("done");`,
      `} catch (error) { console.log(error.code, error.message); process.exitCode = 1; }`,
    ];
    buildSync({
      stdin: { contents: lines.join("\n"), resolveDir: base },
      bundle: true,
      platform: "node",
      format: "esm",
      outfile: script,
      logLevel: "error",
    });
    chmodSync(base, 0o755);
    const command = process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
    const [program = "", ...rest] = [...command, process.execPath, script, path];
    const { status, stdout } = spawnSync(program, rest, { encoding: "utf8" });
    return { status, output: stdout };
  }

  test("D4: what is readable is read", () => {
    expect(readAsNobody(root)).toEqual({ status: 0, output: "done\n" });
  });

  test("D4: an unreadable file is an error with its name", () => {
    chmodSync(join(root, "dir", "file"), 0o000);
    const { status, output } = readAsNobody(root);
    expect(output).toContain(`os-eacces Reading '${join(root, "dir", "file")}': permission denied`);
    expect(status).toBe(1);
  });

  test.each([
    ["unreadable", 0o300],
    ["unsearchable", 0o600],
  ])("D4: an %s folder is an error with its name", (_name, mode) => {
    cpSync(join(root, "dir"), join(root, "closed"), { recursive: true });
    chmodSync(join(root, "closed"), mode);
    if (process.getuid?.() === 0) execFileSync("chown", ["65534", join(root, "closed")]);
    const { status, output } = readAsNobody(root);
    chmodSync(join(root, "closed"), 0o700);
    expect(output).toMatch(/^os-eacces Reading '/);
    expect(output).toContain(join(root, "closed"));
    expect(status).toBe(1);
  });
});

test("many entries are read, and can be interrupted", async () => {
  for (let index = 0; index < 3000; index++) writeFileSync(join(root, "dir", `f${index}`), "");
  expect(measureTree(await read(root)).files).toBe(3002);
  const controller = new AbortController();
  const reading = read(root, { signal: controller.signal });
  controller.abort();
  await expect(reading).rejects.toMatchObject({ code: "interrupted" });
});
