import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatSize } from "../../src/support/bytes.ts";
import { lacksGuests, SMALL } from "../support/guest.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { repository, Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const here = { cwd: sandbox.dir };

beforeAll(async () => {
  sandbox.write({
    "root/hello": readFileSync(`${repository}/examples/hello/hello-static`),
    "root/etc/greeting.txt": "hi\n",
    "zroot/data/file.txt": "kept\n",
    "loader.img": emptyLoader(),
  });
  sandbox.executable(sandbox.path("root/hello"));
  await sandbox.ok(["compose", "app", "root", "-l", "builtin", "-c", "/hello"], here);
  await sandbox.package("libs", { "lib/data.bin": "x".repeat(1000) });
  const project = sandbox.project("project", { "own.txt": "own" }, ["libs"]);
  await sandbox.ok(["package", "compose", "project", "-l", "builtin", "--run", "/own.txt", "--no-check"], {
    cwd: project,
  });
});
afterAll(() => sandbox.remove());

/** The shape of a loader, with a kernel that says nothing of itself. */
function emptyLoader(): Buffer {
  const image = Buffer.alloc(2 ** 20, 1);
  image.fill(0, 0, 65_536);
  image.set([0x55, 0xaa], 510);
  image.writeUInt16LE((image.length - 65_536) / 32_768, 16);
  return image;
}

