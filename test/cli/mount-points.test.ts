import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lacksProgram, testUnless } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const lacksQemu = lacksProgram("qemu-system-x86_64");

beforeAll(async () => {
  sandbox.write({
    "root/data/.keep": "",
    "root/etc/fstab": "none /tmp ramfs defaults 0 0\n/dev/vblk0.1 / rofs defaults 0 0\n",
    "root/file": "",
    "shared/file": "",
    "disk.img": Buffer.alloc(1024),
  });
  for (const [name, command] of [
    ["app", "/x"],
    ["mounting", "--mount-fs=rofs,/dev/vblk1,/composed /x"],
  ] as const) {
    await sandbox.ok(["compose", name, "root", "-l", "builtin", "-c", command, "--no-check"]);
  }
  // Any program that answers: a dry run starts none.
  sandbox.write({ virtiofsd: "#!/bin/sh\necho virtiofsd 1.13.2\n" });
  sandbox.executable(sandbox.path("virtiofsd"));
});
afterAll(() => sandbox.remove());

const dryRun = (args: readonly string[]) => sandbox.run(["run", "--dry-run", ...args]);
const suite = lacksQemu === undefined ? describe : describe.skip;

suite("a folder is mounted", () => {
  test.each([
    ["on a folder of the image", ["--mount", "shared:/data"]],
    ["in memory, where one is made", ["--mount", "shared:/tmp/shared"]],
    ["in a folder that is mounted before", ["--mount", "shared:/data", "--mount", "shared:/data/below"]],
  ])("%s", async (_title, args) => {
    const result = await dryRun(["app", ...args]);
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toContain(`--mount-fs=virtiofs,/dev/virtiofs0,${args[1]?.split(":")[1]} `);
    expect(result.stdout).toContain("-device vhost-user-fs-pci");
  });

  test.each([
    ["where there is nothing", "/none", "or mount in /tmp: /tmp/none"],
    ["on a file", "/file", "Put an empty folder /file into the image"],
    ["too deep in memory", "/tmp/a/b", "Put an empty folder /tmp/a/b"],
  ])("not %s", async (_title, target, hint) => {
    const result = await dryRun(["app", "--mount", `shared:${target}`]);
    expect(result).toMatchObject({ code: 65, stdout: "" });
    expect(result.stderr).toContain(`The image has no folder ${target} to mount on`);
    expect(result.stderr).toContain(hint);
  });
});

suite("what the command mounts from a volume", () => {
  test.each([
    ["is there", ["app", "-e", "--mount-fs=rofs,/dev/vblk1,/data /x"], undefined],
    ["is not there", ["app", "-e", "--mount-fs=rofs,/dev/vblk1,/none /x"], "/none"],
    ["is not there, as composed", ["mounting"], "/composed"],
  ])("%s", async (_title, args, target) => {
    const result = await dryRun([...args, "--volume", "disk.img"]);
    expect(result).toMatchObject({ code: 0 });
    if (target === undefined) expect(result.stderr).toBe("");
    else expect(result.stderr).toContain(`Warning: The image has no folder ${target} to mount on`);
  });
});

testUnless(lacksQemu)("without volumes and folders, the image is not even looked into", async () => {
  expect((await dryRun(["mounting"])).stderr).toBe("");
});
