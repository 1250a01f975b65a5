import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { findVirtiofsd } from "../../../src/instances/mounts/find-virtiofsd.ts";
import { endLeftDaemons } from "../../../src/instances/mounts/left.ts";
import type { Mount } from "../../../src/instances/mounts/mount.ts";
import { foreseeMounts, prepareMounts } from "../../../src/instances/mounts/prepare.ts";
import { identify, isAlive } from "../../../src/instances/process-identity.ts";
import { temporaryFolder, testContext, writeTinyDisk } from "../../hypervisors/tiny-guest.ts";
import { testUnless } from "../../support/machine.ts";

const folder = temporaryFolder();
const mount = (target: string, readonly = false) => ({ source: folder, target, readonly });
const onLinux = process.platform === "linux" ? undefined : "virtiofsd is for Linux only";
const stops: (() => void)[] = [];
const disk = writeTinyDisk(join(folder, "disk.img"), "");

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** A program that answers as the newer virtiofsd, does what `script` says, and writes down how it was called. */
function fake(script: string, version = "virtiofsd 1.13.2"): string {
  const path = join(mkdtempSync(join(folder, "fake-")), "virtiofsd");
  writeFileSync(
    path,
    `#!/bin/sh\nif [ "$1" = --version ]; then echo '${version}'; exit 0; fi\necho "$@" >> "$0.calls"\n${script}\n`,
  );
  chmodSync(path, 0o755);
  return path;
}

/** It listens, as far as a shell can: what counts is that there is something at the path. */
const READY = 'touch "$2"; touch "$2.pid"; echo "Waiting for vhost-user socket connection..." >&2; sleep 60';

async function prepare(path: string, mounts: readonly Mount[]) {
  const instance = mkdtempSync(join(folder, "instance-"));
  const context = testContext({ env: { ...process.env, CAPSTAN_VIRTIOFSD_PATH: path } });
  const prepared = await prepareMounts({ mounts, folder: instance, disk }, context);
  stops.push(prepared.stop);
  return { ...prepared, instance, calls: readFileSync(`${path}.calls`, "utf8").trim().split("\n") };
}

describe("the program", () => {
  const find = (path: string) => findVirtiofsd({ env: { CAPSTAN_VIRTIOFSD_PATH: path }, cwd: folder });

  testUnless(onLinux)("is told from the old one of QEMU by what it answers", async () => {
    const path = fake("");
    expect(await find(path)).toEqual({ path, kind: "rust", version: "1.13.2" });
    expect(await find(fake("", "virtiofsd backend 1.5.0"))).toMatchObject({ kind: "rust", version: "1.5.0" });
    const old = find(fake("", "virtiofsd version 7.2.22 (Debian)\nusing FUSE kernel interface version 7.36"));
    if (process.getuid?.() === 0) expect(await old).toMatchObject({ kind: "c", version: "7.2.22" });
    else await expect(old).rejects.toMatchObject({ code: "virtiofsd-needs-root", exitCode: 69 });
  });

  testUnless(onLinux)("the old one of QEMU is known by how it refuses those who are not root", async () => {
    const path = fake("");
    writeFileSync(path, "#!/bin/sh\necho 'setgroups() failed with error=1:Operation not permitted' >&2\nexit 1\n");
    if (process.getuid?.() === 0) expect(await find(path)).toMatchObject({ kind: "c" });
    else await expect(find(path)).rejects.toMatchObject({ code: "virtiofsd-needs-root", exitCode: 69 });
  });

  test.each(["/nothing", "."])("that is named and none: %s", async (path) => {
    await expect(find(path)).rejects.toMatchObject({ code: "virtiofsd-not-found", exitCode: 69 });
  });

  testUnless(onLinux)("one that answers something else is none", async () => {
    await expect(find(fake("", "hello 1.0"))).rejects.toMatchObject({
      code: "virtiofsd-not-found",
      hint: expect.stringContaining("apt-get install virtiofsd"),
    });
  });
});

