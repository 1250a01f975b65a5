import {
  appendFileSync,
  chmodSync,
  cpSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ComposedImage, composePackage } from "../../src/compose/compose.ts";
import { loadProject } from "../../src/project/project.ts";
import { layoutOf } from "../../src/store/layout.ts";
import type { Context } from "../../src/support/context.ts";
import { hostPath } from "../../src/support/host-paths.ts";
import { repository, Sandbox, sha256 } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const FILES = 60;

const context: Context = {
  cwd: "/",
  env: {},
  now: () => new Date(),
  signal: new AbortController().signal,
  reporter: { verbose: false, report: () => {} },
};

interface ComposeOptions {
  readonly update?: boolean;
  readonly run?: string;
}

async function compose(name: string, { update = false, run = "/x" }: ComposeOptions = {}): Promise<ComposedImage> {
  const prebuilt = join(repository, "guest", "prebuilt", "osv-demo-loader");
  return await composePackage(
    {
      ...{ name, checking: "off", followLinks: "never", root: { kind: "rofs" }, require: [] },
      loader: { name: "builtin", image: `${prebuilt}.img`, kernel: `${prebuilt}.elf` },
      layout: layoutOf(sandbox.store),
      project: loadProject(sandbox.path("app"), context),
      boot: { run, runFlag: "--run" },
      onlyIfChanged: update,
    },
    context,
  );
}

/** Files that were written a moment ago are read again by the next update: their times may not tell a further change. */
const letTimesPass = () => setTimeout(150);

const random = (size: number) => Buffer.from(Array.from({ length: size }, () => Math.floor(Math.random() * 256)));

beforeAll(async () => {
  await sandbox.package("library", {
    "usr/lib/lib.so": random(3000),
    "usr/lib/other.so": random(700),
    "etc/conf": "lib",
  });
  const files: Record<string, Uint8Array | string> = { "etc/conf": "app", empty: "" };
  for (let number = 0; number < FILES; number++) files[`d${number % 7}/f${number}`] = random(number * 97);
  sandbox.project("app", files, ["library"]);
  await letTimesPass();
  await compose("app");
});
afterAll(() => sandbox.remove());

/** The updated image is the one that is composed afresh. */
async function updated(): Promise<ComposedImage> {
  await letTimesPass();
  const result = await compose("app", { update: true });
  await compose("fresh");
  expect(sha256(sandbox.image("app"))).toBe(sha256(sandbox.image("fresh")));
  return result;
}

describe("after a change", () => {
  test.each<[string, () => void]>([
    ["of one byte", () => writeFileSync(sandbox.path("app/d3/f59"), random(59 * 97))],
    ["of a size", () => appendFileSync(sandbox.path("app/d0/f0"), random(5000))],
    ["to nothing", () => truncateSync(sandbox.path("app/d1/f8"), 0)],
    ["a new file", () => sandbox.write({ "app/a/new/file": "new" })],
    ["a deleted file", () => rmSync(sandbox.path("app/d2/f9"))],
    ["a deleted folder", () => rmSync(sandbox.path("app/d6"), { recursive: true })],
    ["a renamed file", () => renameSync(sandbox.path("app/d4/f4"), sandbox.path("app/zzz"))],
    [
      "two files that changed places",
      () => {
        renameSync(sandbox.path("app/d3/f10"), sandbox.path("app/tmp"));
        renameSync(sandbox.path("app/d3/f17"), sandbox.path("app/d3/f10"));
        renameSync(sandbox.path("app/tmp"), sandbox.path("app/d3/f17"));
      },
    ],
    ["a name that is no UTF-8", () => sandbox.write({ "app/a/caf\udce9": random(3000) })],
    ["its content", () => sandbox.write({ "app/a/caf\udce9": random(3000) })],
    [
      "another such name",
      () => renameSync(hostPath(sandbox.path("app/a/caf\udce9")), hostPath(sandbox.path("app/a/caf\udce8"))),
    ],
    ["a mode", () => chmodSync(sandbox.path("app/d3/f24"), 0o751)],
    ["a new link", () => symlinkSync("/etc/conf", sandbox.path("app/link"))],
    [
      "another target of a link",
      () => {
        rmSync(sandbox.path("app/link"));
        symlinkSync("../etc/conf", sandbox.path("app/link"));
      },
    ],
    [
      "a link in place of a file",
      () => {
        rmSync(sandbox.path("app/d3/f31"));
        symlinkSync("/etc", sandbox.path("app/d3/f31"));
      },
    ],
    ["a file that gives way to one of a package", () => rmSync(sandbox.path("app/etc/conf"))],
    [
      "another content with the size and the time of before",
      () => {
        const path = sandbox.path("app/d5/f40");
        const time = new Date(1_000_000_000_000);
        utimesSync(path, time, time);
        writeFileSync(path, random(40 * 97));
        utimesSync(path, time, time);
      },
    ],
  ])("%s", async (_, change) => {
    change();
    const { composed, reused } = await updated();
    expect(composed).toBe(true);
    expect(reused).toBeGreaterThan(25);
  });

  test("of a package: what is in its archive is read anew, the project's files are not", async () => {
    await sandbox.package("library", {
      "usr/lib/lib.so": random(3100),
      "usr/lib/other.so": random(700),
      "etc/conf": "2",
    });
    const { reused } = await updated();
    expect(reused).toBeGreaterThan(25);
    const again = await compose("app", { update: true });
    expect(again.composed).toBe(false);
  });

  test("of the boot command alone: every content is taken from before", async () => {
    await updated();
    const { reused } = await compose("app", { update: true, run: "/y" });
    expect(reused).toBeGreaterThan(25);
    expect(await sandbox.json(["image", "inspect", "app"])).toMatchObject({ commandLine: "/y" });
  });
});

