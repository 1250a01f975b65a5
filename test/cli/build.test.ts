import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { additionOf, addToRepository } from "../../src/hosting/add-to-repository.ts";
import { testContext } from "../packages/support.ts";
import { lacksGuests } from "../support/guest.ts";
import { describeUnless } from "../support/machine.ts";
import { MisbehavingServer } from "../support/misbehaving-server.ts";
import { makeRepository, ONLINE, serveFolder } from "../support/repositories.ts";
import { repository, Sandbox, STACK, sha256 } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const hello = readFileSync(join(repository, "examples", "hello", "hello-static"));

let number = 0;
let folder = "";

beforeEach(() => {
  folder = sandbox.path(`case-${++number}`);
  mkdirSync(folder);
});

const write = (files: Readonly<Record<string, string | Uint8Array>>) => sandbox.write(files, folder);
const build = (...args: readonly string[]) => sandbox.run(["build", ...args], { cwd: folder });

interface Row {
  readonly path: string;
  readonly type: string;
  readonly target?: string;
}

async function list(image: string): Promise<string[]> {
  const rows = await sandbox.json<Row[]>(["image", "ls", "-R", image]);
  return rows.filter(({ type }) => type === "file").map(({ path }) => path);
}

/** What lies over the built-in base files. */
const added = async (image: string) => (await list(image)).filter((path) => !path.startsWith("etc/"));

interface Inspected {
  readonly commandLine: string;
  readonly partitions: readonly { readonly number: number; readonly start: number; readonly size: number }[];
}

const inspect = (image: string) => sandbox.json<Inspected>(["image", "inspect", image]);

describe("what goes where", () => {
  test.each<[string, string, string[]]>([
    ["a file", "/app: a.txt", ["app"]],
    ["a place without a leading slash", "tools/app: a.txt", ["tools/app"]],
    ["a file into a folder", "/usr/lib/: a.txt", ["usr/lib/a.txt"]],
    ["& is the target's last part", "/usr/app/a.txt: sub/&", ["usr/app/a.txt"]],
    ["& within a name", "/lib/b: sub/&.so", ["lib/b"]],
    ["\\& is an ampersand", "'/x': 'sub/r\\&d'", ["x"]],
    ["a folder's content", "/srv: sub", ["srv/a.txt", "srv/b.so", "srv/deep/c.so", "srv/deep/er/d.so", "srv/r&d"]],
    [
      "a folder's content, with a slash",
      "/srv/: sub/",
      ["srv/a.txt", "srv/b.so", "srv/deep/c.so", "srv/deep/er/d.so", "srv/r&d"],
    ],
    ["a folder as the root", "/: sub/deep", ["c.so", "er/d.so"]],
    ["wildcards", "/lib: 'sub/*.so'", ["lib/b.so"]],
    ["wildcards keep the path from the first one on", "/lib: 'sub/*/*.so'", ["lib/deep/c.so"]],
    ["any depth", "/lib: 'sub/**/*.so'", ["lib/b.so", "lib/deep/c.so", "lib/deep/er/d.so"]],
    ["a folder that fits comes whole", "/lib: 'sub/d*'", ["lib/deep/c.so", "lib/deep/er/d.so"]],
    [
      "hidden names fit no wildcard",
      "/all: '*'",
      [
        "all/[id].js",
        "all/a.txt",
        "all/sub/a.txt",
        "all/sub/b.so",
        "all/sub/deep/c.so",
        "all/sub/deep/er/d.so",
        "all/sub/r&d",
        "all/Capstanfile",
      ],
    ],
    ["hidden names fit a dot", "/all: '.h*'", ["all/.hidden"]],
    ["a name with brackets in it", "/pages/: '[id].js'", ["pages/[id].js"]],
    ["a set of characters", "/lib: 'sub/[a-b].*'", ["lib/a.txt", "lib/b.so"]],
    ["several folders of one place", "/lib: [sub/deep, sub/deep/er]", ["lib/c.so", "lib/d.so", "lib/er/d.so"]],
    ["several sources into one folder", "/lib/: [a.txt, sub/b.so]", ["lib/a.txt", "lib/b.so"]],
    ["a path that goes up", "/x: ../shared.txt", ["x"]],
  ])("%s", async (_, line, expected) => {
    sandbox.write({ "shared.txt": "shared\n" });
    write({
      ...{ "a.txt": "a", "[id].js": "id", ".hidden": "h", "sub/a.txt": "sub a", "sub/b.so": "b", "sub/r&d": "rd" },
      ...{ "sub/deep/c.so": "c", "sub/deep/er/d.so": "d" },
      Capstanfile: `base: builtin\ncmdline: /x\nfiles:\n  ${line}\n`,
    });
    const { code, stderr } = await build("where", "--no-check");
    expect(stderr).not.toMatch(STACK);
    expect({ code, files: (await added("where")).sort() }).toEqual({ code: 0, files: [...expected].sort() });
  });

  test("ROOTFS is laid over the base, and files over that", async () => {
    write({
      ...{ "ROOTFS/a": "of ROOTFS", "ROOTFS/b": "of ROOTFS", "ROOTFS/etc/hosts": "of ROOTFS", other: "of files" },
      Capstanfile: "base: builtin\ncmdline: /a\nfiles: { /b: other }\n",
    });
    expect((await build("rooted", "--no-check")).code).toBe(0);
    for (const [path, content] of [
      ["/a", "of ROOTFS"],
      ["/b", "of files"],
      ["/etc/hosts", "of ROOTFS"],
    ]) {
      expect(await sandbox.ok(["image", "cat", "rooted", path ?? ""])).toBe(content);
    }
    expect(await list("rooted")).toContain("etc/fstab");
  });

  test("another folder takes the place of ROOTFS", async () => {
    write({ "ROOTFS/a": "", "tree/b": "", Capstanfile: "base: builtin\ncmdline: /b\nrootfs: tree\n" });
    expect((await build("tree", "--no-check")).code).toBe(0);
    expect(await added("tree")).toEqual(["b"]);
  });

  test("modes and links are kept", async () => {
    write({ tool: "x", Capstanfile: "base: builtin\ncmdline: /tool\nfiles: { /tool: tool, /links: links }\n" });
    chmodSync(join(folder, "tool"), 0o751);
    mkdirSync(join(folder, "links"));
    symlinkSync("/etc/hosts", join(folder, "links", "absolute"));
    expect((await build("modes", "--no-check", "--fs", "zfs", "--size", "64M")).code).toBe(65);
    expect((await build("modes", "--no-check")).code).toBe(0);
    const rows = await sandbox.json<Row[]>(["image", "ls", "-R", "modes"]);
    expect(rows).toContainEqual(expect.objectContaining({ path: "links/absolute", target: "/etc/hosts" }));
  });
});

