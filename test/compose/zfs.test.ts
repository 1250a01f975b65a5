import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loaderImage } from "../kernels/loader-image.ts";
import { makeKernel } from "../kernels/synthetic-kernel.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { Sandbox, sha256 } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

/** A loader file of which the kernel has these texts among its constants. */
function loader(name: string, texts: readonly string[]): string {
  mkdirSync(sandbox.path("loaders"), { recursive: true });
  const kernel = makeKernel(sandbox.path("loaders"), `${name}-kernel`, { supplies: texts });
  return loaderOf(name, readFileSync(kernel));
}

function loaderOf(name: string, kernel: Uint8Array): string {
  const path = sandbox.path(`loaders/${name}.img`);
  const image = loaderImage(kernel);
  // The boot sector reads whole pieces of 32 KiB.
  const size = 65536 + 32768 * image.readUInt16LE(0x10);
  writeFileSync(path, Buffer.concat([image, Buffer.alloc(Math.max(0, size - image.length))]));
  return path;
}

const compose = (name: string, ...flags: readonly string[]) =>
  sandbox.run(["compose", name, sandbox.path("tree"), "-c", "/x", "--no-check", ...flags], {
    env: { CAPSTAN_OFFLINE: "1" },
  });

async function pool(image: string): Promise<string> {
  return await sandbox.ok(["image", "inspect", image]);
}

describeUnless(lacksProgram("gcc"))("compose --fs zfs", () => {
  let [after, upTo, without, unknown] = ["", "", "", ""];

  beforeAll(() => {
    sandbox.write({ "tree/hello": "hello\n", "tree/etc/conf": "conf\n" });
    after = loader("after", ["ZFS WARNING: x"]);
    upTo = loader("up-to", ["ZFS WARNING: x", "osv/zfs"]);
    without = loader("without", ["osv/zfs"]);
    unknown = loaderOf("unknown", Buffer.alloc(3000, 1));
  });

  test.each<[root: string, loader: () => string, flags: readonly string[], shown: string]>([
    ["osv", () => after, [], "shown is osv\n"],
    ["osv/zfs", () => upTo, [], "shown is osv/zfs"],
    ["osv/zfs", () => after, ["--zfs-root", "osv/zfs"], "shown is osv/zfs"],
    ["osv", () => upTo, ["--zfs-root", "osv"], "shown is osv\n"],
  ])("the files are in %s, as the kernel or the flag says", async (_, path, flags, shown) => {
    const result = await compose("root", "--fs", "zfs", "-l", path(), ...flags);
    expect(result).toMatchObject({ code: 0 });
    expect(result.stderr).not.toContain("Warning");
    expect(`${await pool("root")}\n`).toContain(shown);
    expect(await sandbox.ok(["image", "cat", "root", "/etc/conf"])).toBe("conf\n");
    expect(await sandbox.ok(["image", "inspect", "--verify", "root"])).toContain("zfs, 10.0 GiB");
  });

  test("a kernel that does not show it gets both, and that is told", async () => {
    const result = await compose("either", "--fs", "zfs", "-l", unknown);
    expect(result).toMatchObject({ code: 0 });
    expect(result.stderr).toContain("the image boots with either");
  });

  test("an update that would make it read-only says so", async () => {
    sandbox.write({ "app/meta/package.yaml": "name: app\ntitle: App\nauthor: Me\n", "app/x": "x" });
    const update = async (...flags: readonly string[]) => {
      const args = ["package", "compose", "app", "--update", "--run", "/x", "--no-check", "-l", after, ...flags];
      return (await sandbox.run(args, { cwd: sandbox.path("app"), env: { CAPSTAN_OFFLINE: "1" } })).stderr;
    };
    expect(await update("--fs", "zfs")).not.toContain("read-only");
    expect(await update("--fs", "zfs")).not.toContain("read-only");
    expect(await update()).toContain(
      "The image app had a ZFS root that can be written to, and gets a read-only one now",
    );
    expect(await update()).not.toContain("read-only");
  });

  test("a kernel without ZFS is refused, with the name of one that has it", async () => {
    for (const path of [without, "builtin"]) {
      const result = await compose("none", "--fs", "zfs", "-l", path);
      expect(result.code).toBe(65);
      expect(result.stderr).toContain("cannot mount ZFS");
      expect(result.stderr).toContain("--loader_image osv-loader-with-zfs");
    }
    expect(await sandbox.ok(["images"])).not.toContain("none");
  });

  test("without a name, the loader with ZFS is taken; without that, the usual one where it has ZFS", async () => {
    const missing = await compose("choice", "--fs", "zfs");
    expect(missing.stderr).toContain("capstan import osv-loader-with-zfs loader.img");
    // The demo kernel has no ZFS.
    expect(missing.stderr).not.toContain("builtin");
    await sandbox.ok(["import", "osv-loader", without]);
    expect((await compose("choice", "--fs", "zfs")).code).toBe(66);
    await sandbox.ok(["rmi", "osv-loader"]);
    await sandbox.ok(["import", "osv-loader", upTo]);
    expect((await compose("choice", "--fs", "zfs")).code).toBe(0);
    expect(await pool("choice")).toContain("shown is osv/zfs");
    await sandbox.ok(["import", "osv-loader-with-zfs", after]);
    expect((await compose("choice", "--fs", "zfs")).code).toBe(0);
    expect(`${await pool("choice")}\n`).toContain("shown is osv\n");
  });

  test("the partition has the size that is asked for, and the file what is in it", async () => {
    expect((await compose("sized", "--fs", "zfs", "-l", after, "--size", "300M")).code).toBe(0);
    expect(await pool("sized")).toMatch(/partition 2 .* 300 MiB/);
    expect(readFileSync(sandbox.image("sized")).length).toBeLessThan(4_000_000);
  });

  test.each<[flags: readonly string[], code: number, said: string]>([
    [["--fs", "zfs", "--size", "63M"], 65, "the smallest ZFS has 64 MiB"],
    [["--fs", "zfs", "--size", "large"], 64, "is not a size"],
    [["--zfs-root", "osv"], 64, "--zfs-root goes with --fs zfs"],
    [["--fs", "zfs", "--zfs-root", "tank"], 64, "is not a value"],
  ])("%j is refused", async (flags, code, said) => {
    const result = await compose("refused", "-l", after, ...flags);
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(said);
  });

  test("the same input gives the same bytes; SOURCE_DATE_EPOCH makes times the same", async () => {
    const digest = () => sha256(sandbox.image("same"));
    const run = () =>
      sandbox.ok(["compose", "same", sandbox.path("tree"), "-c", "/x", "--no-check", "--fs", "zfs", "-l", after], {
        env: { SOURCE_DATE_EPOCH: "1000000" },
      });
    await run();
    const first = digest();
    sandbox.write({ "tree/hello": "hello\n", "tree/etc/conf": "conf\n" });
    await run();
    expect(digest()).toBe(first);
  });
});
