import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MAX_BOOT_ARGS } from "../../src/disks/boot-args.ts";
import { HELD_BY_MODES, lacksModes, lacksProgram, testUnless } from "../support/machine.ts";
import { repository, Sandbox, sha256 } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const compose = (name: string, path: string, cwd = ".") =>
  sandbox.run(["compose", name, path, "-l", "builtin", "-c", "/x"], { cwd: sandbox.path(cwd) });

interface Row {
  readonly path: string;
  readonly type: string;
  readonly size?: number;
  readonly target?: string;
}

async function list(image: string): Promise<string[]> {
  const rows = await sandbox.json<Row[]>(["image", "ls", "-R", image]);
  return rows.map(
    ({ path, type, target }) =>
      `${path}${type === "directory" ? "/" : ""}${target === undefined ? "" : ` -> ${target}`}`,
  );
}

describe("whatever way the path is written", () => {
  beforeAll(() => {
    sandbox.write({ "tree/hello": "hello\n", "tree/etc/conf": "conf\n", "tree/deep/er/x": "x" });
    symlinkSync("tree", sandbox.path("link"));
  });

  test.each<[string, string, string]>([
    ["relative", "tree", "."],
    ["relative, with a dot", "./tree", "."],
    ["with a slash at the end", "tree/", "."],
    ["with many slashes", ".//tree///", "."],
    [".", ".", "tree"],
    ["./", "./", "tree"],
    ["from inside", "..", "tree/deep"],
    ["up and down", "../tree", "tree"],
    ["absolute", sandbox.path("tree"), "/"],
    ["a link to the folder", "link", "."],
    ["a link, with a slash", "link/", "."],
  ])("%s: the same image, never an empty one", async (_, path, cwd) => {
    const result = await sandbox.run(["compose", "way", path, "-l", "builtin", "-c", "/x"], {
      cwd: cwd === "/" ? "/" : sandbox.path(cwd),
    });
    expect(result.code).toBe(0);
    expect(await list("way")).toEqual(["deep/", "deep/er/", "deep/er/x", "etc/", "etc/conf", "hello"]);
  });

  test("one file becomes the root's only one", async () => {
    for (const path of ["tree/hello", "./tree/../tree/hello"]) {
      expect((await compose("one", path)).code).toBe(0);
      expect(await list("one")).toEqual(["hello"]);
      expect(await sandbox.ok(["image", "cat", "one", "/hello"])).toBe("hello\n");
    }
  });

  test("an empty folder is an image without files, and says so", async () => {
    mkdirSync(sandbox.path("empty"));
    const { code, stderr } = await compose("empty", "empty");
    expect(code).toBe(0);
    expect(stderr).toContain("Composed empty: 0 files");
    expect(await list("empty")).toEqual([]);
  });

  test.each([
    ["nothing there", "nowhere", 66],
    ["a path through a file", "tree/hello/x", 66],
    ["an empty path", "", 64],
  ])("%s: an error, and no image", async (_, path, expected) => {
    const { code } = await compose("none", path);
    expect(code).toBe(expected);
    expect(sandbox.files("store/repository/none")).toEqual([]);
  });
});

