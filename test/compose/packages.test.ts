import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Sandbox, STACK, sha256 } from "../support/sandbox.ts";
import { type TarMember, tar } from "./tar.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const compose = (name: string, ...args: readonly string[]) =>
  sandbox.run(["package", "compose", name, "-l", "builtin", "--run", "/x", ...args], { cwd: sandbox.path(name) });
const cat = (image: string, path: string) => sandbox.ok(["image", "cat", image, path]);

/** A package of the store from an archive that we write ourselves. */
async function archive(name: string, members: readonly TarMember[]): Promise<string> {
  const manifest = `name: ${name}\ntitle: x\nauthor: x\n`;
  const path = sandbox.path(`${name}.mpm`);
  writeFileSync(path, gzipSync(tar([{ path: "/meta/package.yaml", content: manifest }, ...members])));
  return path;
}

describe("which file wins", () => {
  beforeAll(async () => {
    const all = (text: string, ...names: readonly string[]) =>
      Object.fromEntries(names.map((name) => [`etc/${name}`, `${text}\n`]));
    await sandbox.package("base", all("base", "a", "b", "c", "d"));
    await sandbox.package("middle", all("middle", "b", "c", "d"), ["base"]);
    await sandbox.package("extra", all("extra", "c", "d"));
    sandbox.project("app", all("app", "d"), ["middle"]);
  });

  test("packages in the order of their requirements, --require behind them, the project last", async () => {
    const { code, stderr } = await compose("app", "--require", "extra", "-v");
    expect(code).toBe(0);
    const texts = await Promise.all(["a", "b", "c", "d"].map((name) => cat("app", `/etc/${name}`)));
    expect(texts).toEqual(["base\n", "middle\n", "extra\n", "app\n"]);
    const packages = stderr.split("\n").filter((line) => line.startsWith("  Package "));
    expect(packages.map((line) => line.slice("  Package ".length))).toEqual(["base", "middle", "extra"]);
  });

  test("-v tells what is replaced; without it nothing is said", async () => {
    const verbose = await compose("app", "--require", "extra", "-v");
    expect(verbose.stderr).toContain("  /etc/b: the file of middle replaces that of base\n");
    expect(verbose.stderr).toContain("  /etc/d: the file of app replaces that of extra\n");
    expect(verbose.stderr).not.toContain("/etc/a:");
    expect((await compose("app", "--require", "extra")).stderr).not.toContain("replaces");
  });

  test("a file takes the place of a link, and never goes through it", async () => {
    const outside = sandbox.write({ "outside/victim": "untouched" });
    const path = await archive("linked", [
      { path: "/etc/link", type: "symlink", target: `${outside}/outside/victim` },
      { path: "/data", type: "symlink", target: `${outside}/outside` },
    ]);
    await sandbox.ok(["package", "import", path]);
    sandbox.project("over-link", { "etc/link": "own file\n" }, ["linked"]);
    const { stderr } = await compose("over-link", "-v");
    expect(stderr).toContain("/etc/link: the file of over-link replaces the symlink of linked");
    expect(await cat("over-link", "/etc/link")).toBe("own file\n");
    expect(readFileSync(sandbox.path("outside/victim"), "utf8")).toBe("untouched");
  });

  test("meta folders of packages stay out of the image", async () => {
    const rows = await sandbox.json<{ path: string }[]>(["image", "ls", "-R", "app"]);
    expect(rows.map(({ path }) => path).filter((path) => path.includes("meta"))).toEqual([]);
  });
});

