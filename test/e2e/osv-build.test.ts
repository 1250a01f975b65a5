import { chmodSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readKernel } from "../../src/kernels/kernel.ts";
import { lacksGuests } from "../support/guest.ts";
import { describeUnless } from "../support/machine.ts";
import { repository, Sandbox } from "../support/sandbox.ts";

const { CAPSTAN_TEST_LOADER: loader, CAPSTAN_TEST_KERNEL: kernel } = process.env;
const lacking =
  loader === undefined || kernel === undefined
    ? "set CAPSTAN_TEST_LOADER and CAPSTAN_TEST_KERNEL to a loader image and its kernel ELF"
    : (lacksGuests() ?? [loader, kernel].filter((path) => !existsSync(path)).map((path) => `${path} is not there`)[0]);
const hasZfs = lacking === undefined && readKernel({ name: "it", image: loader ?? "", elf: kernel }).can.zfs !== false;

describeUnless(lacking)("an OSv image that was built", () => {
  const sandbox = new Sandbox();
  afterAll(() => sandbox.remove());

  beforeAll(async () => {
    const hello = join(repository, "examples", "hello", "hello");
    sandbox.write({
      "tree/hello": readFileSync(hello),
      "tree/etc/greeting.txt": "of the base\n",
      "project/text": "of the file\n",
    });
    chmodSync(sandbox.path("tree/hello"), 0o755);
    await sandbox.ok(["import", "loader", loader ?? "", "--kernel", kernel ?? ""]);
  });

  test.each(hasZfs ? ["rofs", "zfs"] : ["rofs"])(
    "boots what its base has and what is laid over it: %s",
    async (fs) => {
      const flags = ["-l", "loader", "--fs", fs, "--size", "64M", "--no-check"];
      await sandbox.ok(["compose", `${fs}-base`, sandbox.path("tree"), "-c", "/hello base", ...flags]);
      sandbox.write({
        "project/Capstanfile": `base: ${fs}-base\ncmdline: /hello built\nfiles: { /etc/greeting.txt: text }\n`,
      });
      await sandbox.ok(["build", fs, "--no-check"], { cwd: sandbox.path("project") });
      for (const how of [[], ["--no-kernel"]]) {
        const { code, stdout } = await sandbox.run(["run", fs, ...how]);
        expect(code).toBe(0);
        expect(stdout).toContain("argument: [built]");
        expect(stdout).toContain("of the file");
      }
    },
    120_000,
  );
});
