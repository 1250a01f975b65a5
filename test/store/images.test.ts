import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findImage, imageCells, listImages, removeImage } from "../../src/store/images.ts";
import { findLoader } from "../../src/store/loaders.ts";
import { stageImage } from "../../src/store/stage.ts";
import { failureOf, temporaryFolder } from "../packages/support.ts";
import { bootableDisk, filesBelow, fill, temporaryStore } from "./support.ts";

describe("listing", () => {
  test("a store that is not there has no images", () => {
    const layout = temporaryStore();
    expect(listImages(layout)).toEqual([]);
    expect(existsSync(layout.root)).toBe(false);
  });

  test("images, in namespaces too, and what is known of them", () => {
    const layout = temporaryStore();
    fill(layout.repository, {
      "mike/osv-loader/osv-loader.qemu": "disk",
      "mike/osv-loader/index.yaml":
        "version: 0.10\ncreated: 2017-07-12T10:31:00+02:00\ndescription: A loader\nplatform: Ubuntu-14.04\n",
      "plain/plain.qemu": "disk",
      "raw/raw.raw": "disk",
      "box/box.vbox": "disk",
      "arch/arch.qemu.x86_64": "disk",
      "both/both.qemu": "disk",
      "both/inner/inner.qemu": "disk",
    });
    const images = listImages(layout);
    expect(images.map(({ name, kind, problem }) => [name, kind, problem])).toEqual([
      ["arch", "qemu", undefined],
      ["both", "qemu", undefined],
      ["both/inner", "qemu", undefined],
      ["box", "vbox", undefined],
      ["mike/osv-loader", "qemu", undefined],
      ["plain", "qemu", undefined],
      ["raw", "raw", undefined],
    ]);
    expect(images.map(imageCells).slice(4, 6)).toEqual([
      ["mike/osv-loader", "A loader", "0.10", "2017-07-12 10:31", "Ubuntu-14.04"],
      ["plain", "", "", "N/A", "N/A"],
    ]);
  });

  test("folders without an image, hidden things and stray files are no images", () => {
    const layout = temporaryStore();
    fill(layout.repository, {
      "half/index.yaml": "version: 1\n",
      "half/.half.qemu.123-01234567.part/half.qemu": "disk",
      ".hidden/.hidden.qemu": "disk",
      "file.qemu": "disk",
      "deep/a/b/b.qemu": "disk",
      "kernel-only/kernel-only.elf": "elf",
    });
    expect(listImages(layout)).toEqual([]);
  });

  test("broken images are listed with the reason, and hide no others", () => {
    const layout = temporaryStore();
    fill(layout.repository, {
      "a-good/a-good.qemu": "disk",
      "empty/empty.qemu": "",
      "index/index.qemu": "disk",
      "index/index.yaml": "version: [",
      "named/other.qemu": "disk",
      "bad name/bad name.qemu": "disk",
      "z-good/z-good.qemu": "disk",
    });
    mkdirSync(join(layout.repository, "dangling"));
    symlinkSync("nowhere", join(layout.repository, "dangling/dangling.qemu"));
    symlinkSync("loop", join(layout.repository, "loop"));
    const problems = Object.fromEntries(listImages(layout).map(({ name, problem }) => [name, problem]));
    expect(problems).toEqual({
      "a-good": undefined,
      "bad name": expect.stringContaining("rename"),
      dangling: expect.stringContaining("link to nothing"),
      empty: expect.stringContaining("is empty"),
      index: expect.stringContaining("index.yaml:1:"),
      loop: expect.stringContaining("symbolic links"),
      named: expect.stringContaining("named.qemu"),
      "z-good": undefined,
    });
  });

  test.skipIf(process.getuid?.() === 0)("a folder that cannot be read hides no others", () => {
    const layout = temporaryStore();
    fill(layout.repository, { "a/a.qemu": "disk", "locked/locked.qemu": "disk" });
    chmodSync(join(layout.repository, "locked"), 0);
    const problems = listImages(layout).map(({ problem }) => problem);
    chmodSync(join(layout.repository, "locked"), 0o755);
    expect(problems).toEqual([undefined, expect.stringContaining("permission denied")]);
  });

  test("a folder that the user has linked to another place is one of the store's", () => {
    const layout = temporaryStore();
    const elsewhere = temporaryFolder();
    fill(elsewhere, { "linked.qemu": "disk" });
    mkdirSync(layout.repository, { recursive: true });
    symlinkSync(elsewhere, join(layout.repository, "linked"));
    expect(listImages(layout)).toMatchObject([{ name: "linked", problem: undefined }]);
    expect(findImage(layout, "linked").path).toBe(join(layout.repository, "linked/linked.qemu"));
  });
});

