import { chmodSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findQemu } from "../../../src/hypervisors/qemu/find.ts";
import { temporaryFolder } from "../tiny-guest.ts";

const folder = temporaryFolder();
let count = 0;

/** A program that answers like QEMU, and notes each time that it is asked. */
function fakeQemu(script: string): { path: string; folder: string; asked: () => number } {
  const home = join(folder, `fake-${++count}`);
  mkdirSync(home);
  const path = join(home, "qemu-system-x86_64");
  writeFileSync(join(home, "asked"), "");
  writeFileSync(path, `#!/bin/sh\necho >> ${home}/asked\n${script}\n`);
  chmodSync(path, 0o755);
  return { path, folder: home, asked: () => readFileSync(join(home, "asked")).length };
}

function find(env: Record<string, string>, cacheFolder = join(folder, `cache-${++count}`)) {
  return findQemu({ env, cwd: folder, cacheFolder, platform: "linux" });
}

test("takes the first one on PATH", async () => {
  const first = fakeQemu("echo QEMU emulator version 9.1.0");
  const second = fakeQemu("echo QEMU emulator version 8.0.0");
  const qemu = await find({ PATH: `/nowhere:${first.folder}:${second.folder}` });
  expect(qemu).toMatchObject({ path: first.path, version: [9, 1, 0], capabilities: { virtioRng: true } });
});

describe("CAPSTAN_QEMU_PATH", () => {
  test("goes before PATH", async () => {
    const chosen = fakeQemu("echo QEMU emulator version 6.2.0");
    expect((await find({ PATH: "/usr/bin", CAPSTAN_QEMU_PATH: chosen.path })).version).toEqual([6, 2, 0]);
  });

  test.each(["/nowhere/qemu", "nowhere", "."])("that is '%s' is an error, and no other QEMU is taken", async (path) => {
    await expect(find({ PATH: process.env.PATH ?? "", CAPSTAN_QEMU_PATH: path })).rejects.toMatchObject({
      code: "qemu-not-found",
      exitCode: 69,
      message: expect.stringContaining(path),
    });
  });

  test("that is empty counts as unset", async () => {
    const first = fakeQemu("echo QEMU emulator version 9.1.0");
    expect((await find({ PATH: first.folder, CAPSTAN_QEMU_PATH: "" })).path).toBe(first.path);
  });
});

describe("the version", () => {
  test("is asked for once, and again when the program has changed", async () => {
    const qemu = fakeQemu("echo QEMU emulator version 9.1.0");
    const cache = join(folder, "one-cache");
    const env = { CAPSTAN_QEMU_PATH: qemu.path };
    for (let time = 0; time < 3; time++) expect((await find(env, cache)).version).toEqual([9, 1, 0]);
    expect(qemu.asked()).toBe(1);
    utimesSync(qemu.path, 1000, 1000);
    await find(env, cache);
    expect(qemu.asked()).toBe(2);
  });

  test.each(["", "{", "[]", '{"PATH": 1}', '{"PATH": {"identity": "x", "version": "9"}}'])(
    "is asked for when the memory holds '%s'",
    async (content) => {
      const qemu = fakeQemu("echo QEMU emulator version 9.1.0");
      const cache = join(folder, `cache-${++count}`);
      mkdirSync(cache);
      writeFileSync(join(cache, "qemu.json"), content.replace("PATH", qemu.path));
      expect((await find({ CAPSTAN_QEMU_PATH: qemu.path }, cache)).version).toEqual([9, 1, 0]);
    },
  );

  test("is found out without a place to remember it", async () => {
    const qemu = fakeQemu("echo QEMU emulator version 9.1.0");
    expect((await find({ CAPSTAN_QEMU_PATH: qemu.path }, "/etc/passwd/cache")).version).toEqual([9, 1, 0]);
  });

  test.each(["echo something else", "exit 1", "kill -9 $$"])("that does not come (%s) is an error", async (script) => {
    const qemu = fakeQemu(script);
    await expect(find({ CAPSTAN_QEMU_PATH: qemu.path })).rejects.toMatchObject({ code: "qemu-unusable", exitCode: 69 });
  });
});

test("a link to the program is followed for its change", async () => {
  const qemu = fakeQemu("echo QEMU emulator version 9.1.0");
  const link = join(folder, "link");
  symlinkSync(qemu.path, link);
  const before = await find({ CAPSTAN_QEMU_PATH: link });
  utimesSync(qemu.path, 1000, 1000);
  expect((await find({ CAPSTAN_QEMU_PATH: link })).identity).not.toBe(before.identity);
});