describe("names and links", () => {
  const names = [
    "é",
    "日本語",
    "наш файл",
    "🙂",
    "a b",
    "x".repeat(255),
    "tab\there",
    "quote'\"",
    "$HOME",
    "-rf",
    "ö".repeat(127),
  ];

  test("D1: names are bytes, and the image stays readable", async () => {
    sandbox.write(Object.fromEntries(names.map((name) => [`names/dir-é/${name}`, `content of ${name}`])));
    expect((await compose("names", "names")).code).toBe(0);
    const rows = await sandbox.json<Row[]>(["image", "ls", "names", "/dir-é"]);
    expect(rows.map(({ path }) => path).sort()).toEqual([...names].sort());
    for (const name of ["é", "🙂", "-rf", "ö".repeat(127)]) {
      expect(await sandbox.ok(["image", "cat", "names", `/dir-é/${name}`])).toBe(`content of ${name}`);
    }
    const tree = await sandbox.ok(["image", "tree", "names"]);
    expect(tree).toContain("日本語 (20 B)");
    await sandbox.ok(["image", "cp", "names", "/dir-é", "copied"]);
    expect(() => execFileSync("diff", ["-r", sandbox.path("names/dir-é"), sandbox.path("copied")])).not.toThrow();
  });

  test("D2: a link's target is what the link says", async () => {
    sandbox.write({ "links/etc/inner/file": "inner", "links/usr/lib/real": "real" });
    const links: Readonly<Record<string, string>> = {
      "etc/mnttab": "/proc/mounts",
      "etc/inner/abs": "/usr/lib/real",
      "etc/inner/up": "../../usr/lib/real",
      "etc/inner/dangling": "/nowhere/at/all",
      "etc/self": "self",
      above: "../../../../etc/passwd",
      dir: "usr/lib/",
      ünïcode: "/usr/lib/ünï",
    };
    for (const [path, target] of Object.entries(links)) symlinkSync(target, sandbox.path("links", path));
    expect((await compose("links", "links")).code).toBe(0);
    const rows = await sandbox.json<Row[]>(["image", "ls", "-R", "links"]);
    const found = rows.filter(({ type }) => type === "symlink").map(({ path, target }) => [path, target]);
    expect(Object.fromEntries(found)).toEqual(links);
    expect(await sandbox.ok(["image", "cat", "links", "/etc/inner/abs"])).toBe("real");
    expect(await sandbox.ok(["image", "cat", "links", "/etc/inner/up"])).toBe("real");
    expect((await sandbox.run(["image", "cat", "links", "/etc/self"])).code).toBe(66);
    const dangling = await sandbox.run(["image", "cat", "links", "/etc/inner/dangling"]);
    expect(dangling.code).toBe(66);
    expect(dangling.stderr).toContain("the link leads to /nowhere/at/all");
  });

  test("--follow-links says which links become what they lead to", async () => {
    sandbox.write({ "outer/secret": "secret", "follow/file": "file" });
    symlinkSync("file", sandbox.path("follow/near"));
    symlinkSync("../outer/secret", sandbox.path("follow/far"));
    const types = async (which: string) => {
      const args = ["compose", "follow", "follow", "-l", "builtin", "-c", "/x", "--follow-links", which];
      await sandbox.ok(args);
      const rows = await sandbox.json<Row[]>(["image", "ls", "follow"]);
      return Object.fromEntries(rows.map(({ path, type }) => [path, type]));
    };
    expect(await types("never")).toEqual({ far: "symlink", file: "file", near: "symlink" });
    expect(await types("inside")).toEqual({ far: "symlink", file: "file", near: "file" });
    expect(await types("all")).toEqual({ far: "file", file: "file", near: "file" });
  });
});

describe("what cannot be put in", () => {
  testUnless(lacksModes())(
    "D4: an unreadable file or folder is an error that names it, and no image is made",
    async () => {
      sandbox.write({ "closed/file": "x", "closed/key": "x", "closed/folder/x": "x" });
      const run = () =>
        sandbox.run(["compose", "closed", "closed", "-l", "builtin", "-c", "/x"], { through: HELD_BY_MODES });
      for (const name of ["key", "folder"]) {
        chmodSync(sandbox.path("closed", name), 0o000);
        const { code, stderr } = await run();
        chmodSync(sandbox.path("closed", name), 0o755);
        expect(code).toBe(71);
        expect(stderr).toContain(`closed/${name}`);
        expect(stderr).toContain("permission denied");
        expect(sandbox.files("store/repository/closed")).toEqual([]);
      }
      expect((await run()).code).toBe(0);
    },
  );

  test("a FIFO or a socket is refused by name", async () => {
    mkdirSync(sandbox.path("special"));
    execFileSync("mkfifo", [sandbox.path("special/pipe")]);
    const { code, stderr } = await compose("special", "special");
    expect(code).toBe(65);
    expect(stderr).toContain("special/pipe");
    expect(sandbox.files("store/repository/special")).toEqual([]);
  });

  test("a failed compose leaves the image of before", async () => {
    sandbox.write({ "good/file": "good" });
    expect((await compose("kept", "good")).code).toBe(0);
    const before = sha256(sandbox.image("kept"));
    expect((await compose("kept", "special")).code).toBe(65);
    expect(sha256(sandbox.image("kept"))).toBe(before);
    expect(sandbox.files("store/repository/kept").filter((name) => name.startsWith("."))).toEqual([]);
  });
});