test("what has not changed is not composed again", async () => {
  await updated();
  const before = readFileSync(sandbox.image("app"));
  expect(await compose("app", { update: true })).toMatchObject({ composed: false });
  expect(readFileSync(sandbox.image("app")).equals(before)).toBe(true);
});

test("a file whose name is no UTF-8 is taken from the image before", async () => {
  sandbox.write({ "app/caf\udce9": random(3000), "app/caf\udce8": random(2000) });
  await updated();
  sandbox.write({ "app/another": "1" });
  const { reused } = await updated();
  rmSync(hostPath(sandbox.path("app/caf\udce8")));
  // One less, and the other file that was new then.
  expect((await updated()).reused).toBe(reused);
});

describe("an image of which not enough is known is composed afresh", () => {
  const record = () => sandbox.path("store/repository/app/app.files");
  const change = () => writeFileSync(sandbox.path("app/d3/f52"), random(100));

  test("without its record", async () => {
    rmSync(record());
    change();
    expect(await updated()).toMatchObject({ composed: true, reused: 0 });
  });

  test.each([
    ["cut short", (bytes: Buffer) => bytes.subarray(0, -100)],
    [
      "with another byte",
      (bytes: Buffer) => bytes.map((byte, index) => (index === bytes.length - 50 ? byte ^ 1 : byte)),
    ],
    ["that is none", () => Buffer.from("{}\nnothing")],
    ["that is empty", () => Buffer.alloc(0)],
  ])("with a record %s", async (_, damage) => {
    const bytes = readFileSync(record());
    writeFileSync(record(), damage(bytes));
    change();
    expect(await updated()).toMatchObject({ composed: true, reused: 0 });
  });

  test("when something wrote into the image itself", async () => {
    const image = sandbox.image("app");
    const bytes = readFileSync(image);
    bytes.fill(0x41, bytes.length - 300_000, bytes.length - 200_000);
    writeFileSync(image, bytes);
    change();
    expect(await updated()).toMatchObject({ composed: true, reused: 0 });
  });

  test("with the record of another image", async () => {
    cpSync(sandbox.path("store/repository/fresh/fresh.files"), record());
    change();
    expect(await updated()).toMatchObject({ composed: true, reused: 0 });
  });

  test("when its file is a file that is no image", async () => {
    writeFileSync(sandbox.image("app"), "no image");
    change();
    expect(await updated()).toMatchObject({ composed: true, reused: 0 });
  });
});

test("the record goes with its image", async () => {
  await compose("other");
  expect(sandbox.files("store/repository/other")).toContain("other.files");
  await sandbox.ok(["rmi", "other"]);
  expect(sandbox.files("store/repository")).not.toContain("other/other.files");
});
