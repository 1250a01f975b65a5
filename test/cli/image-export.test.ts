import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lacksGuests, SMALL } from "../support/guest.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { repository, Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const image = sandbox.path("store/repository/app/app.qemu");
const qemuImg = (...args: readonly string[]) => execFileSync("qemu-img", args, { encoding: "utf8", cwd: sandbox.dir });

beforeAll(async () => {
  sandbox.write({
    "root/hello": readFileSync(`${repository}/examples/hello/hello-static`),
    "root/etc/greeting.txt": "hi\n",
  });
  sandbox.executable(sandbox.path("root/hello"));
  await sandbox.ok(["compose", "app", "root", "-l", "builtin", "-c", "/hello"]);
});
afterAll(() => sandbox.remove());

const FORMATS = [
  ["raw", "raw", "app.raw"],
  ["qcow2", "qcow2", "app.qcow2"],
  ["vmdk", "vmdk", "app.vmdk"],
  ["vmdk-stream", "vmdk", "app.vmdk"],
  ["vdi", "vdi", "app.vdi"],
  ["vhd", "vpc", "app.vhd"],
  ["vhd-dynamic", "vpc", "app.vhd"],
] as const;

describeUnless(lacksProgram("qemu-img"))("an image as another disk", () => {
  test.each(FORMATS)("%s: the same content, in the usual file", async (format, qemu, file) => {
    await sandbox.ok(["image", "export", "app", "-O", format, "--force"], { cwd: sandbox.dir });
    const told = qemuImg("compare", "-f", qemu, "-F", "qcow2", file, image);
    expect(told).toContain("Images are identical");
  });

  test("of whole MiB for Azure, whose size says the whole", async () => {
    await sandbox.ok(["image", "export", "app", "-O", "vhd", "-o", "azure.vhd"], { cwd: sandbox.dir });
    const { size } = statSync(sandbox.path("azure.vhd"));
    expect(size % 2 ** 20).toBe(512);
    expect(JSON.parse(qemuImg("info", "-f", "vpc", "--output=json", "azure.vhd"))["virtual-size"]).toBe(size - 512);
  });

  test("compressed qcow2 is smaller, and the same", async () => {
    await sandbox.ok(["image", "export", "app", "-O", "qcow2", "--compress", "-o", "small.qcow2"], {
      cwd: sandbox.dir,
    });
    expect(qemuImg("compare", "-f", "qcow2", "-F", "qcow2", "small.qcow2", image)).toContain("Images are identical");
    qemuImg("check", "small.qcow2");
  });

  test("the tarball of Google holds disk.raw with the same start", async () => {
    await sandbox.ok(["image", "export", "app", "-O", "gce", "-o", "gce.tar.gz"], { cwd: sandbox.dir });
    execFileSync("tar", ["-xzf", "gce.tar.gz", "disk.raw"], { cwd: sandbox.dir });
    expect(statSync(sandbox.path("disk.raw")).size).toBe(2 ** 30);
    expect(qemuImg("compare", "-f", "raw", "-F", "qcow2", "disk.raw", image)).toContain("Images are identical");
  });
});

describeUnless(lacksGuests())("exported images boot", () => {
  test.each(["vmdk", "vmdk-stream", "vdi", "vhd", "vhd-dynamic"])("as %s, by its path", async (format) => {
    const file = `boots.${format}`;
    await sandbox.ok(["image", "export", "app", "-O", format, "-o", file], { cwd: sandbox.dir });
    const { stdout, stderr } = await sandbox.run(["run", `./${file}`, ...SMALL], { cwd: sandbox.dir, input: "" });
    expect(stderr).not.toContain("Error");
    expect(stdout).toContain("Hello");
  });

  test.each(["vmdk", "vdi", "vhd"])("as %s, imported", async (format) => {
    const file = `comes.${format}`;
    await sandbox.ok(["image", "export", "app", "-O", format, "-o", file], { cwd: sandbox.dir });
    await sandbox.ok(["import", `from-${format}`, file], { cwd: sandbox.dir });
    const { stdout } = await sandbox.run(["run", `from-${format}`, ...SMALL], { cwd: sandbox.dir, input: "" });
    expect(stdout).toContain("Hello");
  });
});

test.each([
  [["image", "export", "app"], 64, "The format is missing"],
  [["image", "export", "app", "-O", "floppy"], 64, "floppy"],
  [["image", "export", "app", "-O", "vdi", "--compress"], 64, "--compress goes with --format qcow2"],
  [["image", "export", "nothing", "-O", "vdi"], 66, "nothing"],
  [["image", "export", "app", "-O", "raw", "-o", "mine"], 73, "exists already"],
])("refuses %j", async (args, code, text) => {
  writeFileSync(sandbox.path("mine"), "mine");
  const result = await sandbox.run(args, { cwd: sandbox.dir });
  expect(result.code).toBe(code);
  expect(result.stderr).toContain(text);
  expect(readFileSync(sandbox.path("mine"), "utf8")).toBe("mine");
  expect(existsSync(sandbox.path("nothing.vdi"))).toBe(false);
});