describe("finding", () => {
  test("prefers what QEMU boots", () => {
    const layout = temporaryStore();
    fill(layout.repository, { "a/a.vbox": "v", "a/a.raw": "r", "a/a.qemu": "qemu", "b/b.vbox": "v", "b/b.raw": "r" });
    expect(findImage(layout, "a")).toEqual({
      name: "a",
      path: join(layout.repository, "a/a.qemu"),
      kind: "qemu",
      size: 4,
    });
    expect(findImage(layout, "b").kind).toBe("raw");
  });

  test("says what is near when there is none, and else how to get one", async () => {
    const layout = temporaryStore();
    fill(layout.repository, { "hello/hello.qemu": "disk" });
    const near = await failureOf(() => findImage(layout, "helo"));
    expect(near).toMatchObject({ code: "no-such-image", exitCode: 66, hint: expect.stringContaining("'hello'") });
    expect((await failureOf(() => findImage(layout, "zzz"))).hint).toContain("capstan package compose zzz");
  });

  test("an image that is broken is an error, one with a broken index is not", async () => {
    const layout = temporaryStore();
    fill(layout.repository, { "e/e.qemu": "", "i/i.qemu": "disk", "i/index.yaml": "[" });
    expect((await failureOf(() => findImage(layout, "e"))).code).toBe("image-broken");
    expect(findImage(layout, "i").size).toBe(4);
  });
});

describe("removing", () => {
  test("takes the image and what goes with it, and empty folders", async () => {
    const layout = temporaryStore();
    fill(layout.repository, {
      "ns/a/a.qemu": "disk",
      "ns/a/index.yaml": "",
      "ns/a/a.elf": "elf",
      "ns/a/a.qemu.cache": "{}",
      "b/b.qemu": "disk",
    });
    await removeImage(layout, "ns/a");
    expect(filesBelow(layout.repository)).toEqual(["b/b.qemu"]);
    expect(existsSync(join(layout.repository, "ns"))).toBe(false);
  });

  test("leaves images below, files of others, and images that are being made", async () => {
    const layout = temporaryStore();
    const stays = { "a/inner/inner.qemu": "disk", "a/notes.txt": "mine", "a/.a.qemu.1-01234567.part/a.qemu": "half" };
    fill(layout.repository, { ...stays, "a/a.qemu": "disk", "a/a.raw": "disk", "a/index.yaml": "" });
    await removeImage(layout, "a");
    expect(filesBelow(layout.repository)).toEqual(Object.keys(stays).sort());
  });

  test("and making again leave images below that are called like files of it", async () => {
    const layout = temporaryStore();
    const below = ["a/a.elf/a.elf.qemu", "a/a.qemu.cache/a.qemu.cache.qemu", "a/a.raw/a.raw.qemu"];
    fill(layout.repository, Object.fromEntries([...below, "a/a.qemu"].map((path) => [path, "disk"])));
    const stage = stageImage(layout, "a", { now: new Date() });
    writeFileSync(stage.temporaryPath, "new");
    await stage.commit({});
    await removeImage(layout, "a");
    expect(filesBelow(layout.repository)).toEqual(below);
    expect(listImages(layout).map(({ name }) => name)).toEqual(["a/a.elf", "a/a.qemu.cache", "a/a.raw"]);
  });

  test("takes a broken one too, and of a link only the link", async () => {
    const layout = temporaryStore();
    fill(layout.repository, { "e/e.qemu": "", "target.img": "disk" });
    mkdirSync(join(layout.repository, "l"));
    symlinkSync("../target.img", join(layout.repository, "l/l.qemu"));
    symlinkSync("nowhere", join(layout.repository, "l/l.raw"));
    await removeImage(layout, "e");
    await removeImage(layout, "l");
    expect(filesBelow(layout.repository)).toEqual(["target.img"]);
  });

  test("what is not there, a namespace too, is an error", async () => {
    const layout = temporaryStore();
    fill(layout.repository, { "ns/a/a.qemu": "disk" });
    for (const name of ["ns", "b", "ns/b"]) {
      expect(await failureOf(() => removeImage(layout, name))).toMatchObject({ code: "no-such-image", exitCode: 66 });
    }
    expect(filesBelow(layout.repository)).toEqual(["ns/a/a.qemu"]);
  });
});

