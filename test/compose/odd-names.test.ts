import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hostPath } from "../../src/support/host-paths.ts";
import { loaderImage } from "../kernels/loader-image.ts";
import { makeKernel } from "../kernels/synthetic-kernel.ts";
import { lacksProgram, testUnless } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

/** Names that are no UTF-8, from one end to the other: folders, files, links and where they lead. */
const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

beforeAll(() => {
  const files: Record<string, string> = {
    "caf\udce9/\udcff\n": "below\n",
    "caf\udce9/é\udcc3": "half a character\n",
    "caf\udce8": "another\n",
    "caf\ufffd": "the character that is shown for both\n",
    [`long/${"\udcff".repeat(255)}`]: "255 bytes\n",
    ...Object.fromEntries(Array.from({ length: 128 }, (_, at) => [`all/${byte(0x80 + at)}`, `${at}`])),
  };
  sandbox.write(files, sandbox.path("tree"));
  symlinkSync(hostPath("caf\udce9/\udcff\n"), hostPath(sandbox.path("tree/link\udcfe")));
  mkdirSync(hostPath(sandbox.path("tree/empty\udc80")));
});

const byte = (value: number) => String.fromCharCode(0xdc00 + value);

/** An image has the files of a folder, byte for byte, its names included. */
async function expectSame(image: string, inside = "/"): Promise<void> {
  const copy = sandbox.path(`copy-of-${image}`);
  await sandbox.ok(["image", "cp", image, inside, copy]);
  expectEqual(copy);
}

function expectEqual(copy: string): void {
  const tree = sandbox.path("tree");
  execFileSync("diff", ["-r", "--no-dereference", tree, copy], { stdio: "pipe" });
  const names = (path: string) =>
    execFileSync("find", [".", "-print0"], { cwd: path }).toString("latin1").split("\0").sort();
  expect(names(copy)).toEqual(names(tree));
}

test("in a ROFS", async () => {
  await sandbox.ok(["compose", "rofs", "tree", "-l", "builtin", "-c", "/x"], { cwd: sandbox.dir });
  await expectSame("rofs");
  expect(await sandbox.ok(["image", "inspect", "--verify", "rofs"])).toContain(": 133 files, 4 directories, 1 link");
});

testUnless(lacksProgram("gcc"))("in a ZFS", async () => {
  const kernel = loaderImage(readFileSync(makeKernel(sandbox.dir, "kernel", { supplies: ["ZFS WARNING: x"] })));
  sandbox.write({ "loader.img": Buffer.concat([kernel, Buffer.alloc(65536 + 32768 * kernel.readUInt16LE(0x10))]) });
  const flags = ["--fs", "zfs", "-s", "64M", "-l", "./loader.img", "-c", "/x", "--no-check"];
  await sandbox.ok(["compose", "zfs", "tree", ...flags], { cwd: sandbox.dir });
  await expectSame("zfs");
  expect(await sandbox.ok(["image", "inspect", "--verify", "zfs"])).toContain(
    "zfs, 60 MiB: 133 files, 4 directories, 1 link",
  );
});

test("in a package, its index and the image of it", async () => {
  sandbox.project("library");
  execFileSync("cp", ["-a", sandbox.path("tree"), sandbox.path("library/data")]);
  await sandbox.ok(["package", "import", "library"], { cwd: sandbox.dir });
  sandbox.project("app", {}, ["library"]);
  for (const name of ["app", "from-index"]) {
    const compose = ["package", "compose", name, "-l", "builtin", "--run", "/x"];
    await sandbox.ok(compose, { cwd: sandbox.path("app") });
    await expectSame(name, "/data");
  }
  await sandbox.ok(["package", "collect"], { cwd: sandbox.path("app") });
  expectEqual(sandbox.path("app/mpm-pkg/data"));
  const unpacked = sandbox.path("unpacked");
  mkdirSync(unpacked);
  const archive = join(sandbox.store, "packages", "library.mpm");
  execFileSync("tar", ["xzf", archive, "-C", unpacked, "--warning=no-unknown-keyword"], { stdio: "pipe" });
  expectEqual(join(unpacked, "data"));
});

test("shown to people, and to programs as JSON", async () => {
  await sandbox.ok(["compose", "shown", "tree", "-l", "builtin", "-c", "/x"], { cwd: sandbox.dir });
  const shown = await sandbox.ok(["image", "ls", "shown"]);
  expect(shown).toContain("caf\\xe9/\n");
  expect(shown).toContain("link\\xfe -> caf\\xe9/\\xff\\x0a\n");
  expect(await sandbox.ok(["image", "tree", "shown"])).toContain("é\\xc3");
  const rows = await sandbox.json<{ path: string; target?: string }[]>(["image", "ls", "-R", "shown"]);
  expect(rows).toContainEqual(expect.objectContaining({ path: "link\udcfe", target: "caf\udce9/\udcff\n" }));
  expect(rows.map(({ path }) => path)).toContain("caf\udce9/é\udcc3");
});

test("asked for on the command line", async () => {
  await sandbox.ok(["compose", "asked", "tree", "-l", "builtin", "-c", "/x"], { cwd: sandbox.dir });
  const script =
    "capstan image cat asked $'/caf\\xe8'; capstan image cp asked $'/caf\\xe9/\\xff\\n' . && cat $'\\xff\\n'";
  expect(await sandbox.shell(script)).toMatchObject({ code: 0, stdout: "another\nbelow\n" });
  const folder = "capstan image cp asked $'/caf\\xe9' . && diff -r $'caf\\xe9' $'tree/caf\\xe9'";
  expect(await sandbox.shell(folder)).toMatchObject({ code: 0 });
  const compose = "capstan compose below $'tree/caf\\xe9' -l builtin -c /x && capstan image ls below";
  expect((await sandbox.shell(compose)).stdout).toContain("\\xff\\x0a\n");
});
