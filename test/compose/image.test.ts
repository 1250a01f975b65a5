import { execFileSync } from "node:child_process";
import { readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lacksProgram, testUnless } from "../support/machine.ts";
import { repository, Sandbox, sha256 } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const builtin = `${repository}/guest/prebuilt/osv-demo-loader.img`;
const withQemuImg = testUnless(lacksProgram("qemu-img"));

const composeHere = (name: string, ...args: readonly string[]) =>
  sandbox.run(["package", "compose", name, "-l", "builtin", "--run", "/x", ...args], { cwd: sandbox.path("app") });

beforeAll(async () => {
  await sandbox.package("library", { "usr/lib/lib.so": "library".repeat(1000) });
  sandbox.project(
    "app",
    { "bin/app": "app", "data/large": Buffer.alloc(3_000_000, "abc"), "data/zeros": new Uint8Array(1_000_000) },
    ["library"],
  );
  for (let number = 0; number < 300; number++) sandbox.write({ [`app/many/${number}`]: "x".repeat(number * 7) });
  expect((await composeHere("app")).code).toBe(0);
});

afterAll(() => sandbox.remove());

describe("the file", () => {
  withQemuImg("passes qemu-img check, is sparse, and is a qcow2 of version 3", () => {
    const path = sandbox.image("app");
    const check = JSON.parse(execFileSync("qemu-img", ["check", "--output=json", path]).toString());
    expect(check).toMatchObject({ "check-errors": 0 });
    expect(check.leaks ?? 0).toBe(0);
    const info = JSON.parse(execFileSync("qemu-img", ["info", "--output=json", path]).toString());
    expect(info).toMatchObject({ format: "qcow2", "format-specific": { data: { compat: "1.1" } } });
    expect(info["backing-filename"]).toBeUndefined();
  });

  withQemuImg("is, taken apart by qemu-img: loader, command line, partition 2 at the next 2 MiB", async () => {
    const raw = sandbox.path("app.raw");
    execFileSync("qemu-img", ["convert", "-O", "raw", sandbox.image("app"), raw]);
    const disk = readFileSync(raw);
    const loader = readFileSync(builtin);
    expect(disk.subarray(0, 0x1b8).equals(loader.subarray(0, 0x1b8))).toBe(true);
    expect(disk.subarray(65536, loader.length).equals(loader.subarray(65536))).toBe(true);
    expect(disk.subarray(512, 515).toString()).toBe("/x\0");
    const [start, count] = [disk.readUInt32LE(0x1ce + 8) * 512, disk.readUInt32LE(0x1ce + 12) * 512];
    expect(start).toBe(2 * 1024 * 1024);
    expect(disk[0x1ce + 4]).toBe(0x83);
    expect(disk[0x1ce + 2] ?? 0).not.toBe(0);
    expect(disk.readBigUInt64LE(start)).toBe(0xdeadbeadn);
    expect(start + count).toBeLessThanOrEqual(disk.length);
    // The raw disk reads as the image does.
    expect(await sandbox.ok(["image", "ls", "-R", "./app.raw"])).toBe(await sandbox.ok(["image", "ls", "-R", "app"]));
  });

  test("has every file with every byte", async () => {
    await sandbox.ok(["image", "cp", "app", "/", "whole"]);
    for (const part of ["bin", "data", "many"]) {
      expect(() => execFileSync("diff", ["-r", sandbox.path("app", part), sandbox.path("whole", part)])).not.toThrow();
    }
    expect(readFileSync(sandbox.path("whole/usr/lib/lib.so"), "utf8")).toBe("library".repeat(1000));
  });
});

