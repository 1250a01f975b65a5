import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { openDisk } from "../../src/disks/probe.ts";
import { openRaw } from "../../src/disks/raw.ts";
import { openRofs } from "../../src/filesystems/rofs/reader.ts";
import { openZfs } from "../../src/filesystems/zfs/reader.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const cwd = sandbox.project("app", { "models/one.bin": "12345", "models/deep/two": "two\n" });
symlinkSync("deep/two", sandbox.path("app/models/link"));
const at = (name: string) => sandbox.path("app", "volumes", name);

afterAll(() => sandbox.remove());

test("a session as with the original", async () => {
  expect(await sandbox.run(["volume", "create", "vol", "-s", "2M"], { cwd })).toMatchObject({ code: 0, stdout: "" });
  expect(readFileSync(at("vol.yaml"), "utf8")).toBe("format: raw\n");
  expect(await sandbox.run(["volume", "create", "vol"], { cwd })).toMatchObject({ code: 73 });
  expect(await sandbox.run(["volume", "delete", "vol"], { cwd })).toMatchObject({ code: 0, stdout: "" });
  expect(await sandbox.run(["volume", "delete", "vol"], { cwd })).toMatchObject({ code: 66 });
});

test("a folder with a Capstanfile or a services file has volumes too", async () => {
  for (const file of ["Capstanfile", "capstan.yaml"]) {
    sandbox.write({ [file]: "" }, sandbox.path(`of-${file}`));
    const here = { cwd: sandbox.path(`of-${file}`) };
    await sandbox.ok(["volume", "create", "vol", "-s", "2M"], here);
    expect(await sandbox.ok(["volume", "list"], here)).toContain("vol");
  }
});

test("a volume with the content of a folder", async () => {
  const created = await sandbox.json(["volume", "create", "models", "--fs", "rofs", "--from", "models"], { cwd });
  expect(created).toEqual({ name: "models", path: at("models"), format: "raw", size: 1 << 20, fs: "rofs" });
  const device = openRaw(at("models"));
  try {
    const root = openRofs(device);
    expect([...root.walk()].map(({ path }) => path)).toEqual(["/deep", "/deep/two", "/link", "/one.bin"]);
    expect(Buffer.concat([...root.readFile("/link")]).toString()).toBe("two\n");
  } finally {
    device.close();
  }
});

test("a ZFS, empty or with the content of a folder, at least 1 GiB where no size is given", async () => {
  const small = ["--fs", "zfs", "-s", "64M"];
  expect(await sandbox.json(["volume", "create", "db", "--fs", "zfs"], { cwd })).toMatchObject({
    size: 2 ** 30,
    fs: "zfs",
  });
  await sandbox.ok(["volume", "create", "filled", ...small, "--from", "models", "--zfs-root", "osv", "-f", "qcow2"], {
    cwd,
  });
  const shown = await sandbox.json(["volume", "inspect", "filled"], { cwd });
  expect(shown).toMatchObject({ content: "zfs", size: 64 * 2 ** 20, problem: null });
  const disk = openDisk(at("filled"));
  try {
    const paths = [...openZfs(disk.device).walk()].map(({ path }) => path);
    expect(paths).toEqual(["/deep", "/deep/two", "/link", "/one.bin"]);
  } finally {
    disk.close();
  }
  await sandbox.ok(["volume", "delete", "db", "filled"], { cwd });
});

test("the list and the look at one", async () => {
  await sandbox.ok(["volume", "create", "disk", "-s", "64M", "-f", "qcow2"], { cwd });
  writeFileSync(at("odd"), "x");
  writeFileSync(at("odd.yaml"), "format: qcow2\n");
  const { stdout, stderr, code } = await sandbox.run(["volume", "list"], { cwd });
  expect(code).toBe(0);
  expect(stdout.split("\n").map((line) => line.split(/ {2,}| /).slice(0, 2))).toEqual([
    ["NAME", "FORMAT"],
    ["disk", "qcow2"],
    ["models", "raw"],
    ["odd", "qcow2"],
    [""],
  ]);
  expect(stderr).toContain("volume odd: its description says that it is qcow2, and its content is not");
  expect(await sandbox.ok(["volume", "inspect", "models"], { cwd })).toMatch(/^Content {4}rofs$/m);
});

describe("errors", () => {
  mkdirSync(sandbox.path("elsewhere"));

  test.each([
    [["volume", "create", "../x"], 64, "cannot be the name of a volume"],
    [["volume", "create", "100%done"], 64, "cannot be the name of a volume"],
    [["volume", "create", "x", "-f", "vdi"], 64, "raw, qcow2"],
    [["volume", "create", "x", "-s", "10"], 64, "is not a size"],
    [["volume", "create", "x", "--fs", "rofs"], 64, "--from is missing"],
    [["volume", "create", "x", "--from", "models"], 64, "--from goes with --fs"],
    [["volume", "create", "x", "--fs", "rofs", "--from", "nothing"], 66, "There is no folder"],
    [["volume", "create", "x", "--fs", "ext4", "--from", "models"], 64, "rofs, zfs"],
    [["volume", "create", "x", "--fs", "rofs", "--from", "models", "--zfs-root", "osv"], 64, "--zfs-root goes with"],
    [["volume", "create", "x", "--fs", "zfs", "-s", "63M"], 64, "The content takes 64 MiB"],
    [["volume", "delete", "../meta/package.yaml"], 64, "cannot be the name of a volume"],
    [["volume", "inspect", "modles"], 66, "Did you mean 'models'?"],
  ])("%j", async (args, code, text) => {
    const result = await sandbox.run(args, { cwd });
    expect(result).toMatchObject({ code, stdout: "" });
    expect(result.stderr).toContain(text);
  });

  test.each(["create", "list", "inspect", "delete"])("outside of a package: volume %s", async (command) => {
    const args = ["volume", command, ...(command === "list" ? [] : ["x"])];
    const result = await sandbox.run(args, { cwd: sandbox.path("elsewhere") });
    expect(result).toMatchObject({ code: 65, stdout: "" });
    expect(result.stderr).toContain("is not the folder of a project");
    expect(sandbox.files("elsewhere")).toEqual([]);
  });
});
