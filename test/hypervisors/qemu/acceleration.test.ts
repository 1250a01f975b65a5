import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import type { Host } from "../../../src/hypervisors/host.ts";
import { type AccelerationInput, chooseAcceleration } from "../../../src/hypervisors/qemu/acceleration.ts";
import { capabilitiesOf } from "../../../src/hypervisors/qemu/capabilities.ts";
import { findQemu, type Qemu } from "../../../src/hypervisors/qemu/find.ts";
import { guestRuns } from "../../../src/hypervisors/qemu/proof.ts";
import { temporaryFolder, writeTinyKernel } from "../tiny-guest.ts";

const folder = temporaryFolder();
const kernel = fileURLToPath(new URL("../../../guest/prebuilt/osv-demo-loader.elf", import.meta.url));
const PASSES = "echo 'Self-test passed.'";
let count = 0;

const linux: Host = { platform: "linux", arch: "x64", hostname: "h", bootId: "boot-1", kvmDevice: "/dev/null" };

function input(changes: Partial<AccelerationInput> = {}): AccelerationInput {
  return {
    wanted: "auto",
    disabled: false,
    qemu: stubQemu(PASSES).qemu,
    host: linux,
    cacheFolder: join(folder, `cache-${++count}`),
    proofKernel: kernel,
    ...changes,
  };
}

/** A program in QEMU's place, for what a real one does on other machines; `starts` counts. */
function stubQemu(script: string): { qemu: Qemu; starts: () => number } {
  const home = join(folder, `stub-${++count}`);
  mkdirSync(home);
  const path = join(home, "qemu");
  writeFileSync(join(home, "starts"), "");
  writeFileSync(path, `#!/bin/sh\necho >> ${home}/starts\n${script}\n`);
  chmodSync(path, 0o755);
  return {
    qemu: { path, version: [9, 0], capabilities: capabilitiesOf([9, 0]), identity: `${path} 1 1` },
    starts: () => readFileSync(join(home, "starts")).length,
  };
}

describe("with a real QEMU", () => {
  let qemu: Qemu;
  beforeAll(async () => {
    qemu = await findQemu({ env: process.env, cwd: "/", cacheFolder: folder, platform: process.platform });
  });

  test("a guest that runs is proof", async () => {
    expect(await guestRuns({ acceleration: "tcg", qemu, kernel, limitMs: 30_000 })).toEqual({
      runs: true,
      reason: "ran",
    });
  });

  test("a kernel that prints a line and powers off is no proof", async () => {
    // The tiny kernel takes what follows the first blank for its command line: here the rest of its own name.
    const banner = writeTinyKernel(join(folder, "a Powers-off.elf"));
    expect(await guestRuns({ acceleration: "tcg", qemu, kernel: banner, limitMs: 30_000 })).toEqual({
      runs: false,
      reason: "ended at once (without a word)",
    });
  });

  test("a kernel that is none is no proof", async () => {
    const bad = join(folder, "bad.elf");
    writeFileSync(bad, "not a kernel");
    expect(await guestRuns({ acceleration: "tcg", qemu, kernel: bad, limitMs: 30_000 })).toMatchObject({
      runs: false,
      reason: expect.stringMatching(/^ended at once \(.+\)$/),
    });
  });
});

describe("on the console", () => {
  const line = "Self-test passed.";

  test.each([
    ["after other lines", `Demo kernel\r\nCmdline: /proc/self-test\r\n${line}\r\n`],
    ["with a bare line feed", `${line}\n`],
  ])("the line counts %s", async (_, output) => {
    const { qemu } = stubQemu(`printf '${output}'`);
    expect((await guestRuns({ acceleration: "kvm", qemu, kernel })).runs).toBe(true);
  });

  test("the line counts in pieces", async () => {
    const { qemu } = stubQemu("printf 'Self-test '; sleep 0.1; printf 'passed.\\r\\n'; exec sleep 1000");
    expect((await guestRuns({ acceleration: "kvm", qemu, kernel })).runs).toBe(true);
  });

  test.each([
    ["a banner alone", "Demo kernel\r\n"],
    ["a part of a longer line", `Not yet: ${line}\r\n${line} Or not?\r\n`],
    ["a line that does not end", line],
  ])("%s does not count", async (_, output) => {
    const { qemu } = stubQemu(`printf '${output}'; exec sleep 1000`);
    expect(await guestRuns({ acceleration: "kvm", qemu, kernel, limitMs: 500 })).toEqual({
      runs: false,
      reason: "did not pass its self-test within 0.5 s",
    });
  });
});