describe("what cannot be found or placed", () => {
  test.each<[string, string, number, string]>([
    ["a file that is not there", "/x: nowhere", 66, "Capstanfile:4:7: there is no"],
    ["wildcards that fit nothing", "/x: '*.so'", 66, "Capstanfile:4:7: nothing fits '*.so'"],
    ["wildcards in a folder that is not there", "/x: 'no/*'", 66, "nothing fits 'no/*'"],
    ["two files of one place", "/lib: [a.txt, b.txt]", 65, "Capstanfile:4:17: both"],
    ["a file in the place of a folder", "/etc: a.txt", 65, "'/etc' is a directory with entries"],
    ["a folder below a file", "{ /x: a.txt, /x/y: b.txt }", 65, "'/x'"],
  ])("%s", async (_, line, expected, message) => {
    const files = line.startsWith("{") ? `files: ${line}` : `files:\n  ${line}`;
    write({ "a.txt": "a", "b.txt": "b", Capstanfile: `base: builtin\ncmdline: /x\n${files}\n` });
    const { code, stderr } = await build("lost", "--no-check");
    expect({ code, stderr }).toEqual({ code: expected, stderr: expect.stringContaining(message) });
    expect(stderr).not.toMatch(STACK);
    expect(sandbox.files("store/repository/lost")).toEqual([]);
  });

  test("all of it is told at once, with the place of each line", async () => {
    write({
      ...{ "a.txt": "a", "b.txt": "b" },
      Capstanfile: [
        ...["base: builtin", "rootfs: nowhere", "files:"],
        ...["  /one: missing", "  /lib: [a.txt, b.txt]", "  /two: '*.so'", "  /x/y: a.txt", "  /x: b.txt", ""],
      ].join("\n"),
    });
    const { code, stderr } = await build("lost");
    expect(code).toBe(66);
    expect(stderr.split("\n").filter((line) => line.includes("Capstanfile:"))).toEqual([
      expect.stringContaining("Capstanfile:2:9: there is no folder"),
      expect.stringContaining("Capstanfile:4:9: there is no"),
      expect.stringContaining("Capstanfile:5:17: both"),
      expect.stringContaining("Capstanfile:6:9: nothing fits '*.so'"),
      expect.stringMatching(/'\/x' is a directory with entries in Capstanfile:7:9 and a file in Capstanfile:8:7/),
    ]);
    expect(stderr).toContain("with a slash at its end");
  });

  test("a link that wildcards find and that leads nowhere is stored as it says", async () => {
    write({ "lib/a.so": "a", Capstanfile: "base: builtin\ncmdline: /x\nfiles: { /lib: 'lib/*' }\n" });
    symlinkSync("/usr/lib/of-the-image.so", join(folder, "lib", "b.so"));
    symlinkSync("a.so", join(folder, "lib", "c.so"));
    expect((await build("dangling", "--no-check")).code).toBe(0);
    const rows = await sandbox.json<Row[]>(["image", "ls", "-R", "dangling"]);
    expect(rows.filter(({ path }) => path.startsWith("lib/"))).toEqual([
      expect.objectContaining({ path: "lib/a.so", type: "file" }),
      expect.objectContaining({ path: "lib/b.so", target: "/usr/lib/of-the-image.so" }),
      expect.objectContaining({ path: "lib/c.so", type: "file" }),
    ]);
  });

  test("a rootfs that is named has to be there", async () => {
    write({ Capstanfile: "base: builtin\nrootfs: nowhere\n" });
    const { code, stderr } = await build("lost");
    expect({ code, stderr }).toEqual({
      code: 66,
      stderr: expect.stringContaining("Capstanfile:2:9: there is no folder"),
    });
  });
});