describe("requirements", () => {
  test("D8: a cycle is shown", async () => {
    await sandbox.package("ring-a", {}, ["ring-b"]);
    await sandbox.package("ring-b", {}, ["ring-c"]);
    await sandbox.package("ring-c", {}, ["ring-a"]);
    sandbox.project("cyclic", {}, ["ring-b"]);
    const { code, stderr } = await compose("cyclic");
    expect(code).toBe(65);
    expect(stderr).toContain("ring-b → ring-c → ring-a → ring-b");
  });

  test("D8: a project that requires itself is a cycle", async () => {
    sandbox.project("selfish", {}, ["selfish"]);
    const { code, stderr } = await compose("selfish");
    expect(code).toBe(65);
    expect(stderr).toContain("selfish → selfish");
  });

  test("D8: of a diamond, each package goes in once", async () => {
    await sandbox.package("top", { top: "1" });
    await sandbox.package("left", { left: "1" }, ["top"]);
    await sandbox.package("right", { right: "1" }, ["top"]);
    sandbox.project("diamond", {}, ["left", "right"]);
    const { stderr, code } = await compose("diamond", "-v");
    expect(code).toBe(0);
    expect(stderr.match(/^ {2}Package .*$/gm)).toEqual(["  Package top", "  Package left", "  Package right"]);
    expect(stderr).not.toContain("replaces");
  });

  test("a package that is not in the store is named, with who requires it and the command that brings it", async () => {
    await sandbox.package("needs-libs", {}, ["libs-2"]);
    await sandbox.package("libs-1");
    sandbox.project("incomplete", {}, ["needs-libs"]);
    const { code, stderr } = await compose("incomplete");
    expect(code).toBe(66);
    expect(stderr).toContain("The package 'libs-2', which needs-libs requires, is not in the local store");
    expect(stderr).toContain("Did you mean 'libs-1'?");
    expect(stderr).toContain("capstan package import");
  });

  test("--pull-missing without a network is told", async () => {
    const { code, stderr } = await compose("incomplete", "--pull-missing");
    expect(code).toBe(69);
    expect(stderr).toContain("CAPSTAN_OFFLINE is set");
  });

  test("a failed compose leaves no image", async () => {
    expect(await sandbox.json<{ name: string }[]>(["images"])).not.toContainEqual(
      expect.objectContaining({ name: "incomplete" }),
    );
    expect(sandbox.files("store/repository/incomplete")).toEqual([]);
  });

  test("osv.bootstrap is below everything, where the store has it", async () => {
    const store = sandbox.path("other-store");
    const env = { CAPSTAN_ROOT: store };
    sandbox.project("osv.bootstrap", { "usr/lib/libgcc_s.so.1": "gcc", "etc/fstab": "of the package" });
    await sandbox.ok(["package", "import", "osv.bootstrap"], { env });
    const cwd = sandbox.project("bootstrapped", { app: "x" });
    await sandbox.ok(["package", "compose", "boot", "-l", "builtin", "--run", "/app"], { cwd, env });
    const rows = await sandbox.json<{ path: string }[]>(["image", "ls", "-R", "boot"], { env });
    expect(rows.map(({ path }) => path)).toEqual([
      "app",
      "etc",
      "etc/fstab",
      "usr",
      "usr/lib",
      "usr/lib/libgcc_s.so.1",
    ]);
    expect(await sandbox.ok(["image", "cat", "boot", "/etc/fstab"], { env })).toBe("of the package");
  });

  test("without it, the image gets what a kernel mounts on, and a warning says so for other loaders", async () => {
    sandbox.project("bare", { app: "x" });
    expect((await compose("bare")).code).toBe(0);
    const rows = await sandbox.json<{ path: string }[]>(["image", "ls", "bare"]);
    expect(rows.map(({ path }) => path)).toEqual(["app", "dev", "etc", "proc", "sys", "tmp"]);
  });
});

