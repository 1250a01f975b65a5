import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { MachineDescription } from "../../../src/hypervisors/machine.ts";
import { qemuArguments } from "../../../src/hypervisors/qemu/arguments.ts";
import { capabilitiesOf } from "../../../src/hypervisors/qemu/capabilities.ts";
import { explainFailure, isFailure } from "../../../src/hypervisors/qemu/failures.ts";
import { startQemu } from "../../../src/hypervisors/qemu/process.ts";
import { GiB, MiB } from "../../../src/support/bytes.ts";
import { temporaryFolder, writeTinyDisk, writeTinyKernel } from "../tiny-guest.ts";

const folder = temporaryFolder();
const kernel = writeTinyKernel(join(folder, "k.elf"));
const noDisk = join(folder, "text");
writeFileSync(noDisk, "no disk\n".repeat(1000));

const machine: MachineDescription = {
  name: "process",
  memory: 32 * MiB,
  cpus: 1,
  acceleration: "tcg",
  boot: { kind: "kernel", kernel, commandLine: "P hello" },
  disks: [],
  cards: [],
};

async function run(changes: Partial<MachineDescription>, path = "qemu-system-x86_64") {
  const diagnostics: string[] = [];
  const args = qemuArguments({ ...machine, ...changes }, capabilitiesOf([7, 2]));
  const guest = await startQemu({ path, args, env: process.env, onDiagnostic: (line) => diagnostics.push(line) });
  let output = "";
  guest.output.on("data", (chunk) => {
    output += chunk;
  });
  return { exit: await guest.exited, output, diagnostics };
}

test("the console comes whole, and QEMU exits with 0", async () => {
  const { exit, output } = await run({});
  expect(output).toBe("P hello\n");
  expect(isFailure(exit)).toBe(false);
});

test("what is written goes to the guest, and the end of the input does not end it", async () => {
  const boot = { kind: "kernel", kernel, commandLine: "echo" } as const;
  const args = qemuArguments({ ...machine, boot }, capabilitiesOf([7, 2]));
  const guest = await startQemu({ path: "qemu-system-x86_64", args, env: process.env });
  const sent = Buffer.from([0, 1, 2, 3, 0x1b, 0x41, 0xff, 0x0d]);
  const received = await new Promise<Buffer>((resolve) => {
    let all = Buffer.alloc(0);
    guest.output.on("data", (chunk: Buffer) => {
      if (all.length === 0) guest.input.end(sent);
      all = Buffer.concat([all, chunk]);
      if (all.length >= 5 + sent.length) resolve(all);
    });
  });
  expect(received.subarray(5)).toEqual(sent);
  expect(guest.hasExited()).toBe(false);
  guest.signal("SIGTERM");
  expect((await guest.exited).code).toBe(0);
});

test("a Ctrl-C of the terminal does not reach it: it is in a process group of its own", async () => {
  const args = qemuArguments(machine, capabilitiesOf([7, 2]));
  const guest = await startQemu({ path: "qemu-system-x86_64", args, env: process.env });
  expect(() => process.kill(-guest.pid, 0)).not.toThrow();
  guest.signal("SIGKILL");
  expect((await guest.exited).signal).toBe("SIGKILL");
});

test.each(["/nowhere/qemu", "/etc/passwd"])("a program that does not start (%s) is an error", async (path) => {
  await expect(run({}, path)).rejects.toMatchObject({ code: "qemu-not-started", exitCode: 69 });
});