describe("the command line of the image", () => {
  test("D16: one that is too long for the boot sector is an error, not cut", async () => {
    sandbox.write({ "short/x": "x" });
    const args = (length: number) => ["compose", "long", "short", "-l", "builtin", "-c", `/${"x".repeat(length - 1)}`];
    await sandbox.ok(args(MAX_BOOT_ARGS));
    const { commandLine } = await sandbox.json<{ commandLine: string }>(["image", "inspect", "long"]);
    expect(commandLine).toHaveLength(MAX_BOOT_ARGS);
    const { code, stderr } = await sandbox.run(args(MAX_BOOT_ARGS + 1));
    expect(code).toBe(65);
    expect(stderr).toContain(`${MAX_BOOT_ARGS + 1} bytes long, and OSv reads at most ${MAX_BOOT_ARGS}`);
  });

  test.each([
    ['/x "open', "double quote"],
    ["/x 'single quotes'", "single quotes"],
    ["/x é", "ASCII"],
    ["/x a;;b", "separator"],
    ["/x $HOME/bin", "$NAME"],
  ])("%s is not what the kernel would run, so it is refused", async (command, why) => {
    const { code, stderr } = await sandbox.run(["compose", "odd", "short", "-l", "builtin", "-c", command]);
    expect(code).toBe(64);
    expect(stderr).toMatch(/^Error: /);
    expect(stderr + why).toContain(why);
  });
});

describe("loaders", () => {
  const raw = `${repository}/guest/prebuilt/osv-demo-loader.img`;

  testUnless(lacksProgram("qemu-img"))("raw or qcow2, the image is the same", async () => {
    execFileSync("qemu-img", ["convert", "-O", "qcow2", raw, sandbox.path("loader.qcow2")]);
    await sandbox.ok(["import", "raw-loader", raw]);
    await sandbox.ok(["import", "qcow2-loader", "loader.qcow2"]);
    sandbox.write({ "loaded/x": "x" });
    for (const kind of ["raw", "qcow2"]) {
      await sandbox.ok(["compose", `with-${kind}`, "loaded", "-l", `${kind}-loader`, "-c", "/x"]);
    }
    expect(sha256(sandbox.image("with-raw"))).toBe(sha256(sandbox.image("with-qcow2")));
  });

  test("osv-loader is looked for under its old name, too", async () => {
    await sandbox.ok(["import", "mike/osv-loader", raw]);
    const { loader } = await sandbox.json<{ loader: string }>(["compose", "old", "loaded", "-c", "/x"]);
    expect(loader).toBe("mike/osv-loader");
    await sandbox.ok(["rmi", "mike/osv-loader"]);
  });

  test.each([
    ["an empty file", ""],
    ["a web page", "<html>404</html>".padEnd(4096)],
    ["a disk without a kernel", Buffer.concat([Buffer.alloc(510), Buffer.from([0x55, 0xaa]), Buffer.alloc(1024)])],
  ])("%s is none", async (_, content) => {
    sandbox.write({ "store/repository/bad/bad.qemu": content });
    const { code, stderr } = await compose("x", "loaded").then(() =>
      sandbox.run(["compose", "y", "loaded", "-l", "bad", "-c", "/x"]),
    );
    expect(code).toBe(65);
    expect(stderr).toContain("bad");
    rmSync(sandbox.path("store/repository/bad"), { recursive: true });
  });
});