describe("the store of packages", () => {
  test("D22: a version is the text that was written", async () => {
    for (const [name, version] of [
      ["ten", "0.10"],
      ["exponent", "1e5"],
      ["date", "2020-01-02"],
      ["octal", "0755"],
    ] as const) {
      sandbox.write({ [`${name}/meta/package.yaml`]: `name: ${name}\ntitle: no\nauthor: null\nversion: ${version}\n` });
      await sandbox.ok(["package", "import", name]);
      const list = await sandbox.json<{ name: string; version: string; title: string; author: string }[]>([
        "package",
        "list",
      ]);
      expect(list.find((one) => one.name === name)).toMatchObject({ version, title: "no", author: "null" });
    }
    expect(await sandbox.ok(["package", "list"])).toMatch(/^ten +no +0\.10 /m);
  });

  test("package init, build, import, describe: a session", async () => {
    const cwd = sandbox.write(
      { "meta/README.md": "# Tool\n", "bin/tool": "tool", "junk.o": "o", ".capstanignore": "*.o\n" },
      sandbox.path("tool"),
    );
    await sandbox.ok(
      [
        "package",
        "init",
        "-n",
        "tool",
        "-t",
        "A tool",
        "-a",
        "me",
        "-v",
        "1.10",
        "--require",
        "base",
        "--runtime",
        "native",
      ],
      { cwd },
    );
    expect((await sandbox.run(["package", "build"], { cwd })).code).toBe(65);
    sandbox.write({ "meta/run.yaml": "runtime: native\nconfig_set:\n  default:\n    bootcmd: /bin/tool\n" }, cwd);
    await sandbox.ok(["package", "build"], { cwd });
    const first = sha256(sandbox.path("tool/tool.mpm"));
    await sandbox.ok(["package", "build"], { cwd });
    expect(sha256(sandbox.path("tool/tool.mpm"))).toBe(first);
    await sandbox.ok(["package", "import", "tool.mpm"], { cwd });
    const text = await sandbox.ok(["package", "describe", "tool", "-c"]);
    expect(text).toMatch(/^version: +1\.10$/m);
    expect(text).toContain("required packages:\n  - base");
    expect(text).toContain("command: /bin/tool");
    expect(text).toContain("# Tool");
    expect(text).toMatch(/^-rw-r--r-- +4 .* \/bin\/tool$/m);
    expect(text).not.toContain("junk.o");
  });

  test("a broken one is listed with the reason, and hides no other", async () => {
    sandbox.write({ "store/packages/broken.mpm": "x", "store/packages/broken.yaml": "name: [\n" });
    const { stdout, stderr, code } = await sandbox.run(["package", "list"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^base /m);
    expect(stdout).toMatch(/^broken/m);
    expect(stderr).toMatch(/Warning: package broken: .*broken\.yaml:\d+:\d+: /);
  });

  test("import of a damaged archive leaves the one that is there", async () => {
    const path = sandbox.path("damaged.mpm");
    const whole = readFileSync(sandbox.path("store/packages/base.mpm"));
    writeFileSync(path, whole.subarray(0, whole.length - 20));
    const before = sandbox.files("store/packages");
    const { code, stderr } = await sandbox.run(["package", "import", path]);
    expect(code).toBe(65);
    expect(stderr).toContain(path);
    expect(stderr).not.toContain(".part");
    expect(sandbox.files("store/packages")).toEqual(before);
  });
});

describe("D5: what an archive cannot do", () => {
  test.each<[string, TarMember]>([
    ["a path above its folder", { path: "/../escaped", content: "x" }],
    ["a path through a folder and out", { path: "/a/../../escaped", content: "x" }],
    ["a path that goes up alone", { path: "..", content: "x" }],
    ["a hard link to the outside", { path: "/hard", type: "hardlink", target: "../../etc/passwd" }],
  ])("%s is refused, and named", async (_, member) => {
    const path = await archive("escape", [{ path: "/fine", content: "x" }, member]);
    const { code, stderr } = await sandbox.run(["package", "import", path]);
    expect(stderr).not.toMatch(STACK);
    expect(code).toBe(65);
    expect(stderr).toContain(path);
    expect(stderr).toContain(member.path.replace(/^\//, ""));
    expect(sandbox.files("store/packages").filter((name) => name.includes("escape"))).toEqual([]);
  });

  test("a member that lies under a link of the archive is refused", async () => {
    const victim = sandbox.path("victim");
    mkdirSync(victim, { recursive: true });
    const path = await archive("through", [
      { path: "/way", type: "symlink", target: victim },
      { path: "/way/planted", content: "x" },
    ]);
    const { code, stderr } = await sandbox.run(["package", "import", path]);
    expect(code).toBe(65);
    expect(stderr).toContain("'/way/planted': it lies under '/way', which is a symbolic link");
    expect(sandbox.files("victim")).toEqual([]);
  });

  test("`package collect` writes a package's link as a link, and nothing of the project through it", async () => {
    const victim = sandbox.path("victim");
    mkdirSync(victim, { recursive: true });
    await sandbox.ok([
      "package",
      "import",
      await archive("linker", [{ path: "/out", type: "symlink", target: victim }]),
    ]);
    const cwd = sandbox.project("collector", { "out/own": "own\n" }, ["linker"]);
    await sandbox.run(["package", "collect"], { cwd });
    expect(sandbox.files("victim")).toEqual([]);
    expect(sandbox.files("collector/mpm-pkg").some((name) => name.endsWith("/own"))).toBe(true);
  });

  test("`package collect` goes through no link of the project itself", async () => {
    const outside = sandbox.write({ "secret/key": "secret" });
    const cwd = sandbox.project("linking", { file: "x" });
    symlinkSync(`${outside}/secret`, `${cwd}/link`);
    symlinkSync("file", `${cwd}/near`);
    await sandbox.ok(["package", "collect"], { cwd });
    expect(sandbox.files("linking/mpm-pkg").filter((name) => name.startsWith("link"))).toEqual(["link"]);
    expect(sandbox.files("linking/mpm-pkg")).not.toContain("link/key");
    // What is there from the last time is replaced, and is no part of it.
    await sandbox.ok(["package", "collect"], { cwd });
    expect(sandbox.files("linking/mpm-pkg").filter((name) => name.includes("mpm-pkg"))).toEqual([]);
  });

  test("`image cp` goes through no link of the image", async () => {
    const victim = sandbox.path("cp-victim");
    mkdirSync(victim);
    const cwd = sandbox.project("with-link", { "d/file": "x" });
    symlinkSync(victim, `${cwd}/d/link`);
    expect((await compose("with-link")).code).toBe(0);
    await sandbox.ok(["image", "cp", "with-link", "/d", "copied"]);
    expect(sandbox.files("copied")).toEqual(["file", "link"]);
    expect(sandbox.files("cp-victim")).toEqual([]);
  });
});
