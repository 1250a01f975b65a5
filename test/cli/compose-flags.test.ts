import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repository, Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const prebuilt = join(repository, "guest", "prebuilt", "osv-demo-loader");

beforeAll(() => {
  sandbox.write({
    "root/hello": "hello\n",
    "bare/meta/run.yaml": "runtime: native\nconfig_set: {go: {bootcmd: /x}}\n",
  });
  copyFileSync(`${prebuilt}.img`, sandbox.path("own.img"));
  copyFileSync(`${prebuilt}.elf`, sandbox.path("own.elf"));
});
afterAll(() => sandbox.remove());

const compose = (...args: readonly string[]) => sandbox.run(["compose", "x", "root", "-c", "/hello", ...args]);
const kernelOfX = () => join(sandbox.store, "repository", "x", "x.elf");

test.each(["own.img", "./own.img"])("--loader_image %s: a loader file, and the kernel beside it", async (path) => {
  expect(await compose("-l", path)).toMatchObject({ code: 0, stderr: expect.not.stringContaining("Error") });
  expect(existsSync(kernelOfX())).toBe(true);
});

test("a loader file without a kernel leaves none of the last image behind", async () => {
  copyFileSync(`${prebuilt}.img`, sandbox.path("alone.img"));
  expect((await compose("-l", "./alone.img")).code).toBe(0);
  expect(existsSync(kernelOfX())).toBe(false);
});

test.each([
  ["./nope.img", 66, "The loader file "],
  ["nope.img", 66, "There is no loader 'nope.img'"],
  ["./root/hello", 65, "is not an OSv loader"],
  ["own", 66, "There is no loader 'own'"],
])("--loader_image %s is refused", async (loader, exitCode, words) => {
  const { code, stderr } = await compose("-l", loader);
  expect([code, stderr.includes(words)], stderr).toEqual([exitCode, true]);
});

test.each([
  [["compose", "y", "root", "-l", "builtin", "-c", 'a "b'], "--command_line "],
  [["run", "x", "--execute", 'a "b'], "--execute "],
])("a command that OSv cannot read is told with its flag: %j", async (args, flag) => {
  expect((await compose("-l", "builtin")).code).toBe(0);
  const { code, stderr } = await sandbox.run(args);
  expect(code).toBe(64);
  expect(stderr).toContain(`Error: ${flag}`);
});

test("a project of a meta/run.yaml alone is composed under the default name, which is told", async () => {
  const bare = { cwd: sandbox.path("bare") };
  const { code, stderr } = await sandbox.run(["package", "compose", "bare", "-l", "builtin"], bare);
  expect(code).toBe(0);
  expect(stderr).toContain("meta/package.yaml does not exist: the package is called App in this image");
  expect((await sandbox.json<{ commandLine: string }>(["image", "inspect", "bare"])).commandLine).toBe(
    "runscript /run/go;",
  );
  expect((await sandbox.run(["package", "build"], bare)).code).toBe(66);
});

test("an image that would start nothing is told what to do about it", async () => {
  const folder = sandbox.project("silent", { x: "x" });
  const { stderr } = await sandbox.run(["package", "compose", "silent", "-l", "builtin"], { cwd: folder });
  expect(stderr).toContain("capstan runtime init");
});