describe("composed twice", () => {
  test("byte for byte the same, whatever the times and the name", async () => {
    const before = sha256(sandbox.image("app"));
    const later = new Date(Date.now() + 100_000);
    utimesSync(sandbox.path("app/bin/app"), later, later);
    expect((await composeHere("app")).code).toBe(0);
    expect(sha256(sandbox.image("app"))).toBe(before);
    expect((await composeHere("again")).code).toBe(0);
    expect(sha256(sandbox.image("again"))).toBe(before);
  });

  test("from another folder with the same content, created in another order", async () => {
    const copy = sandbox.path("copy");
    execFileSync("bash", [
      "-c",
      `mkdir '${copy}' && cd '${copy}' && cp -r ../app/many ../app/meta . && cp -r ../app/data ../app/bin .`,
    ]);
    await sandbox.ok(["package", "compose", "copied", "-l", "builtin", "--run", "/x"], { cwd: copy });
    expect(sha256(sandbox.image("copied"))).toBe(sha256(sandbox.image("app")));
  });

  withQemuImg("qemu-img compare agrees, and sees another file", async () => {
    const compare = (one: string, other: string) => {
      try {
        return execFileSync("qemu-img", ["compare", sandbox.image(one), sandbox.image(other)]).toString();
      } catch (error) {
        return String((error as { stdout?: Buffer }).stdout);
      }
    };
    expect(compare("app", "again")).toContain("Images are identical");
    sandbox.write({ "app/bin/app": "APP" });
    expect((await composeHere("again")).code).toBe(0);
    sandbox.write({ "app/bin/app": "app" });
    expect(compare("app", "again")).toContain("Content mismatch");
  });

  test("--update composes only when something has changed", async () => {
    const composed = async (...args: readonly string[]) => {
      const { code, stdout } = await composeHere("updated", "--update", "--json", ...args);
      expect(code).toBe(0);
      return (JSON.parse(stdout) as { composed: boolean }).composed;
    };
    expect(await composed()).toBe(true);
    expect(await composed()).toBe(false);
    expect((await composeHere("updated", "--update")).stderr).toContain("updated is up to date");
    writeFileSync(sandbox.path("app/bin/app"), "App");
    expect(await composed()).toBe(true);
    expect(await sandbox.ok(["image", "cat", "updated", "/bin/app"])).toBe("App");
    // The same size and the same time: the change itself has a time, too.
    const { atime, mtime } = statSync(sandbox.path("app/bin/app"));
    writeFileSync(sandbox.path("app/bin/app"), "aPP");
    utimesSync(sandbox.path("app/bin/app"), atime, mtime);
    expect(await composed()).toBe(true);
    expect(await sandbox.ok(["image", "cat", "updated", "/bin/app"])).toBe("aPP");
    expect(await composed("--env", "A=1")).toBe(true);
    expect(await composed("--env", "A=1")).toBe(false);
    await sandbox.package("library", { "usr/lib/lib.so": "newer" });
    expect(await composed("--env", "A=1")).toBe(true);
    expect(await composed("--env", "A=1")).toBe(false);
    await sandbox.ok(["rmi", "updated"]);
    expect(await composed("--env", "A=1")).toBe(true);
  });
});

describe("images of the store", () => {
  test("are listed with what the manifest says, and gone after rmi", async () => {
    expect((await composeHere("team/app")).code).toBe(0);
    expect(await sandbox.ok(["images"])).toMatch(/^team\/app +app of a test +1\.0 +\d{4}-\d\d-\d\d \d\d:\d\d /m);
    await sandbox.ok(["rmi", "team/app"]);
    expect(await sandbox.ok(["images"])).not.toContain("team/app");
    expect(sandbox.files("store/repository").filter((name) => name.startsWith("team"))).toEqual([]);
  });

  test("an image that lies anywhere is looked into by its path", async () => {
    writeFileSync(sandbox.path("moved.qcow2"), readFileSync(sandbox.image("app")));
    expect(await sandbox.ok(["image", "cat", "./moved.qcow2", "/bin/app"])).toBe("app");
    expect((await sandbox.json<{ path: string }>(["image", "inspect", "moved.qcow2"])).path).toBe(
      sandbox.path("moved.qcow2"),
    );
  });

  test("a name is never taken for a file of this folder without a suffix or a slash", async () => {
    writeFileSync(sandbox.path("moved"), readFileSync(sandbox.image("app")));
    expect((await sandbox.run(["image", "ls", "moved"])).code).toBe(66);
    expect((await sandbox.run(["image", "ls", "./moved"])).code).toBe(0);
  });
});