describe("QEMU's own failures, from a real one", () => {
  const disk = { format: "raw", aio: "threads", cache: "unsafe", readonly: false } as const;
  const user = { kind: "user", net: "10.0.2.0/24", host: "10.0.2.2" } as const;
  const forward = { protocol: "tcp", address: "127.0.0.1", guestPort: 80 } as const;

  test("a port that is in use", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const hostPort = typeof address === "object" && address !== null ? address.port : 0;
    const { exit } = await run({ cards: [{ network: { ...user, forwards: [{ ...forward, hostPort }] } }] });
    server.close();
    const error = explainFailure(exit);
    expect(error).toMatchObject({ code: "port-in-use", hint: expect.stringContaining("-f 8081:80") });
    expect(error.message).toContain(`tcp port ${hostPort} of 127.0.0.1`);
  });

  test.each<[string, Partial<MachineDescription>, string, string]>([
    [
      "an IPv6 forwarding",
      { cards: [{ network: { ...user, forwards: [{ ...forward, address: "[::1]", hostPort: 8080 }] } }] },
      "forward-refused",
      "[::1]",
    ],
    ["more memory than there is", { memory: 900_000 * GiB }, "out-of-memory", "memory"],
    ["a disk that is not there", { disks: [{ ...disk, path: "/nowhere/d.img" }] }, "disk-not-opened", "/nowhere/d.img"],
    ["a disk of another format", { disks: [{ ...disk, path: noDisk, format: "qcow2" }] }, "disk-bad-format", noDisk],
    [
      "a kernel that is none",
      { boot: { kind: "kernel", kernel: "/etc/passwd", commandLine: "" } },
      "bad-kernel",
      "kernel",
    ],
    ["no HVF", { acceleration: "hvf" }, "acceleration-unavailable", "acceleration"],
    [
      "a bridge that is not allowed",
      { cards: [{ network: { kind: "bridge", bridge: "nobr0", helper: "/nowhere/helper" } }] },
      "bridge-refused",
      "bridge",
    ],
    ["too many processors", { cpus: 300 }, "qemu-failed", "Invalid SMP CPUs 300"],
  ])("%s", async (_, changes, code, text) => {
    const { exit, diagnostics } = await run(changes);
    expect(isFailure(exit)).toBe(true);
    expect(explainFailure(exit)).toMatchObject({ code, message: expect.stringContaining(text) });
    expect(diagnostics.length).toBeGreaterThan(0);
  });

  test("a disk that another one writes", async () => {
    const path = writeTinyDisk(join(folder, "locked.img"), "wait");
    const changes = { boot: { kind: "disk" }, disks: [{ ...disk, path }] } as const;
    const args = qemuArguments({ ...machine, ...changes }, capabilitiesOf([7, 2]));
    const first = await startQemu({ path: "qemu-system-x86_64", args, env: process.env });
    await new Promise((resolve) => first.output.once("data", resolve));
    const { exit } = await run(changes);
    first.signal("SIGKILL");
    await first.exited;
    expect(explainFailure(exit)).toMatchObject({ code: "disk-in-use" });
  });
});

describe("explainFailure, by what QEMUs elsewhere say", () => {
  test.each([
    [
      "Could not access KVM kernel module: Permission denied\nqemu-system-x86_64: failed to initialize kvm: Permission denied",
      "acceleration-unavailable",
    ],
    ["qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69", "acceleration-unavailable"],
    [
      "qemu-system-x86_64: -netdev tap,id=hn0,ifname=t0: could not configure /dev/net/tun (t0): Operation not permitted",
      "tap-refused",
    ],
    [
      "qemu-system-x86_64: -netdev tap,id=hn0,ifname=t0: could not configure /dev/net/tun (t0): Device or resource busy",
      "tap-in-use",
    ],
    [
      "failed to parse default acl file `/etc/qemu/bridge.conf'\nqemu-system-x86_64: -netdev bridge: bridge helper failed",
      "bridge-refused",
    ],
    [
      "qemu-system-x86_64: -netdev tap,vhost=on: warning: tap: open vhost char device failed: No such file or directory",
      "vhost-unavailable",
    ],
    [
      'qemu-system-x86_64: -device virtio-blk-pci: Failed to get shared "write" lock\nIs another process using the image [/x]?',
      "disk-in-use",
    ],
    [
      "qemu-system-x86_64: -drive file=/x: aio=native was specified, but it requires cache.direct=on",
      "aio-unsupported",
    ],
    ["qemu-system-x86_64: something new", "qemu-failed"],
    ["", "qemu-failed"],
  ])("%s", (stderr, code) => {
    expect(explainFailure({ code: 1, signal: null, stderr })).toMatchObject({ code });
  });

  test("below port 1024 it also says that those may be closed", () => {
    const stderr = "qemu-system-x86_64: -netdev user: Could not set up host forwarding rule 'tcp::80-:80'";
    expect(explainFailure({ code: 1, signal: null, stderr }).message).toContain("below 1024");
  });

  test("a kill from outside is told as such, with the usual reason", () => {
    expect(explainFailure({ code: null, signal: "SIGKILL", stderr: "" })).toMatchObject({ code: "qemu-killed" });
    expect(explainFailure({ code: null, signal: "SIGSEGV", stderr: "" }).message).toContain("SIGSEGV");
  });
});