describe("loaders", () => {
  test.each<[string, Record<string, string>, string, string, string | undefined]>([
    ["the original's", { "osv-loader/osv-loader.qemu": "l" }, "osv-loader", "osv-loader/osv-loader.qemu", undefined],
    ["OSv's scripts'", { "l/l.qemu.x86_64": "l", "l/l.elf.x86_64": "k" }, "l", "l/l.qemu.x86_64", "l/l.elf.x86_64"],
    ["an OSv build's", { "l/l.img": "l", "l/loader.elf": "k" }, "l", "l/l.img", "l/loader.elf"],
    ["of a namespace", { "ns/l/l.qemu": "l", "ns/l/l.elf": "k" }, "ns/l", "ns/l/l.qemu", "ns/l/l.elf"],
    ["a copy of it", { "l/l.qemu": "l", "l/osv-loader.elf": "k" }, "l", "l/l.qemu", "l/osv-loader.elf"],
    [
      "the first Capstan's",
      { "mike/osv-loader/osv-loader.qemu": "l" },
      "osv-loader",
      "mike/osv-loader/osv-loader.qemu",
      undefined,
    ],
    [
      "the newer of both",
      { "mike/osv-loader/osv-loader.qemu": "l", "osv-loader/osv-loader.qemu": "l" },
      "osv-loader",
      "osv-loader/osv-loader.qemu",
      undefined,
    ],
  ])("%s", (_, files, name, image, kernel) => {
    const layout = temporaryStore();
    fill(layout.repository, files);
    const loader = findLoader(layout, name, undefined);
    expect(loader.image).toBe(join(layout.repository, image));
    expect(loader.kernel).toBe(kernel === undefined ? undefined : join(layout.repository, kernel));
  });

  test("a missing one is an error that says where it was looked for and what can be done", async () => {
    const layout = temporaryStore();
    const error = await failureOf(() => findLoader(layout, "osv-loader", undefined));
    expect(error).toMatchObject({ code: "no-such-loader", exitCode: 66, hint: expect.stringContaining("builtin") });
    expect(error.details.join()).toContain("repository/osv-loader/osv-loader.qemu");
    expect(error.details.join()).toContain("repository/mike/osv-loader/osv-loader.qemu");
    expect((await failureOf(() => findLoader(layout, "bultin", undefined))).message).toContain("'builtin'");
  });

  test("builtin is what the caller says, if it is there", async () => {
    const layout = temporaryStore();
    fill(layout.root, { "x.img": bootableDisk() });
    const builtin = { image: join(layout.root, "x.img"), kernel: join(layout.root, "x.elf") };
    expect(findLoader(layout, "builtin", builtin)).toEqual({ name: "builtin", ...builtin });
    expect((await failureOf(() => findLoader(layout, "builtin", undefined))).exitCode).toBe(69);
    expect(
      (await failureOf(() => findLoader(layout, "builtin", { image: "/nowhere", kernel: undefined }))).exitCode,
    ).toBe(69);
  });

  test("an empty one is an error of its own, not a reason to look further", async () => {
    const layout = temporaryStore();
    fill(layout.repository, { "osv-loader/osv-loader.qemu": "", "mike/osv-loader/osv-loader.qemu": "l" });
    expect((await failureOf(() => findLoader(layout, "osv-loader", undefined))).code).toBe("image-broken");
    writeFileSync(join(layout.repository, "osv-loader/osv-loader.qemu"), "l");
    expect(readFileSync(findLoader(layout, "osv-loader", undefined).image, "utf8")).toBe("l");
  });
});
