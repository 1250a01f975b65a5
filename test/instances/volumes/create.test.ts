import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type CreateVolumeInput, createVolume, type VolumeFiller } from "../../../src/instances/volumes/create.ts";
import { deleteVolume } from "../../../src/instances/volumes/delete.ts";
import { findVolume, listVolumes } from "../../../src/instances/volumes/list.ts";
import { GiB, MiB } from "../../../src/support/bytes.ts";
import { temporaryFolder, testContext } from "../../hypervisors/tiny-guest.ts";
import { lacksProgram, testUnless } from "../../support/machine.ts";

const folder = temporaryFolder();
const root = join(folder, "store");

function newProject(): string {
  return mkdtempSync(join(folder, "project-"));
}

function create(project: string, name: string, changes: Partial<CreateVolumeInput> = {}) {
  return createVolume({ project, name, format: "raw", ...changes }, testContext());
}

const filler: VolumeFiller = {
  fs: "rofs",
  least: 5000,
  usual: MiB,
  // The magic of a ROFS, little-endian.
  write: async (device) => device.write(Buffer.from("adbeadde00000000", "hex"), 0),
};

test("as in the original: a raw disk of 1 GiB, and a description beside it", async () => {
  const project = newProject();
  const path = join(project, "volumes", "data");
  expect(await create(project, "data")).toEqual({ name: "data", path, format: "raw", size: GiB, fs: null });
  expect(readFileSync(`${path}.yaml`, "utf8")).toBe("format: raw\n");
  expect(statSync(path).size).toBe(GiB);
  expect(statSync(path).blocks * 512).toBeLessThan(MiB);
  expect(readdirSync(join(project, "volumes")).sort()).toEqual(["data", "data.yaml"]);
});

testUnless(lacksProgram("qemu-img"))("qemu-img finds both formats sound", async () => {
  const project = newProject();
  for (const format of ["raw", "qcow2"] as const) {
    const { path } = await create(project, format, { format, size: 3 * GiB });
    const info = JSON.parse(
      execFileSync("qemu-img", ["info", "--output=json", "-f", format, path], { encoding: "utf8" }),
    );
    expect(info).toMatchObject({ format, "virtual-size": 3 * GiB });
    if (format === "qcow2") execFileSync("qemu-img", ["check", path]);
  }
});

describe("with content", () => {
  test("as large as usual, or as large as asked", async () => {
    const project = newProject();
    expect(await create(project, "a", { filler })).toMatchObject({ size: MiB, fs: "rofs" });
    expect(await create(project, "b", { filler, size: 8 * MiB })).toMatchObject({ size: 8 * MiB });
    expect(readFileSync(join(project, "volumes", "a.yaml"), "utf8")).toBe("format: raw\nfs: rofs\n");
    expect(findVolume(project, "a", root)).toMatchObject({ content: "rofs", size: MiB, problem: null });
  });

  test("too small for it", async () => {
    const project = newProject();
    await expect(create(project, "a", { filler, size: 4096 })).rejects.toMatchObject({
      code: "volume-too-small",
      exitCode: 64,
    });
    expect(existsSync(join(project, "volumes"))).toBe(false);
  });

  test("content that fails leaves nothing", async () => {
    const project = newProject();
    const write = () => Promise.reject(new Error("no more"));
    await expect(create(project, "a", { filler: { ...filler, write } })).rejects.toThrow("no more");
    expect(readdirSync(join(project, "volumes"))).toEqual([]);
  });
});

test("what a killed command has left in the folder is swept", async () => {
  const project = newProject();
  const old = join(project, "volumes", ".data.4194303-0123abcd.part");
  mkdirSync(join(project, "volumes"));
  writeFileSync(old, "half");
  utimesSync(old, 1, 1);
  expect(listVolumes(project, root)).toEqual([]);
  await create(project, "other", { size: MiB });
  expect(existsSync(old)).toBe(false);
});

