import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loaderImage } from "../../kernels/loader-image.ts";
import { makeKernel } from "../../kernels/synthetic-kernel.ts";
import { describeUnless, lacksProgram } from "../../support/machine.ts";
import { Sandbox } from "../../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

/** A loader file of which the kernel has these texts among its constants. */
function loader(name: string, texts: readonly string[]): string {
  mkdirSync(sandbox.path("loaders"), { recursive: true });
  const kernel = makeKernel(sandbox.path("loaders"), `${name}-kernel`, { supplies: texts });
  const image = loaderImage(readFileSync(kernel));
  const path = sandbox.path(`loaders/${name}.img`);
  const size = 65536 + 32768 * image.readUInt16LE(0x10);
  writeFileSync(path, Buffer.concat([image, Buffer.alloc(Math.max(0, size - image.length))]));
  return path;
}

interface Inspected {
  readonly virtualSize: number;
  readonly root: { readonly filesystem: string; readonly size: number };
}

const inspect = (image: string) => sandbox.json<Inspected>(["image", "inspect", image]);
const MIB = 1 << 20;

describeUnless(lacksProgram("gcc"))("a base with a ZFS root", () => {
  const build = (name: string, ...flags: readonly string[]) =>
    sandbox.run(["build", name, "--no-check", ...flags], { cwd: sandbox.path("project") });

  beforeAll(async () => {
    sandbox.write({
      "tree/etc/conf": "of the base\n",
      "tree/kept": "kept\n",
      "project/conf": "new\n",
      "project/large": Buffer.alloc(80 * MIB, "large"),
    });
    for (const [name, texts] of [
      ["after", ["ZFS WARNING: x"]],
      ["up-to", ["ZFS WARNING: x", "osv/zfs"]],
    ] as const) {
      const path = loader(name, texts);
      await sandbox.ok([
        "compose",
        name,
        sandbox.path("tree"),
        "-c",
        "/x",
        "--no-check",
        "--fs",
        "zfs",
        "--size",
        "64M",
        "-l",
        path,
      ]);
    }
  });

  test.each([
    ["after", "shown is osv\n"],
    ["up-to", "shown is osv/zfs"],
  ])("stays one, as large, with the data set that its kernel mounts: %s", async (base, shown) => {
    sandbox.write({ "project/Capstanfile": `base: ${base}\nfiles: { /etc/conf: conf }\n` });
    expect(await build("built")).toMatchObject({ code: 0, stderr: expect.not.stringContaining("Warning") });
    expect((await inspect("built")).virtualSize).toBe((await inspect(base)).virtualSize);
    expect(`${await sandbox.ok(["image", "inspect", "--verify", "built"])}\n`).toContain(shown);
    expect(await sandbox.ok(["image", "cat", "built", "/etc/conf"])).toBe("new\n");
    expect(await sandbox.ok(["image", "cat", "built", "/kept"])).toBe("kept\n");
  });

  test("grows when what is laid over it has no room, and as asked", async () => {
    sandbox.write({ "project/Capstanfile": "base: after\nfiles: { /large: large }\n" });
    expect(await build("grown")).toMatchObject({ code: 0 });
    expect((await inspect("grown")).root.size).toBeGreaterThan(80 * MIB);
    expect(await sandbox.ok(["image", "inspect", "--verify", "grown"])).toContain("zfs");
    expect(await build("asked", "--size", "256M")).toMatchObject({ code: 0 });
    expect((await inspect("asked")).virtualSize).toBeGreaterThan(256 * MIB);
    expect(await build("small", "--size", "64M")).toMatchObject({
      code: 65,
      stderr: expect.stringContaining("the files do not fit"),
    });
  });

  test("becomes another one when asked", async () => {
    sandbox.write({ "project/Capstanfile": "base: after\nfiles: { /etc/conf: conf }\n" });
    expect(await build("other", "--fs", "rofs")).toMatchObject({ code: 0 });
    expect((await inspect("other")).root.filesystem).toBe("rofs");
    sandbox.write({ "project/Capstanfile": "base: other\nfiles: { /etc/conf: conf }\n" });
    expect(await build("back", "--fs", "zfs", "--size", "64M")).toMatchObject({ code: 0 });
    expect(await sandbox.ok(["image", "cat", "back", "/kept"])).toBe("kept\n");
  });
});
