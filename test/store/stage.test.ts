import { fork } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readImageIndex } from "../../src/store/image-index.ts";
import { findImage, listImages, removeImage } from "../../src/store/images.ts";
import type { Layout } from "../../src/store/layout.ts";
import { stageImage } from "../../src/store/stage.ts";
import { failureOf, temporaryFolder } from "../packages/support.ts";
import { filesBelow, fill, temporaryStore } from "./support.ts";

const now = new Date();

function stageOf(layout: Layout, name: string) {
  return stageImage(layout, name, { now });
}

test("nothing is seen before commit, and everything after it", async () => {
  const layout = temporaryStore();
  const stage = stageOf(layout, "ns/a");
  expect(existsSync(stage.temporaryPath)).toBe(false);
  writeFileSync(stage.temporaryPath, "disk");
  expect(listImages(layout)).toEqual([]);
  fill(layout.root, { kernel: "elf" });
  const path = await stage.commit({ description: "d" }, [{ suffix: ".elf", path: join(layout.root, "kernel") }]);
  expect(path).toBe(join(layout.repository, "ns/a/a.qemu"));
  expect(listImages(layout)).toMatchObject([{ name: "ns/a", path, size: 4, meta: { description: "d" } }]);
  stage.abort();
  expect(filesBelow(layout.repository)).toEqual(["ns/a/a.elf", "ns/a/a.qemu", "ns/a/index.yaml"]);
  expect(readFileSync(join(layout.repository, "ns/a/a.elf"), "utf8")).toBe("elf");
});

test("abort leaves no trace, or the image of before", async () => {
  const layout = temporaryStore();
  const first = stageOf(layout, "ns/a");
  writeFileSync(first.temporaryPath, "disk");
  first.abort();
  first.abort();
  expect(readdirSync(layout.repository)).toEqual([]);
  fill(layout.repository, { "a/a.qemu": "old", "a/index.yaml": "version: old\n", "a/a.elf": "old kernel" });
  const second = stageOf(layout, "a");
  writeFileSync(second.temporaryPath, "new");
  second.abort();
  expect(filesBelow(layout.repository)).toEqual(["a/a.elf", "a/a.qemu", "a/index.yaml"]);
  expect(readFileSync(findImage(layout, "a").path, "utf8")).toBe("old");
});

test("a commit without an image fails, and the image of before stays with all that is its own", async () => {
  const layout = temporaryStore();
  fill(layout.repository, { "a/a.qemu": "old", "a/index.yaml": "version: old\n", "a/a.elf": "old kernel" });
  const stage = stageOf(layout, "a");
  expect((await failureOf(() => stage.commit({ version: "new" }))).code).toBe("os-enoent");
  writeFileSync(stage.temporaryPath, "new");
  expect((await failureOf(() => stage.commit({}, [{ suffix: ".elf", path: "/nowhere/kernel" }]))).code).toBe(
    "os-enoent",
  );
  stage.abort();
  expect(filesBelow(layout.repository)).toEqual(["a/a.elf", "a/a.qemu", "a/index.yaml"]);
  expect(readImageIndex(join(layout.repository, "a/index.yaml")).version).toBe("old");
});

test("the kernel of the image of before does not stay beside the new one; what is not of it does", async () => {
  const layout = temporaryStore();
  fill(layout.repository, {
    "a/a.qemu": "old",
    "a/a.elf": "old",
    "a/a.elf.x86_64": "old",
    "a/a.qemu.cache": "old",
    "a/a.vbox": "v",
    "a/notes": "n",
  });
  const stage = stageOf(layout, "a");
  writeFileSync(stage.temporaryPath, "new");
  await stage.commit({});
  expect(filesBelow(layout.repository)).toEqual(["a/a.qemu", "a/a.vbox", "a/index.yaml", "a/notes"]);
});

test("in a folder that the user has linked to another place, the image goes there", async () => {
  const layout = temporaryStore();
  const elsewhere = temporaryFolder();
  mkdirSync(layout.repository, { recursive: true });
  symlinkSync(elsewhere, join(layout.repository, "a"));
  const stage = stageOf(layout, "a");
  writeFileSync(stage.temporaryPath, "disk");
  await stage.commit({});
  expect(readdirSync(elsewhere).sort()).toEqual(["a.qemu", "index.yaml"]);
});

