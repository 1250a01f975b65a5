import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { claim, release } from "../../src/instances/lock.ts";
import { identify } from "../../src/instances/process-identity.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const here = { cwd: sandbox.dir };
const instance = "store/instances/qemu/one";
const disk = `./${instance}/disk.qcow2`;

function overlay(folder: string): void {
  mkdirSync(sandbox.path(folder), { recursive: true });
  copyFileSync(sandbox.image("app"), sandbox.path(folder, "base.qemu"));
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-b", "base.qemu", "-F", "qcow2", "disk.qcow2"], {
    cwd: sandbox.path(folder),
  });
}

describeUnless(lacksProgram("qemu-img"))("the disk of an instance", () => {
  beforeAll(async () => {
    sandbox.write({ "root/etc/greeting.txt": "hi\n" });
    await sandbox.ok(["compose", "app", "root", "-l", "builtin", "-c", "/hello", "--no-check"], here);
    overlay(instance);
    overlay("elsewhere");
  });
  afterAll(() => sandbox.remove());

  test("is looked into with the image that it lies upon", async () => {
    expect(await sandbox.ok(["info", disk], here)).toMatch(/^boot command {2}\/hello$/m);
    expect(await sandbox.ok(["image", "cat", disk, "/etc/greeting.txt"], here)).toBe("hi\n");
    expect(await sandbox.json(["image", "diff", "app", disk], here)).toMatchObject({ same: true });
  });

  test("is exported whole", async () => {
    await sandbox.ok(["image", "export", disk, "-O", "vdi", "-o", "whole.vdi"], here);
    const told = execFileSync("qemu-img", ["compare", "-f", "vdi", "-F", "qcow2", "whole.vdi", sandbox.image("app")], {
      cwd: sandbox.dir,
      encoding: "utf8",
    });
    expect(told).toContain("Images are identical");
  });

  test("is not exported while its guest may write to it", async () => {
    const claimed = claim(sandbox.path(instance), {
      ...{ capstan: identify(process.pid), image: "app", persist: true, started: new Date().toISOString() },
    });
    if (!claimed.claimed) throw new Error("it is free");
    try {
      const { code, stderr } = await sandbox.run(["image", "export", disk, "-O", "raw", "-o", "moving.raw"], here);
      expect([code, stderr]).toEqual([73, expect.stringContaining("Stop it first: capstan stop one")]);
      expect(existsSync(sandbox.path("moving.raw"))).toBe(false);
    } finally {
      release(claimed.lock);
    }
  });

  test.each([[["info"]], [["image", "ls"]], [["image", "export", "-O", "raw", "-o", "no.raw"]]])(
    "a stranger's, anywhere else, is refused by %j",
    async (args) => {
      const { code, stderr } = await sandbox.run([...args, "./elsewhere/disk.qcow2"], here);
      expect([code, stderr]).toEqual([65, expect.stringContaining("only the difference to another image, base.qemu")]);
      expect(existsSync(sandbox.path("no.raw"))).toBe(false);
    },
  );
});