describe("the build command", () => {
  test("D20: is run by a shell as written, in the folder of the file, before files are looked for", async () => {
    write({
      Capstanfile: [
        "base: builtin",
        "cmdline: /made",
        "build: mkdir -p out \"two words\" && echo $((1+1)) > out/made; echo said; echo complained >&2; cp out/made 'two words'",
        "rootfs: out",
        "files: { '/also': 'two words/made' }",
      ].join("\n"),
    });
    const { code, stdout, stderr } = await sandbox.run([
      "build",
      "made",
      "--no-check",
      "-f",
      join(folder, "Capstanfile"),
    ]);
    expect(code).toBe(0);
    expect(stderr).toContain("said\n");
    expect(stderr).toContain("complained\n");
    expect(stdout).toBe("");
    expect(await sandbox.ok(["image", "cat", "made", "/made"])).toBe("2\n");
    expect(await sandbox.ok(["image", "cat", "made", "/also"])).toBe("2\n");
  });

  test("that fails is the failure of the command, and leaves no image", async () => {
    write({ Capstanfile: "base: builtin\ncmdline: /x\nbuild: echo before; exit 7\n" });
    const { code, stderr } = await build("failed");
    expect(code).toBe(65);
    expect(stderr).toContain("before\n");
    expect(stderr).toContain("Capstanfile:3:8: the build command ended with exit code 7");
    expect(sandbox.files("store/repository/failed")).toEqual([]);
  });

  test("is left out with --no-build", async () => {
    write({ x: "", Capstanfile: "base: builtin\ncmdline: /x\nbuild: exit 7\nfiles: { /x: x }\n" });
    expect((await build("skipped", "--no-build", "--no-check")).code).toBe(0);
    expect(await added("skipped")).toEqual(["x"]);
  });

  test.each(["build:", "build: ''", "build: ' '"])("%s is none", async (line) => {
    write({ x: "", Capstanfile: `base: builtin\ncmdline: /x\n${line}\nfiles: { /x: x }\n` });
    expect((await build("blank", "--no-check")).code).toBe(0);
  });

  test("ends with Ctrl-C, with all that it started", async () => {
    write({ Capstanfile: "base: builtin\ncmdline: /x\nbuild: sleep 1000 & echo $! > pid; echo up; wait\n" });
    const { code } = await sandbox.run(["build", "never"], {
      cwd: folder,
      onStart: (child) => {
        child.stderr?.on("data", (chunk: Buffer) => {
          if (chunk.toString().includes("up\n")) child.kill("SIGINT");
        });
      },
    });
    expect(code).toBe(130);
    const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
    // A process that has ended may stay as a zombie where nobody asks for it.
    await expect.poll(() => /^State:\s+(\w)/m.exec(statusOf(pid))?.[1] ?? "Z").toBe("Z");
  });
});

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}