describe.runIf(onLinux === undefined)("folders", () => {
  test("each gets a virtiofsd, and OSv an option, in their order", async () => {
    const prepared = await prepare(fake(READY), [mount("/a"), mount("/b", true)]);
    expect(prepared.loaderOptions).toEqual([
      "--mount-fs=virtiofs,/dev/virtiofs0,/a",
      "--mount-fs=virtiofs,/dev/virtiofs1,/b",
    ]);
    expect(prepared.folders.map(({ tag }) => tag)).toEqual(["folder0", "folder1"]);
    const [first = "", second = ""] = prepared.calls;
    expect(first).toContain(`--socket-path ${prepared.folders[0]?.socket} --shared-dir ${folder} --sandbox `);
    expect([first, second].map((call) => call.includes("--readonly"))).toEqual([false, true]);
    expect(prepared.pids.map((pid) => isAlive(identify(pid)))).toEqual([true, true]);
  });

  test("nothing is left at the end but what it said", async () => {
    const prepared = await prepare(fake(READY), [mount("/a")]);
    const processes = prepared.pids.map(identify);
    prepared.stop();
    prepared.stop();
    for (let tries = 0; tries < 1000 && processes.some(isAlive); tries++) await setTimeout(5);
    expect(processes.map(isAlive)).toEqual([false]);
    expect(readdirSync(prepared.instance)).toEqual(["virtiofsd.0.log"]);
  });

  test("what waits for a guest that never came is ended by the next one", async () => {
    const prepared = await prepare(fake(READY), [mount("/a"), mount("/b")]);
    const processes = prepared.pids.map(identify);
    endLeftDaemons(prepared.instance);
    for (let tries = 0; tries < 1000 && processes.some(isAlive); tries++) await setTimeout(5);
    expect(processes.map(isAlive)).toEqual([false, false]);
  });

  test("a later process of the same number is left alone", async () => {
    const instance = mkdtempSync(join(folder, "instance-"));
    const { start } = identify(process.pid);
    writeFileSync(join(instance, "virtiofsd.0.json"), JSON.stringify({ pid: process.pid, start: `${start}0` }));
    for (const [index, text] of ["", "{", '{"pid":-1,"start":""}', '{"pid":1,"start":""}'].entries()) {
      writeFileSync(join(instance, `virtiofsd.${index + 1}.json`), text);
    }
    endLeftDaemons(instance);
    endLeftDaemons(join(instance, "nothing"));
  });

  test("an older one has no way to hold a folder read-only", async () => {
    const { calls } = await prepare(fake(READY, "virtiofsd 1.10.1"), [mount("/b", true)]);
    expect(calls[0]).not.toContain("--readonly");
  });

  test("where name spaces are forbidden it goes on with less", async () => {
    const script = `case "$*" in *"--sandbox none"*) ${READY};; *) echo "ERROR: Error entering sandbox" >&2; exit 1;; esac`;
    const { calls } = await prepare(fake(script), [mount("/a")]);
    expect(calls.at(-1)).toContain("--sandbox none");
  });

  test("when nothing helps, what it said each time is told, and nothing is left", async () => {
    const path = fake('echo "starting"; echo "ERROR: no such luck" >&2; exit 3');
    await expect(prepare(path, [mount("/a")])).rejects.toMatchObject({
      code: "virtiofsd-failed",
      exitCode: 69,
      details: expect.arrayContaining(["--sandbox none: ERROR: no such luck"]),
    });
  });

  test("the first one ends when the second fails", async () => {
    const once = `if [ -e "$0.pid" ]; then exit 1; fi; echo $$ > "$0.pid"; ${READY}`;
    const path = fake(once);
    await expect(prepare(path, [mount("/a"), mount("/b")])).rejects.toMatchObject({ code: "virtiofsd-failed" });
    const first = identify(Number(readFileSync(`${path}.pid`, "utf8")));
    for (let tries = 0; tries < 1000 && isAlive(first) && first.start !== "ended"; tries++) await setTimeout(5);
    expect(first.start === "ended" || !isAlive(first)).toBe(true);
  });

  test("a path that is too long for a socket is put elsewhere, and that goes too", async () => {
    const instance = join(folder, "n".repeat(120));
    mkdirSync(instance);
    const context = testContext({ env: { ...process.env, CAPSTAN_VIRTIOFSD_PATH: fake(READY) } });
    const { folders, stop } = await prepareMounts({ mounts: [mount("/a")], folder: instance, disk }, context);
    const socket = folders[0]?.socket ?? "";
    expect(Buffer.byteLength(socket)).toBeLessThan(104);
    expect(existsSync(socket)).toBe(true);
    stop();
    expect(existsSync(join(socket, ".."))).toBe(false);
  });
});

test("without folders, no program is looked for", async () => {
  const context = testContext({ env: { CAPSTAN_VIRTIOFSD_PATH: "/nothing" } });
  expect(await prepareMounts({ mounts: [], folder, disk }, context)).toMatchObject({
    folders: [],
    loaderOptions: [],
    pids: [],
  });
});

test("what a dry run shows is what a run does", () => {
  expect(foreseeMounts({ mounts: [mount("/a"), mount("/b")], folder: "/i", disk })).toEqual({
    folders: [
      { socket: "/i/fs0.socket", tag: "folder0" },
      { socket: "/i/fs1.socket", tag: "folder1" },
    ],
    loaderOptions: ["--mount-fs=virtiofs,/dev/virtiofs0,/a", "--mount-fs=virtiofs,/dev/virtiofs1,/b"],
  });
});