describe("info", () => {
  test("says first what the original says, then what is in it", async () => {
    const path = sandbox.image("app");
    const [first, ...rest] = (await sandbox.ok(["info", path])).split("\n");
    expect(first).toBe(`${path}: QCOW2`);
    expect(rest.join("\n")).toMatch(/^loader {8}Capstan's demo kernel [\d.]+, .* packed$/m);
    expect(rest.join("\n")).toMatch(/^boot command {2}\/hello$/m);
  });

  test.each([
    ["root/etc/greeting.txt", "root/etc/greeting.txt: not a runnable image\n"],
    ["loader.img", "loader.img: RAW\n"],
    ["app", "app: QCOW2\n"],
  ])("%s", async (file, start) => {
    expect((await sandbox.ok(["info", file], here)).startsWith(start)).toBe(true);
  });

  test("an ELF file: a program's kind, a kernel's version", async () => {
    expect(await sandbox.json(["info", "root/hello"], here)).toMatchObject({
      kind: "ELF, a kernel or a program",
      elf: { machine: "x86-64", kind: "static", interpreter: null, kernel: null, version: null },
    });
    expect(await sandbox.ok(["info", "root/hello"], here)).toMatch(/^program {7}static, x86-64$/m);
    expect(await sandbox.ok(["info", "store/repository/app/app.elf"], here)).toMatch(
      /^kernel {8}Capstan's demo kernel [\d.]+, x86-64$/m,
    );
    sandbox.write({ "bad.elf": "\x7fELF and no more" });
    expect(await sandbox.json(["info", "bad.elf"], here)).toMatchObject({ elf: null });
  });

  test("a file comes before an image of the store", async () => {
    sandbox.write({ "names/app": "a text" });
    expect(await sandbox.ok(["info", "app"], { cwd: sandbox.path("names") })).toContain("not a runnable image");
  });

  test.each(["./nothing.img", "nothing.vhd", "nothing", "no-folder/nothing"])(
    "fails for %s, which is not there",
    async (name) => {
      const { code, stderr } = await sandbox.run(["info", name], here);
      expect([code, stderr]).toEqual([66, expect.stringContaining(`There is no file '${name}'`)]);
    },
  );
});

describe("image set-cmdline", () => {
  test("changes what an image boots, and nothing else", async () => {
    await sandbox.ok(["compose", "set", "root", "-l", "builtin", "-c", "/hello"], here);
    const before = sandbox.files("store/repository/set");
    const { stderr } = await sandbox.run(["image", "set-cmdline", "set", "/hello --loud"], here);
    expect(stderr).toContain("The boot command of set is now /hello --loud");
    expect(await sandbox.json(["image", "diff", "app", "set"])).toMatchObject({
      same: false,
      commandLine: { before: "/hello", after: "/hello --loud" },
      virtualSize: null,
      files: [],
    });
    expect(sandbox.files("store/repository/set")).toEqual(before);
  });

  test("an image of a project that was changed is composed anew", async () => {
    const project = sandbox.project("anew", { "own.txt": "own" });
    const compose = ["package", "compose", "anew", "-l", "builtin", "--run", "/own.txt", "--no-check", "--update"];
    await sandbox.ok(compose, { cwd: project });
    await sandbox.ok(["image", "set-cmdline", "anew", "/other"]);
    expect(await sandbox.json(["image", "inspect", "anew"])).toMatchObject({ commandLine: "/other" });
    await sandbox.ok(compose, { cwd: project });
    expect(await sandbox.json(["image", "inspect", "anew"])).toMatchObject({ commandLine: "/own.txt" });
  });

  test.each([
    [["root/etc/greeting.txt", "/x"], 65],
    [["app", "x".repeat(40_000)], 65],
    [["nothing", "/x"], 66],
  ])("refuses %j", async ([image = "", command = ""], code) => {
    const before = readFileSync(sandbox.image("app"));
    const target = image.includes("/") ? `./${image}` : image;
    expect((await sandbox.run(["image", "set-cmdline", target, command], here)).code).toBe(code);
    expect(readFileSync(sandbox.image("app")).equals(before)).toBe(true);
  });
});

describe("image resize", () => {
  test("of a ROFS grows the disk, and says so", async () => {
    await sandbox.ok(["compose", "grows", "root", "-l", "builtin", "-c", "/hello"], here);
    const { stderr } = await sandbox.run(["image", "resize", "grows", "64M"], here);
    expect(stderr).toMatch(/grew from .* to 64 MiB\. The file system stays as it is: a ROFS/);
    expect(await sandbox.json(["image", "diff", "app", "grows"])).toMatchObject({
      virtualSize: { after: 64 * 2 ** 20 },
      files: [],
    });
  });

  test("of a ZFS grows the file system with its files", async () => {
    await sandbox.ok(
      ["compose", "z", "zroot", "-l", "./loader.img", "--fs", "zfs", "--zfs-root", "osv", "-s", "64M", "--no-check"],
      here,
    );
    const resized = await sandbox.json(["image", "resize", "z", "+64M"], here);
    expect(resized).toMatchObject({ filesystem: { before: 64 * 2 ** 20 }, reason: null });
    const inspected = await sandbox.json(["image", "inspect", "z", "--verify"], here);
    expect(inspected).toMatchObject({ problems: [], root: { filesystem: "zfs", files: 1 } });
    const { virtualSize, partitions } = inspected as {
      virtualSize: number;
      partitions: { start: number; size: number }[];
    };
    const end = (partitions[0]?.start ?? 0) + (partitions[0]?.size ?? 0);
    expect(virtualSize - end).toBeLessThan(256 * 1024);
    expect(await sandbox.ok(["image", "cat", "z", "/data/file.txt"])).toBe("kept\n");
  });

  test.each([
    ["1M", 65, "disks only grow"],
    ["much", 64, "is not a size"],
  ])("to %s is refused", async (size, code, text) => {
    const result = await sandbox.run(["image", "resize", "app", size], here);
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(text);
  });
});

describeUnless(lacksProgram("qemu-img"))("files of other formats", () => {
  test.each([
    ["raw", "raw"],
    ["qcow2", "qcow2"],
    ["vmdk", "vmdk"],
    ["vdi", "vdi"],
    ["vhd", "vpc"],
    ["vhd-dynamic", "vpc"],
  ])("%s stays what it is when it is changed", async (format, qemu) => {
    const file = `./changed-${format}`;
    await sandbox.ok(["image", "export", "app", "-O", format, "-o", file], here);
    await sandbox.ok(["image", "resize", file, "+16M"], here);
    await sandbox.ok(["image", "set-cmdline", file, "/hello --loud"], here);
    const told = execFileSync("qemu-img", ["info", "-f", qemu, "--output=json", file], { cwd: sandbox.dir });
    const { virtualSize } = (await sandbox.json(["image", "inspect", file], here)) as { virtualSize: number };
    expect(JSON.parse(told.toString())["virtual-size"]).toBe(virtualSize);
    expect(await sandbox.json(["image", "diff", "app", file], here)).toMatchObject({
      commandLine: { after: "/hello --loud" },
      files: [],
    });
  });
});

describe("image diff", () => {
  test("tells files, sizes and the sum, and ends with 1 when it is asked to", async () => {
    sandbox.write({ "other/hello": "other", "other/new.txt": "12345" });
    await sandbox.ok(["compose", "other", "other", "-l", "builtin", "-c", "/x", "--no-check"], here);
    const { stdout, code } = await sandbox.run(["image", "diff", "app", "other", "--exit-code"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^boot command {2}\/hello -> \/x$/m);
    expect(stdout).toMatch(/^~ .* -> 5 B {2}\/hello$/m);
    expect(stdout).toMatch(/^\+ +5 B {2}\/new.txt$/m);
    expect(stdout).toMatch(/^- +3 B {2}\/etc\/greeting.txt$/m);
    expect(stdout).toMatch(/1 path added, 2 removed, 1 changed; -/);
  });

  test("sizes that differ by little are told in bytes", async () => {
    sandbox.write({ "long/file": "x".repeat(100_000), "longer/file": "x".repeat(100_001) });
    for (const name of ["long", "longer"]) {
      await sandbox.ok(["compose", name, name, "-l", "builtin", "-c", "/x", "--no-check"], here);
    }
    expect(await sandbox.ok(["image", "diff", "long", "longer"])).toMatch(/^~ +100000 -> 100001 B {2}\/file$/m);
  });

  test("of an image and itself", async () => {
    const { stdout, code } = await sandbox.run(["image", "diff", "app", "app", "--exit-code"]);
    expect([stdout, code]).toEqual(["The images hold the same.\n", 0]);
  });
});

describe("image du", () => {
  test("by folder and by package", async () => {
    const value = await sandbox.json(["image", "du", "project"]);
    expect(value).toMatchObject({
      path: "/",
      tree: { children: [{ path: "/lib", size: 1000 }, {}, {}, {}, {}, {}, {}] },
    });
    expect((value as { sources: object[] }).sources).toEqual(
      expect.arrayContaining([
        { kind: "package", name: "libs", version: "1.0", size: 1000, files: 1 },
        { kind: "project", name: "project", version: "1.0", size: 3, files: 1 },
      ]),
    );
    expect(await sandbox.ok(["image", "du", "project"])).toMatch(/ 1000 B +\d+ % {2}package libs 1\.0/);
  });

  test("as a picture", async () => {
    await sandbox.ok(["image", "du", "project", "--svg", "du.svg"], here);
    expect(readFileSync(sandbox.path("du.svg"), "utf8")).toContain("<title>/lib/data.bin: 1000 B</title>");
  });

  test("survives that the image is changed, and not that it is replaced by a stranger's", async () => {
    await sandbox.ok(["image", "set-cmdline", "project", "/elsewhere"]);
    expect(await sandbox.ok(["image", "du", "project"])).toContain("package libs");
    await sandbox.ok(["import", "project", sandbox.image("app")]);
    expect(await sandbox.ok(["image", "du", "project"])).not.toContain("package");
  });
});

describe("image sbom", () => {
  test("is the same for the same time, in either format", async () => {
    const env = { SOURCE_DATE_EPOCH: "1700000000" };
    for (const format of ["spdx", "cyclonedx"]) {
      const first = await sandbox.ok(["image", "sbom", "app", "--format", format], { env });
      expect(await sandbox.ok(["image", "sbom", "app", "--format", format], { env })).toBe(first);
      expect(first).toContain("2023-11-14T22:13:20Z");
      expect(first).toContain("Capstan demo kernel");
    }
  });

  test.each([
    ["sbom", "-o"],
    ["du", "--svg"],
  ])("%s %s never takes the place of a device", async (command, flag) => {
    symlinkSync("/dev/null", sandbox.path(`device-${command}`));
    const { code, stderr } = await sandbox.run(["image", command, "app", flag, `device-${command}`], here);
    expect([code, stderr]).toEqual([73, expect.stringContaining("is no regular file")]);
    expect(lstatSync(sandbox.path(`device-${command}`)).isSymbolicLink()).toBe(true);
  });

  test.each([
    ["sbom", "-o"],
    ["du", "--svg"],
  ])("%s %s makes no folders", async (command, flag) => {
    const { code, stderr } = await sandbox.run(["image", command, "app", flag, "no-such/deep/file"], here);
    expect([code, stderr]).toEqual([73, expect.stringMatching(/The folder .*no-such\/deep does not exist/)]);
    expect(existsSync(sandbox.path("no-such"))).toBe(false);
  });

  test("goes into a file", async () => {
    const { stdout, stderr } = await sandbox.run(["image", "sbom", "app", "-o", "app.spdx.json"], here);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/Wrote .*app\.spdx\.json: .* files/);
    expect(JSON.parse(readFileSync(sandbox.path("app.spdx.json"), "utf8")).spdxVersion).toBe("SPDX-2.3");
  });
});

describe("disks in archives", () => {
  beforeAll(async () => {
    for (const format of ["ova", "gce"]) await sandbox.ok(["image", "export", "app", "-O", format], here);
  });

  test.each([
    ["app.ova", "OVA", "vmdk"],
    ["app.tar.gz", "GCE tarball", "raw"],
  ])("%s is told, and imported", async (file, kind, format) => {
    const { virtualSize } = (await sandbox.json(["image", "inspect", "app"])) as { virtualSize: number };
    const size = kind === "OVA" ? virtualSize : 2 ** 30;
    expect(await sandbox.ok(["info", file], here)).toMatch(
      new RegExp(`^${file}: ${kind}\nsize .*\ndisk .*, ${formatSize(size)} for the guest\n$`),
    );
    expect(await sandbox.json(["info", file], here)).toMatchObject({ kind, disk: { virtualSize: size } });
    const name = `from-${format}`;
    expect(await sandbox.json(["import", name, file], here)).toMatchObject({ name, format });
    expect(await sandbox.json(["image", "diff", "app", name])).toMatchObject({ commandLine: null, files: [] });
    expect(sandbox.files("store/cache/downloads")).toEqual([]);
  });

  test("what is cut off leaves nothing", async () => {
    const whole = readFileSync(sandbox.path("app.ova"));
    writeFileSync(sandbox.path("cut.ova"), whole.subarray(0, whole.length / 2));
    const { code, stderr } = await sandbox.run(["import", "cut", "cut.ova"], here);
    expect([code, stderr]).toEqual([65, expect.stringContaining("cut.ova is damaged")]);
    expect(sandbox.files("store/repository/cut")).toEqual([]);
    expect(sandbox.files("store/cache/downloads")).toEqual([]);
  });

  test.each([
    [["-O", "vdi", "--ova-for", "vmware"], "--ova-for goes with --format ova"],
    [["-O", "ova", "--cpus", "none"], "--cpus 'none'"],
    [["-O", "ova", "-m", "lots"], "--memory 'lots'"],
  ])("export refuses %j", async (flags, text) => {
    const { code, stderr } = await sandbox.run(["image", "export", "app", ...flags, "-o", "no"], here);
    expect([code, stderr]).toEqual([64, expect.stringContaining(text)]);
  });
});

describeUnless(lacksGuests())("in a guest", () => {
  test.each(["app.ova", "app.tar.gz"])("%s boots by its path", async (file) => {
    const { stdout } = await sandbox.run(["run", `./${file}`, ...SMALL], { ...here, input: "" });
    expect(stdout).toContain("Hello");
    const before = statSync(sandbox.path(file)).mtimeMs;
    const again = await sandbox.run(["run", `./${file}`, ...SMALL], { ...here, input: "" });
    expect(again.stderr).not.toContain("Unpacked");
    expect(statSync(sandbox.path(file)).mtimeMs).toBe(before);
  });

  test("a resized image with another command boots", async () => {
    await sandbox.ok(["image", "set-cmdline", "grows", "/hello --now"]);
    const { stdout } = await sandbox.run(["run", "grows", ...SMALL], { input: "" });
    expect(stdout).toContain("argument: [--now]");
  });
});