describe("the base", () => {
  beforeAll(async () => {
    sandbox.write({ "below/app/one": "one of the base", "below/app/two": "two of the base" });
    await sandbox.ok(["compose", "below", "below", "-l", "builtin", "-c", "--console=serial --env=A=1 /app/one"]);
  });

  test("has its files under the new ones, and its boot command is kept without another", async () => {
    write({ x: "new", Capstanfile: "base: below\nfiles: { /app/two: x, /app/three: x }\n" });
    const { code, stderr } = await build("above", "--no-check");
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("Built above: 2 files over below") });
    expect(await list("above")).toEqual(["app/one", "app/three", "app/two"]);
    expect(await sandbox.ok(["image", "cat", "above", "/app/one"])).toBe("one of the base");
    expect(await sandbox.ok(["image", "cat", "above", "/app/two"])).toBe("new");
    expect((await inspect("above")).commandLine).toBe("--console=serial --env=A=1 /app/one");
    expect(await sandbox.ok(["image", "cat", "below", "/app/two"])).toBe("two of the base");
  });

  test.each<[string, string, string]>([
    ["its options are kept", "/app/two", "--console=serial --env=A=1 /app/two"],
    ["a variable is replaced", "--env=A=2 /app/two", "--console=serial --env=A=2 /app/two"],
    ["another one is added", "--env=B=2 /app/two", "--console=serial --env=A=1 --env=B=2 /app/two"],
    ["an option is replaced", "--console=vga /app/two", "--env=A=1 --console=vga /app/two"],
  ])("%s", async (_, cmdline, expected) => {
    write({ Capstanfile: `base: below\ncmdline: ${cmdline}\n` });
    expect((await build("options", "--no-check")).code).toBe(0);
    expect((await inspect("options")).commandLine).toBe(expected);
  });

  test.each([
    ["a block", "cmdline: |\n  --env=A=2 /app/two\n"],
    ["folded lines", "cmdline: >\n  --env=A=2\n  /app/two\n\n"],
  ])("a boot command may be %s of YAML", async (_, lines) => {
    write({ Capstanfile: `base: below\n${lines}` });
    expect((await build("block", "--no-check")).code).toBe(0);
    expect((await inspect("block")).commandLine).toBe("--console=serial --env=A=2 /app/two");
  });

  test.each(["raw", "qcow2", "vdi", "vmdk", "vpc"])("may be a file of the format %s", async (format) => {
    const path = join(folder, `base.${format}`);
    const { spawnSync } = await import("node:child_process");
    const converted = spawnSync("qemu-img", ["convert", "-O", format, sandbox.image("below"), path]);
    expect(converted.status).toBe(0);
    write({ x: "new", Capstanfile: `base: ./base.${format}\nfiles: { /x: x }\n` });
    const { code, stderr } = await build(`of-${format}`, "--no-check");
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("Built") });
    expect(await list(`of-${format}`)).toEqual(["app/one", "app/two", "x"]);
  });

  test("may have been built of another one, again and again, and the disk does not grow with it", async () => {
    let base = "below";
    for (let round = 0; round < 5; round++) {
      write({ x: "new", Capstanfile: `base: ${base}\nfiles: { /x: x }\n` });
      expect((await build(`round${round}`, "--no-check")).code).toBe(0);
      base = `round${round}`;
    }
    expect((await inspect("round4")).partitions).toEqual((await inspect("round0")).partitions);
  });

  test("is the same image, byte for byte, built twice", async () => {
    write({ x: "new", Capstanfile: "base: below\nfiles: { /x: x }\n" });
    for (const name of ["twice", "again"]) expect((await build(name, "--no-check")).code).toBe(0);
    expect(sha256(sandbox.image("twice"))).toBe(sha256(sandbox.image("again")));
  });

  test("without a root file system gets one", async () => {
    const loader = join(repository, "guest", "prebuilt", "osv-demo-loader.img");
    cpSync(loader, join(folder, "loader.img"));
    write({ x: "", Capstanfile: "base: ./loader.img\ncmdline: /x\nfiles: { /x: x }\n" });
    expect((await build("first", "--no-check")).code).toBe(0);
    expect(await list("first")).toEqual(["etc/fstab", "etc/hosts", "x"]);
  });

  test("that is not there: says so with its place", async () => {
    write({ Capstanfile: "cmdline: /x\nbase: nowhere\nbuild: touch ran\n" });
    const { code, stderr } = await build("none");
    expect(code).toBe(66);
    expect(stderr).toContain("Capstanfile:2:7: There is no image 'nowhere' in the local store");
    expect(statSync(join(folder, "ran"), { throwIfNoEntry: false })).toBeUndefined();
  });

  test("that is misspelt: says what was meant", async () => {
    write({ Capstanfile: "base: builtin\ncmdline: /x\n" });
    expect((await build("meant", "--no-check")).code).toBe(0);
    write({ Capstanfile: "cmdline: /x\nbase: maent\n" });
    const { code, stderr } = await build("none");
    expect([code, stderr]).toEqual([66, expect.stringContaining("Did you mean 'meant'?")]);
  });

  test("that the store lacks comes from a remote, and stays in the store", async () => {
    const shop = await makeRepository(join(folder, "shop"), []);
    const additions = [additionOf(sandbox.image("below"), { name: "team.base" })];
    await addToRepository(shop, additions, { replace: true }, testContext(folder));
    await using server = await MisbehavingServer.start();
    serveFolder(server, shop);
    const config = join(sandbox.store, "config.yaml");
    writeFileSync(config, `remotes:\n  shop:\n    type: index\n    url: "${server.url("/")}"\n`);
    onTestFinished(() => rmSync(config));
    write({ x: "new", Capstanfile: "base: team.base\nfiles: { /x: x }\n" });
    const offline = await build("of-remote", "--no-check");
    expect({ code: offline.code, stderr: offline.stderr }).toEqual({
      code: 66,
      stderr: expect.stringContaining("Capstanfile:1:7: There is no image 'team.base'"),
    });
    const { code, stderr } = await sandbox.run(["build", "of-remote", "--no-check"], { cwd: folder, env: ONLINE });
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("Built of-remote") });
    expect(await list("of-remote")).toEqual(["app/one", "app/two", "x"]);
    expect((await build("again", "--no-check")).code).toBe(0);
  });

  test.each(["./nowhere.qcow2", "../nowhere/base.raw"])("that is a file and not there: %s", async (path) => {
    write({ Capstanfile: `cmdline: /x\nbase: ${path}\n` });
    const { code, stderr } = await build("none");
    expect({ code, stderr }).toEqual({ code: 66, stderr: expect.stringContaining("Capstanfile:2:7: The image file") });
    expect(stderr).toContain("does not exist");
    expect(stderr).toContain("it starts in the folder of the Capstanfile");
  });

  test("with a kernel that cannot mount ZFS gets none", async () => {
    write({ Capstanfile: "base: builtin\ncmdline: /x\n" });
    const { code, stderr } = await build("none", "--fs", "zfs");
    expect({ code, stderr }).toEqual({ code: 65, stderr: expect.stringContaining("Capstanfile:1:7: the kernel") });
    expect(stderr).toContain("base: osv-loader-with-zfs");
    expect(stderr).not.toContain("--loader_image");
  });

  test.each(["below", "../evil"])("and the new image cannot have the name %s: nothing is run", async (name) => {
    write({ Capstanfile: "base: below\nbuild: touch ran\n" });
    expect((await build(name)).code).toBe(64);
    expect(statSync(join(folder, "ran"), { throwIfNoEntry: false })).toBeUndefined();
  });

  test.each<[string, (path: string) => void, string]>([
    ["no boot sector", (path) => writeFileSync(path, Buffer.alloc(1 << 20)), "its first sector does not end in 55 AA"],
    [
      "a kernel alone",
      (path) => cpSync(join(repository, "guest", "prebuilt", "osv-demo-loader.elf"), path),
      "kernel in ELF format",
    ],
    ["another file system", (path) => otherRoot(path), "its partition 2 holds neither ROFS nor ZFS"],
    ["a root beyond its end", (path) => otherRoot(path, 1 << 30), "partition 2 ends at byte"],
  ])("that cannot be amended says why: %s", async (_, make, reason) => {
    make(join(folder, "base.img"));
    write({ Capstanfile: "base: ./base.img\ncmdline: /x\n" });
    const { code, stderr } = await build("none", "--no-check");
    expect({ code, stderr }).toEqual({ code: 65, stderr: expect.stringContaining(reason) });
    expect(stderr).toContain("Capstanfile:1:7: the base");
    expect(stderr).not.toMatch(STACK);
  });

  test("has further partitions: they are carried over, behind a root that grows", async () => {
    const data = Buffer.from("what another partition holds".padEnd(512, "."));
    const path = join(folder, "base.raw");
    const { spawnSync } = await import("node:child_process");
    expect(spawnSync("qemu-img", ["convert", "-O", "raw", sandbox.image("below"), path]).status).toBe(0);
    const disk = readFileSync(path);
    const start = (disk.length + (1 << 20)) & ~511;
    addPartition(disk, 3, { start, size: 512, type: 0x83 });
    writeFileSync(path, Buffer.concat([disk, Buffer.alloc(start - disk.length), data]));
    write({ x: Buffer.alloc(5 << 20, "x"), Capstanfile: "base: ./base.raw\nfiles: { /x: x }\n" });
    expect((await build("parts", "--no-check")).code).toBe(0);
    const { partitions } = await inspect("parts");
    const [root, other] = [2, 3].map((one) => partitions.find(({ number }) => number === one));
    expect(other?.size).toBe(512);
    expect(other?.start).toBeGreaterThanOrEqual((root?.start ?? 0) + (root?.size ?? 0));
    const raw = join(folder, "out.raw");
    expect(spawnSync("qemu-img", ["convert", "-O", "raw", sandbox.image("parts"), raw]).status).toBe(0);
    expect(readFileSync(raw).subarray(other?.start, (other?.start ?? 0) + 512)).toEqual(data);
  });
});