test("what killed processes left is swept when it is a day old, and nothing else is", () => {
  const layout = temporaryStore();
  const dead = ".a.qemu.4194305-01234567.part";
  const alive = `.a.qemu.${process.pid}-01234567.part`;
  const young = ".a.qemu.4194306-01234567.part";
  const files = [dead, alive, young, ".notes", "a.qemu.1-01234567.part"];
  fill(join(layout.repository, "a"), Object.fromEntries(files.map((file) => [`${file}/x`, "x"])));
  const old = new Date(now.getTime() - 25 * 3600 * 1000);
  for (const file of files) if (file !== young) utimesSync(join(layout.repository, "a", file), old, old);
  stageOf(layout, "a").abort();
  expect(readdirSync(join(layout.repository, "a")).sort()).toEqual(files.filter((file) => file !== dead).sort());
});

describe("many at once", () => {
  test("stages, commits, aborts and removals of one name end with one whole image", async () => {
    const layout = temporaryStore();
    await Promise.all(
      Array.from({ length: 30 }, async (_, round) => {
        const stage = stageOf(layout, "ns/a");
        writeFileSync(stage.temporaryPath, `disk ${round}`);
        if (round % 5 === 1) return stage.abort();
        await stage.commit({ version: `disk ${round}` });
        if (round % 7 === 3) await removeImage(layout, "ns/a").catch(() => {});
      }),
    );
    const last = stageOf(layout, "ns/a");
    writeFileSync(last.temporaryPath, "last");
    await last.commit({ version: "last" });
    expect(filesBelow(layout.root)).toEqual(["repository/ns/a/a.qemu", "repository/ns/a/index.yaml"]);
    expect(readFileSync(findImage(layout, "ns/a").path, "utf8")).toBe("last");
  });

  /** A program that puts images of one name into a store, one after another, each with an index that fits it. */
  const folder = mkdtempSync(join(tmpdir(), "capstan-stager-"));
  const program = join(folder, "stager.mjs");
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  beforeAll(async () => {
    await build({
      stdin: {
        contents: `
          import { writeFileSync } from "node:fs";
          import { layoutOf } from "./layout.ts";
          import { stageImage } from "./stage.ts";
          const [root, who, rounds] = process.argv.slice(2);
          for (let round = 0; round < Number(rounds); round++) {
            const stage = stageImage(layoutOf(root), "ns/a", { now: new Date() });
            const text = who + "-" + round;
            writeFileSync(stage.temporaryPath, text.padEnd(50_000, "."));
            if (round % 4 === 3) stage.abort();
            else await stage.commit({ version: text });
            process.send(round);
          }
          process.disconnect();`,
        resolveDir: join(import.meta.dirname, "../../src/store"),
        loader: "ts",
      },
      bundle: true,
      platform: "node",
      format: "esm",
      outfile: program,
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
      logLevel: "error",
    });
  });

  function start(layout: Layout, who: string, rounds: number) {
    const child = fork(program, [layout.root, who, String(rounds)], { stdio: "inherit" });
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    return { child, ended };
  }

  test("processes: a reader always sees a whole image, and in the end the index is the image's", async () => {
    const layout = temporaryStore();
    const running = ["x", "y", "z"].map((who) => start(layout, who, 40));
    let open = running.length;
    for (const { ended } of running) void ended.then(() => open--);
    let seen = 0;
    while (open > 0) {
      for (const image of listImages(layout)) {
        expect(image).toMatchObject({ name: "ns/a", size: 50_000, problem: undefined });
        expect(readFileSync(image.path)).toHaveLength(50_000);
        seen++;
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(await Promise.all(running.map(({ ended }) => ended))).toEqual([0, 0, 0]);
    expect(seen).toBeGreaterThan(10);
    expect(filesBelow(layout.root)).toEqual(["repository/ns/a/a.qemu", "repository/ns/a/index.yaml"]);
    const [image] = listImages(layout);
    expect(readFileSync(image?.path ?? "", "utf8").replace(/\.+$/, "")).toBe(image?.meta.version);
  });

  test("processes killed at any moment leave nothing that is seen, and hold up nobody", async () => {
    const layout = temporaryStore();
    for (let round = 0; round < 6; round++) {
      const { child, ended } = start(layout, `k${round}`, 1_000_000);
      await new Promise((resolve) => child.once("message", resolve));
      await new Promise((resolve) => setTimeout(resolve, round * 3));
      child.kill("SIGKILL");
      await ended;
      for (const image of listImages(layout)) expect(image).toMatchObject({ size: 50_000, problem: undefined });
    }
    const stage = stageOf(layout, "ns/a");
    writeFileSync(stage.temporaryPath, "last");
    await stage.commit({ version: "last" });
    expect(listImages(layout)).toMatchObject([{ name: "ns/a", size: 4, meta: { version: "last" } }]);
  });
});
