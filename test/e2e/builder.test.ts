import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, statSync, symlinkSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lacksGuests } from "../support/guest.ts";
import { describeUnless } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const { CAPSTAN_TEST_ZFS_LOADER: loader, CAPSTAN_TEST_BUILDER: builder } = process.env;
const lacking =
  loader === undefined || builder === undefined
    ? "set CAPSTAN_TEST_ZFS_LOADER and CAPSTAN_TEST_BUILDER to a loader image with ZFS and to the ELF of OSv's builder"
    : (lacksGuests() ?? [loader, builder].filter((path) => !existsSync(path)).map((path) => `${path} is not there`)[0]);

describeUnless(lacking)("OSv's builder in a virtual machine", () => {
  const sandbox = new Sandbox();
  beforeAll(() => {
    sandbox.write({
      "files/bin/data": Buffer.alloc(3_000_000, "some data"),
      "files/ünï/日本": "x",
      "files/empty": "",
      "files/closed/deep/three": "abc",
    });
    symlinkSync("../bin/data", sandbox.path("files/closed/link"));
    chmodSync(sandbox.path("files/closed/deep/three"), 0o600);
    chmodSync(sandbox.path("files/closed"), 0o555);
  });
  afterAll(() => {
    chmodSync(sandbox.path("files/closed"), 0o755);
    sandbox.remove();
  });

  const compose = (name: string, folder: string, root: string) =>
    sandbox.run(
      ["compose", name, folder, "-l", loader ?? "", "--fs", "zfs", "--size", "256M", "--zfs-root", root].concat(
        ...["--no-check", "--builder", "vm", "--builder-kernel", builder ?? ""],
      ),
    );

  test.each(["osv", "osv/zfs"])(
    "fills the data set %s with every file, mode and link",
    async (root) => {
      const name = `built-${root.replace("/", "-")}`;
      const { code, stderr } = await compose(name, "files", root);
      expect(stderr).not.toContain("Error");
      expect(code).toBe(0);
      await sandbox.ok(["image", "cp", name, "/", `${name}.out`]);
      for (const part of ["bin", "ünï", "empty", "closed"]) {
        const pair = [sandbox.path("files", part), sandbox.path(`${name}.out`, part)];
        expect(() => execFileSync("diff", ["-r", "--no-dereference", ...pair])).not.toThrow();
      }
      const { mode } = statSync(sandbox.path(`${name}.out`, "closed/deep/three"));
      expect(mode & 0o777).toBe(0o600);
    },
    300_000,
  );

  test("an empty folder does not make it hang", async () => {
    mkdirSync(sandbox.path("none"));
    const { code } = await compose("none", "none", "osv");
    expect(code).toBe(0);
  }, 300_000);
});