/** The built-in loader with a partition 2 that holds neither file system. */
function otherRoot(path: string, size = 512): void {
  const loader = readFileSync(join(repository, "guest", "prebuilt", "osv-demo-loader.img"));
  addPartition(loader, 2, { start: 1 << 21, size, type: 0x83 });
  writeFileSync(path, Buffer.concat([loader, Buffer.alloc((1 << 21) + 512 - loader.length)]));
}

function addPartition(
  disk: Buffer,
  number: number,
  { start, size, type }: { start: number; size: number; type: number },
) {
  const at = 0x1be + (number - 1) * 16;
  disk.writeUInt16LE(1, at + 2);
  disk.writeUInt8(type, at + 4);
  disk.writeUInt32LE(start / 512, at + 8);
  disk.writeUInt32LE(size / 512, at + 12);
}

describe("names, and whether there is anything to do", () => {
  test("the image is called like the folder, or as it is told", async () => {
    write({ x: "", Capstanfile: "base: builtin\ncmdline: /x\n" });
    expect((await sandbox.json<{ name: string }>(["build", "--no-check"], { cwd: folder })).name).toBe(
      `case-${number}`,
    );
    expect((await sandbox.json<{ name: string }>(["build", "a/b", "--no-check"], { cwd: folder })).name).toBe("a/b");
  });

  test("without a Capstanfile", async () => {
    const { code, stderr } = await build();
    expect(code).toBe(66);
    expect(stderr).toContain("There is no Capstanfile");
    expect(stderr).toContain("name it with -f");
    const named = await build("-f", "web.capstan");
    expect([named.code, named.stderr]).toEqual([
      66,
      expect.stringContaining("There is no web.capstan\nCheck the path"),
    ]);
  });

  test("run in a folder with neither says what both would be", async () => {
    const { code, stderr } = await sandbox.run(["run"], { cwd: folder });
    expect({ code, stderr }).toEqual({
      code: 66,
      stderr: expect.stringContaining("neither a Capstanfile nor a meta/package.yaml"),
    });
    expect(stderr).toContain("capstan init");
  });

  test("package compose says what a folder with a Capstanfile alone is for", async () => {
    write({ Capstanfile: "base: builtin\n" });
    const { code, stderr } = await sandbox.run(["package", "compose", "x"], { cwd: folder });
    expect(code).toBe(66);
    expect(stderr).toContain("capstan build");
  });
});