test("a volume is never replaced, not even by one of two that come at once", async () => {
  const project = newProject();
  const slow = { ...filler, write: () => new Promise<void>((resolve) => setImmediate(resolve)) };
  const results = await Promise.allSettled(Array.from({ length: 5 }, () => create(project, "data", { filler: slow })));
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  await expect(create(project, "data")).rejects.toMatchObject({ code: "volume-exists", exitCode: 73 });
  expect(readdirSync(join(project, "volumes")).sort()).toEqual(["data", "data.yaml"]);
});

describe("names", () => {
  test.each([
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "/abs",
    ".hidden",
    "-f",
    "100%done",
    "a:b",
    "a b",
    "a,b",
    "é",
    "x.yaml",
    "x.YAML",
    "a\n",
    "n".repeat(201),
  ])("'%s' is refused", async (name) => {
    const project = newProject();
    await expect(create(project, name)).rejects.toMatchObject({ code: "bad-volume-name", exitCode: 64 });
    expect(readdirSync(project)).toEqual([]);
  });

  test.each(["a", "A.b-c_d+1", "0", "_x", "n".repeat(200)])("'%s' is taken", async (name) => {
    expect(await create(newProject(), name, { size: MiB })).toMatchObject({ name });
  });

  test.each(["", ".", "..", "../meta/package.yaml", "a/b", "/etc/passwd", ".hidden", "a\0"])(
    "'%s' is not deleted",
    (name) => {
      const project = newProject();
      mkdirSync(join(project, "meta"));
      writeFileSync(join(project, "meta", "package.yaml"), "name: x\n");
      expect(() => deleteVolume(project, name, root)).toThrow(expect.objectContaining({ code: "bad-volume-name" }));
      expect(readdirSync(join(project, "meta"))).toEqual(["package.yaml"]);
    },
  );
});

describe("what the original has made", () => {
  test("is listed, described and deleted, whatever its name", () => {
    const project = newProject();
    mkdirSync(join(project, "volumes"), { mode: 0o744 });
    for (const name of ["100%done", "two words"]) {
      writeFileSync(join(project, "volumes", name), Buffer.alloc(1024));
      writeFileSync(join(project, "volumes", `${name}.yaml`), "format: raw\n");
    }
    expect(listVolumes(project, root).map(({ name }) => name)).toEqual(["100%done", "two words"]);
    expect(deleteVolume(project, "100%done", root)).toMatchObject({ name: "100%done" });
    expect(readdirSync(join(project, "volumes")).sort()).toEqual(["two words", "two words.yaml"]);
  });
});

describe("the list", () => {
  test("is empty without the folder", () => {
    expect(listVolumes(newProject(), root)).toEqual([]);
  });

  test("a broken one is told with its reason, and hides no other", async () => {
    const project = newProject();
    await create(project, "good", { size: MiB });
    const at = (name: string) => join(project, "volumes", name);
    writeFileSync(at("liar"), Buffer.alloc(1024));
    writeFileSync(at("liar.yaml"), "format: qcow2\n");
    writeFileSync(at("cut"), Buffer.from([0x51, 0x46, 0x49, 0xfb, 0, 0]));
    writeFileSync(at("strange"), "x");
    writeFileSync(at("strange.yaml"), "format: floppy\n");
    mkdirSync(at("folder"));
    writeFileSync(at("alone.yaml"), "format: raw\n");
    const all = listVolumes(project, root).map(({ name, problem }) => [name, problem]);
    expect(all).toEqual([
      ["alone.yaml", null],
      ["cut", expect.stringContaining("the file ends within the header")],
      ["good", null],
      ["liar", "its description says that it is qcow2, and its content is not"],
      ["strange", expect.stringContaining("says that its format is 'floppy'")],
    ]);
  });

  test("one that is missing is told with a guess", async () => {
    const project = newProject();
    await create(project, "models", { size: MiB });
    expect(() => findVolume(project, "model", root)).toThrow("Did you mean 'models'?");
    expect(() => deleteVolume(project, "model", root)).toThrow(
      expect.objectContaining({ code: "no-such-volume", exitCode: 66 }),
    );
  });
});