describe("auto", () => {
  test("takes KVM when a guest has run under it", async () => {
    expect(await chooseAcceleration(input())).toEqual({ acceleration: "kvm" });
  });

  test("takes HVF on macOS", async () => {
    expect(await chooseAcceleration(input({ host: { ...linux, platform: "darwin" } }))).toEqual({
      acceleration: "hvf",
    });
  });

  test.each<[string, Partial<Host>, string, string]>([
    ["there is no device", { kvmDevice: "/nowhere/kvm" }, "there is no /nowhere/kvm", "Enable virtualisation"],
    ["the processor is another one", { arch: "arm64" }, "arm64", "CAPSTAN_DISABLE_KVM=1"],
    ["the device is a folder", { kvmDevice: "/dev" }, "does not open (EISDIR)", "kvm_intel"],
  ])("falls back to TCG with a warning when %s, and starts nothing", async (_, host, reason, cure) => {
    const stub = stubQemu(PASSES);
    const choice = await chooseAcceleration(input({ host: { ...linux, ...host }, qemu: stub.qemu }));
    expect(choice.acceleration).toBe("tcg");
    expect(choice.warning?.text).toContain(reason);
    expect(choice.warning?.hint).toContain(cure);
    expect(stub.starts()).toBe(0);
  });

  test.skipIf(process.getuid?.() === 0)("tells how to be let in when the device is not permitted", async () => {
    const device = join(folder, "kvm");
    writeFileSync(device, "");
    chmodSync(device, 0);
    const choice = await chooseAcceleration(input({ host: { ...linux, kvmDevice: device } }));
    expect(choice.warning?.hint).toContain("usermod -aG kvm");
  });

  test("falls back when QEMU fails under KVM, and says what it said", async () => {
    const { qemu } = stubQemu("echo 'failed to set MSR 0x10a' >&2; exit 1");
    const choice = await chooseAcceleration(input({ qemu }));
    expect(choice).toMatchObject({
      acceleration: "tcg",
      warning: { detail: expect.stringContaining("failed to set MSR") },
    });
  });

  test("falls back when the guest hangs, after a short limit, and leaves no process", async () => {
    const { qemu } = stubQemu(`echo $$ > ${folder}/hanging; exec sleep 1000`);
    const choice = await chooseAcceleration(input({ qemu, proofLimitMs: 500 }));
    expect(choice).toMatchObject({
      acceleration: "tcg",
      warning: { detail: expect.stringContaining("printed nothing") },
    });
    expect(() => process.kill(Number(readFileSync(`${folder}/hanging`, "utf8")), 0)).toThrow("ESRCH");
  });

  test("falls back without a kernel to try with", async () => {
    expect((await chooseAcceleration(input({ proofKernel: undefined }))).acceleration).toBe("tcg");
  });
});

describe("the verdict", () => {
  test("is remembered, good or bad, for this boot and this QEMU", async () => {
    for (const [script, acceleration] of [
      [PASSES, "kvm"],
      ["exit 1", "tcg"],
    ] as const) {
      const stub = stubQemu(script);
      const once = input({ qemu: stub.qemu });
      for (let time = 0; time < 3; time++) expect((await chooseAcceleration(once)).acceleration).toBe(acceleration);
      expect(stub.starts()).toBe(1);
      await chooseAcceleration({ ...once, host: { ...linux, bootId: "boot-2" } });
      expect(stub.starts()).toBe(2);
      await chooseAcceleration({ ...once, qemu: { ...stub.qemu, identity: "changed" } });
      expect(stub.starts()).toBe(3);
    }
  });

  test("is found anew when the memory is damaged", async () => {
    const stub = stubQemu(PASSES);
    const damaged = input({ qemu: stub.qemu });
    mkdirSync(damaged.cacheFolder);
    writeFileSync(join(damaged.cacheFolder, "acceleration.json"), '{"bootId":"boot-1","verdicts":{"kvm":tr');
    expect((await chooseAcceleration(damaged)).acceleration).toBe("kvm");
  });

  test("of an interrupted trial is not remembered", async () => {
    const stub = stubQemu("exec sleep 1000");
    const controller = new AbortController();
    const interrupted = input({ qemu: stub.qemu, signal: controller.signal });
    const choice = chooseAcceleration(interrupted);
    setTimeout(() => controller.abort(), 100);
    await expect(choice).rejects.toMatchObject({ code: "interrupted" });
    rmSync(stub.qemu.path);
    writeFileSync(stub.qemu.path, `#!/bin/sh\n${PASSES}\n`, { mode: 0o755 });
    expect((await chooseAcceleration({ ...interrupted, signal: undefined })).acceleration).toBe("kvm");
  });
});

describe("forced", () => {
  test("is not tried out", async () => {
    const stub = stubQemu("exit 1");
    expect(await chooseAcceleration(input({ wanted: "kvm", qemu: stub.qemu }))).toEqual({ acceleration: "kvm" });
    expect(await chooseAcceleration(input({ wanted: "tcg", qemu: stub.qemu }))).toEqual({ acceleration: "tcg" });
    expect(stub.starts()).toBe(0);
  });

  test.each([
    ["kvm", { kvmDevice: "/nowhere" }],
    ["kvm", { platform: "darwin" }],
    ["hvf", {}],
  ] as const)("%s that cannot be had with %j is an error", async (wanted, host) => {
    await expect(chooseAcceleration(input({ wanted, host: { ...linux, ...host } }))).rejects.toMatchObject({
      code: "acceleration-unavailable",
      exitCode: 69,
    });
  });

  test("the setting disable_kvm takes TCG without a warning", async () => {
    expect(await chooseAcceleration(input({ disabled: true }))).toEqual({ acceleration: "tcg" });
  });
});