describeUnless(lacksGuests())("run", () => {
  const run = (...args: readonly string[]) => sandbox.run(["run", "--no-check", ...args], { cwd: folder });

  test("builds the folder's image once, and again when an input changed", async () => {
    const capstanfile = "base: builtin\ncmdline: /hello again\nfiles: { /hello: hello, /etc/greeting.txt: greeting }\n";
    write({ hello, greeting: "Good day.\n", Capstanfile: capstanfile });
    chmodSync(join(folder, "hello"), 0o755);
    const first = await run();
    expect({ code: first.code, stdout: first.stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining("Good day."),
    });
    expect(first.stderr).toContain(`Built case-${number}`);
    expect((await run()).stderr).not.toContain("Built");
    write({ greeting: "Good day.\n" });
    expect((await run()).stderr).not.toContain("Built");
    write({ greeting: "Good night.\n" });
    const third = await run();
    expect(third.stderr).toContain("Built");
    expect(third.stdout).toContain("Good night.");
    write({ Capstanfile: capstanfile.replace("again", "other") });
    expect((await run()).stdout).toContain("argument: [other]");
  });

  test("takes the Capstanfile where there is a meta/ too, and says so", async () => {
    write({
      ...{ hello, greeting: "of the Capstanfile\n", "etc/greeting.txt": "of meta\n" },
      "meta/package.yaml": "name: both\ntitle: both\nauthor: tests\n",
      "meta/run.yaml": "runtime: native\nconfig_set:\n  default:\n    bootcmd: /hello\n",
      Capstanfile: "base: builtin\ncmdline: /hello\nfiles: { /hello: hello, /etc/greeting.txt: greeting }\n",
    });
    chmodSync(join(folder, "hello"), 0o755);
    const { stdout, stderr } = await run();
    expect(stdout).toContain("of the Capstanfile");
    expect(stderr).toContain("the Capstanfile is used");
    const other = await sandbox.run(["run", folder, "--no-check"]);
    expect(other.stdout).toContain("of the Capstanfile");
  });

  test("the folder itself is the program, with a meta/ beside it", async () => {
    write({
      ...{ "package.json": '{"main": "app.js"}', "app.js": "" },
      "meta/package.yaml": "name: both\ntitle: both\nauthor: tests\n",
      "meta/run.yaml": "runtime: node\nconfig_set:\n  default:\n    main: /app.js\n",
      ...{ "volumes/data": "a disk", "volumes/data.yaml": "format: raw\n", "capstan.yaml": "", "capstan.lock": "" },
      ...{ "src/meta/one.js": "", "src/Capstanfile": "" },
    });
    await sandbox.ok(["init", "--base", "builtin"], { cwd: folder });
    const { code, stderr } = await build("folder", "--no-check");
    expect([code, stderr]).toEqual([0, expect.not.stringContaining("Left out")]);
    // What Capstan keeps in the folder is nothing to the program, and a volume would be the largest file of its image.
    const files = (await list("folder")).filter((path) => path.startsWith("app/"));
    expect(files).toEqual(["app/app.js", "app/package.json", "app/src/Capstanfile", "app/src/meta/one.js"]);
    write({ "volumes/index.js": "", "volumes/index.js.yaml": "is: of the program\n" });
    expect((await build("folder", "--no-check")).code).toBe(0);
    const more = (await list("folder")).filter((path) => path.startsWith("app/volumes/"));
    expect(more).toEqual(["app/volumes/index.js", "app/volumes/index.js.yaml"]);
  });

  test("without a boot command one warning says so, and what to do in the file", async () => {
    write({ Capstanfile: "base: builtin\n" });
    for (const flag of ["--no-check", "--verbose"]) {
      const { stderr } = await build("silent", flag);
      expect(stderr.match(/^Warning: /gm)).toHaveLength(1);
      expect(stderr).toContain("cmdline");
    }
  });

  test("a loader is written into the file, not given", async () => {
    write({ Capstanfile: "base: builtin\ncmdline: /x\n" });
    expect((await run("-l", "builtin")).code).toBe(64);
  });
});
