import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { createTree, insert } from "../../src/filesystems/tree-builder.ts";
import { type Installed, install } from "../../src/programs/install.ts";
import type { Context } from "../../src/support/context.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
const context: Context = {
  cwd: sandbox.dir,
  env: {},
  now: () => new Date(0),
  signal: new AbortController().signal,
  reporter: { verbose: false, report: () => {} },
};
let round = 0;
let folder = "";
beforeEach(() => {
  folder = sandbox.path(`project-${++round}`);
  mkdirSync(folder);
});

/** Texts are files, texts that begin with an arrow links. */
function treeOf(files: Readonly<Record<string, string>>) {
  const tree = createTree();
  for (const [path, text] of Object.entries(files)) {
    const base = { mode: 0o4755, mtime: 0, origin: "test" };
    if (text.startsWith("-> ")) {
      insert(tree, path, { type: "symlink", ...base, target: text.slice(3) });
    } else if (text.startsWith("host:")) {
      const source = text.slice(5);
      const { size } = statSync(source);
      insert(tree, path, { type: "file", ...base, size, content: { kind: "host", path: source } });
    } else {
      const bytes = Buffer.from(text);
      insert(tree, path, { type: "file", ...base, size: bytes.length, content: { kind: "bytes", bytes } });
    }
  }
  return tree;
}

interface Options {
  readonly before?: Installed;
  readonly conflicts?: "refuse" | "keep" | "replace";
  readonly dryRun?: boolean;
}

const put = (files: Readonly<Record<string, string>>, { before, conflicts = "keep", dryRun = false }: Options = {}) =>
  install(
    {
      ...{ folder, conflicts, dryRun, tree: treeOf(files), recorded: before?.files ?? new Map() },
      origin: (path) => ({ from: undefined, package: undefined, why: `test of ${path}` }),
    },
    context,
  );

const text = (path: string) => readFileSync(join(folder, path), "utf8");

test("copies files, links and what lies on this machine, without setuid bits", async () => {
  const source = sandbox.path("source");
  writeFileSync(source, "from the machine");
  const result = await put({ "/usr/lib/a": "one", "/usr/lib/b": "-> a", "/bin/c": `host:${source}` });
  expect(result.added).toEqual(["/bin/c", "/usr/lib/a", "/usr/lib/b"]);
  expect(text("usr/lib/a")).toBe("one");
  expect(text("bin/c")).toBe("from the machine");
  expect(readlinkSync(join(folder, "usr/lib/b"))).toBe("a");
  expect(statSync(join(folder, "usr/lib/a")).mode & 0o7777).toBe(0o755);
  expect(result.files.get("/usr/lib/b")).toMatchObject({ digest: "-> a", why: "test of /usr/lib/b" });
});

test("a second time, only what changed is written, and what is not wanted any more goes, with its empty folders", async () => {
  const before = await put({ "/a": "one", "/b": "two", "/deep/er/c": "three" });
  const inode = statSync(join(folder, "a")).ino;
  const after = await put({ "/a": "one", "/b": "other" }, { before });
  expect(after).toMatchObject({ added: [], changed: ["/b"], removed: ["/deep/er/c"], kept: [], unchanged: 1 });
  expect(text("b")).toBe("other");
  expect(existsSync(join(folder, "deep"))).toBe(false);
  expect(statSync(join(folder, "a")).ino).toBe(inode);
  expect([...after.files.keys()]).toEqual(["/a", "/b"]);
});

describe("a file that was edited in the project", () => {
  test("stays, and is told of", async () => {
    const before = await put({ "/a": "one", "/b": "two" });
    writeFileSync(join(folder, "a"), "mine");
    writeFileSync(join(folder, "b"), "mine too");
    const after = await put({ "/a": "newer" }, { before });
    expect(after).toMatchObject({ changed: [], removed: [], kept: ["/a", "/b"] });
    expect(text("a")).toBe("mine");
    expect(text("b")).toBe("mine too");
  });

  test("is replaced when that is asked for", async () => {
    const before = await put({ "/a": "one" });
    writeFileSync(join(folder, "a"), "mine");
    expect(await put({ "/a": "newer" }, { before, conflicts: "replace" })).toMatchObject({ changed: ["/a"], kept: [] });
    expect(text("a")).toBe("newer");
  });

  test("that has become what is wanted is no conflict", async () => {
    writeFileSync(join(folder, "a"), "one");
    expect(await put({ "/a": "one" }, { conflicts: "refuse" })).toMatchObject({ unchanged: 1, kept: [] });
  });
});

test("a file of the project in the way is an error, before anything is written", async () => {
  writeFileSync(join(folder, "b"), "mine");
  await expect(put({ "/a": "one", "/b": "two" }, { conflicts: "refuse" })).rejects.toMatchObject({ code: "exists" });
  expect(existsSync(join(folder, "a"))).toBe(false);
  expect(text("b")).toBe("mine");
});

test("nothing is written through a link of the project", async () => {
  const outside = sandbox.path("outside");
  mkdirSync(outside, { recursive: true });
  symlinkSync(outside, join(folder, "usr"));
  await expect(put({ "/usr/lib/a": "one" })).rejects.toMatchObject({ code: "outside-project" });
  expect(existsSync(join(outside, "lib"))).toBe(false);
});

test("a link in the place of a file is replaced itself", async () => {
  const victim = sandbox.path("victim");
  writeFileSync(victim, "untouched");
  symlinkSync(victim, join(folder, "a"));
  await put({ "/a": "one" }, { conflicts: "replace" });
  expect(lstatSync(join(folder, "a")).isFile()).toBe(true);
  expect(readFileSync(victim, "utf8")).toBe("untouched");
});

test("a dry run says the same and touches nothing", async () => {
  const before = await put({ "/a": "one", "/b": "two" });
  const result = await put({ "/a": "newer", "/c": "three" }, { before, dryRun: true });
  expect(result).toMatchObject({ added: ["/c"], changed: ["/a"], removed: ["/b"] });
  expect(text("a")).toBe("one");
  expect(existsSync(join(folder, "c"))).toBe(false);
  expect(existsSync(join(folder, "b"))).toBe(true);
});
