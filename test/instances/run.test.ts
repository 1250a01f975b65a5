import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { openDisk } from "../../src/disks/probe.ts";
import { createQcow2 } from "../../src/disks/qcow2/writer.ts";
import { dryRunInstance } from "../../src/instances/dry-run.ts";
import { readLock } from "../../src/instances/lock.ts";
import { identify, isAlive } from "../../src/instances/process-identity.ts";
import { InterruptedError } from "../../src/support/errors.ts";
import { temporaryFolder, testContext, writeTinyKernel } from "../hypervisors/tiny-guest.ts";
import { image, remains, run } from "./support.ts";

const top = temporaryFolder();
let count = 0;

function newRoot(): string {
  const root = join(top, `root-${++count}`);
  mkdirSync(root);
  return root;
}

function qemuOf(root: string, name: string): number {
  return readLock(join(root, "instances/qemu", name))?.owner?.qemu?.pid ?? 0;
}

describe("a run", () => {
  test("boots the image with its own command, passes the console on, and leaves the image and no trace", async () => {
    const root = newRoot();
    const hello = image(root, "hello", "P hello\r\nworld\r\n");
    const before = readFileSync(hello.path);
    const guest = run(root, { image: hello });
    const result = await guest.result;
    expect(guest.output()).toBe("P hello\r\nworld\r\n");
    expect(result).toMatchObject({ name: "hello", image: "hello", outcome: "ok", advice: [], acceleration: "tcg" });
    const { asked, qemuStarted, firstByte = 0, ended } = result.timings;
    expect([asked, qemuStarted, firstByte, ended]).toEqual([asked, qemuStarted, firstByte, ended].sort());
    expect(remains(root)).toEqual([]);
    expect(readFileSync(hello.path).equals(before)).toBe(true);
    expect(guest.context.events).toContainEqual({ kind: "step", text: "Created the instance hello" });
  });

  test("takes another command for this time, made from the composed one", async () => {
    const root = newRoot();
    const hello = image(root, "hello", "P composed");
    const other = run(root, { image: hello, commandLine: (composed) => `P --env=A=1 ${composed}` });
    await other.result;
    expect(other.output()).toBe("P --env=A=1 P composed");
    const again = run(root, { image: hello });
    await again.result;
    expect(again.output()).toBe("P composed");
  });

  test("takes a qcow2 image, one on another file system and one that is itself an overlay", async () => {
    const root = newRoot();
    const raw = image(root, "raw", "P raw");
    const below = openDisk(raw.path);
    const path = join(root, "over.qcow2");
    const over = createQcow2(path, {
      size: below.device.size,
      backing: { path: raw.path, format: "raw", device: below.device },
    });
    over.write(Buffer.from("P qcow2"), 512);
    over.close();
    below.close();
    const guest = run(root, { image: { name: "team/over", path } });
    expect(await guest.result).toMatchObject({ name: "team-over", image: "team/over" });
    expect(guest.output()).toBe("P qcow2");
  });

  test("boots a kernel directly, of the image or a named one, unless it is told not to", async () => {
    const root = newRoot();
    const kernel = writeTinyKernel(join(root, "kernel.elf"));
    const both = { ...image(root, "both", "P x by BIOS"), kernel };
    // The kernel ends its console with a newline of its own, the boot sector does not.
    const outputs = [];
    for (const changes of [{}, { kernel: false as const }]) {
      const guest = run(root, { image: both, ...changes });
      await guest.result;
      outputs.push(guest.output());
    }
    expect(outputs).toEqual(["P x by BIOS\n", "P x by BIOS"]);
  });

  test("goes through the BIOS when the command is longer than a direct boot bears", async () => {
    const root = newRoot();
    const kernel = writeTinyKernel(join(root, "kernel.elf"));
    const commandLine = `P ${"x".repeat(3599)}`;
    const guest = run(root, { image: image(root, "long", "P"), kernel, commandLine: () => commandLine });
    await guest.result;
    expect(guest.output()).not.toContain("\n");
    expect(guest.context.events).toContainEqual({ kind: "detail", text: expect.stringContaining("3600 bytes") });
  });

  test("tells what the guest said: its failure, its status, the advice", async () => {
    const root = newRoot();
    const failing = image(
      root,
      "failing",
      "P\nFailed to load object: /x. Powering off.\nprogram exited with status 3\n",
    );
    // An echo of the command line is no failure, so the guest must say something else than its command line.
    const guest = run(root, { image: failing, commandLine: (composed) => composed });
    expect((await guest.result).outcome).toBe("ok");
    const echoing = run(root, { image: image(root, "echo", "echo\n") });
    await echoing.shows("echo");
    echoing.input.write("Failed to load object: /x. Powering off.\nprogram exited with status 3\n");
    await echoing.shows("status 3");
    echoing.interrupt();
    const result = await echoing.result;
    expect(result).toMatchObject({ outcome: "interrupted", guestStatus: 3, advice: [expect.stringContaining("/x")] });
  });

  test("ends a kernel that has given up and stands still", async () => {
    const root = newRoot();
    const guest = run(root, { image: image(root, "halting", "D waiting\n") });
    await guest.shows("waiting");
    guest.input.write("Aborted\n\n[backtrace]\n0x01 <x>\n");
    expect(await guest.result).toMatchObject({ outcome: "failed" });
    expect(remains(root)).toEqual([]);
  });

  test("an error of QEMU is explained and leaves nothing", async () => {
    const root = newRoot();
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const hostPort = typeof address === "object" && address !== null ? address.port : 0;
    const forwards = [{ protocol: "tcp", address: "127.0.0.1", hostPort, guestPort: 80 }] as const;
    for (const persist of [false, true]) {
      const guest = run(root, { image: image(root, "hello", "P"), forwards, persist });
      await expect(guest.result).rejects.toMatchObject({ code: "port-in-use" });
      expect(remains(root)).toEqual([]);
    }
    server.close();
  });

  test.each([
    ["neither image nor name", {}, "nothing-to-run", 64],
    ["a name of nothing", { name: "nope" }, "no-such-instance", 66],
    ["a name that leaves the folder", { name: ".." }, "bad-instance-name", 64],
    ["an image that is not there", { image: { name: "nope", path: "/nowhere/nope.qemu" } }, "os-enoent", 66],
    ["an image that is none", { image: { name: "nope", path: "/etc/hostname" } }, "boot-args-missing", 65],
    [
      "forwardings without nat",
      {
        image: { name: "x", path: "/x" },
        networks: [{ mode: "tap", device: "t0" }],
        forwards: [{ protocol: "tcp", address: "", hostPort: 1, guestPort: 1 }],
      },
      "bad-network",
      64,
    ],
    ["tap without a device", { image: { name: "x", path: "/x" }, networks: [{ mode: "tap" }] }, "bad-network", 64],
  ] as const)("%s is a clear error and leaves nothing", async (_, changes, code, exitCode) => {
    const root = newRoot();
    await expect(run(root, changes).result).rejects.toMatchObject({ code, exitCode });
    expect(remains(root)).toEqual([]);
  });

  test("works where the folder's path is too long for a socket", async () => {
    const root = join(newRoot(), "x".repeat(120));
    mkdirSync(root);
    const before = readdirSync("/tmp");
    const guest = run(root, { image: image(root, "deep", "wait") }, testContext({ env: { PATH: process.env.PATH } }));
    await guest.shows("wait");
    guest.interrupt();
    expect(await guest.result).toMatchObject({ outcome: "interrupted" });
    expect(remains(root)).toEqual([]);
    const made = readdirSync("/tmp").filter((name) => !before.includes(name) && /^capstan-\w{6}$/.test(name));
    expect(made).toEqual([]);
  });

  test("a dry run tells the command and leaves nothing", async () => {
    const root = newRoot();
    const context = testContext();
    const dry = await dryRunInstance(
      { root, image: image(root, "hello", "P"), acceleration: "tcg", commandLine: () => "/x 'y'", kernel: "/k.elf" },
      context,
    );
    expect(dry.name).toBe("hello");
    expect(dry.argv).toEqual(
      expect.arrayContaining(["-kernel", "/k.elf", "-append", "/x 'y'", "-m", "1024", "-smp", "2"]),
    );
    expect(dry.argv.join(" ")).toContain(`file=${root}/instances/qemu/hello/disk.qcow2`);
    expect(dry.command).toContain(`'/x '\\''y'\\'''`);
    expect(existsSync(join(root, "instances"))).toBe(false);
  });
});

describe("the console", () => {
  test("carries bytes of every value both ways, and the end of the input does not end the guest", async () => {
    const root = newRoot();
    const guest = run(root, { image: image(root, "echo", "echo") });
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
    guest.input.end(bytes);
    await guest.shows(`echo${bytes.toString("latin1")}`);
    guest.interrupt();
    expect(await guest.result).toMatchObject({ outcome: "interrupted" });
  });

  test("input that comes before the guest listens is kept for it", async () => {
    const root = newRoot();
    const console = { input: new PassThrough(), output: new PassThrough() };
    console.input.end("early");
    const guest = run(root, { image: image(root, "echo", "echo:"), console });
    let output = "";
    await new Promise<void>((resolve) => {
      console.output.on("data", (chunk) => {
        output += chunk;
        if (output === "echo:early") resolve();
      });
    });
    guest.interrupt();
    await guest.result;
  });

  test("a slow reader gets everything", async () => {
    const root = newRoot();
    let received = "";
    const output = new Writable({
      highWaterMark: 16,
      write(chunk, _, done) {
        received += chunk;
        setTimeout(done, 5);
      },
    });
    const text = `P${Array.from({ length: 180 }, (_, line) => `line ${line}`).join("\n")}`;
    const guest = run(root, { image: image(root, "much", text), console: { output } });
    await guest.result;
    expect(received).toBe(text);
  });

  test("a reader that takes nothing does not keep a guest that is to be ended", async () => {
    const root = newRoot();
    let isStuck = () => {};
    const stuck = new Promise<void>((resolve) => {
      isStuck = resolve;
    });
    const output = new Writable({ highWaterMark: 1, write: () => isStuck() });
    const guest = run(root, { image: image(root, "stuck", `D ${"x".repeat(1900)}`), console: { output } });
    await stuck;
    guest.interrupt();
    guest.interrupt();
    expect(await guest.result).toMatchObject({ outcome: "interrupted" });
    expect(remains(root)).toEqual([]);
  });

  test("a reader that goes away ends the guest", async () => {
    const root = newRoot();
    const output = new PassThrough();
    const guest = run(root, { image: image(root, "echo", "D echo"), console: { output } });
    await new Promise((resolve) => output.once("data", resolve));
    output.destroy(Object.assign(new Error("gone"), { code: "EPIPE" }));
    expect(await guest.result).toMatchObject({ outcome: "interrupted" });
    expect(remains(root)).toEqual([]);
  });

  test("in raw mode Ctrl-C is taken out of the input, and the terminal is restored", async () => {
    const root = newRoot();
    const console = { input: new PassThrough(), output: new PassThrough() };
    const modes: string[] = [];
    const rawMode = () => {
      modes.push("raw");
      return () => modes.push("restored");
    };
    const guest = run(root, { image: image(root, "echo", "echo:"), console: { ...console, rawMode } });
    let output = "";
    const seen = new Promise<void>((resolve) => {
      console.output.on("data", (chunk) => {
        output += chunk;
        if (output === "echo:ab") resolve();
      });
    });
    console.input.write("ab");
    await seen;
    console.input.write("\x03");
    expect(await guest.result).toMatchObject({ outcome: "interrupted" });
    expect(output).toBe("echo:ab");
    expect(modes).toEqual(["raw", "restored"]);
  });
});

describe("Ctrl-C and SIGTERM", () => {
  test("the first Ctrl-C powers the guest off", async () => {
    const root = newRoot();
    const guest = run(root, { image: image(root, "waiting", "wait") });
    await guest.shows("wait");
    const pid = qemuOf(root, "waiting");
    guest.interrupt();
    expect(await guest.result).toMatchObject({ outcome: "interrupted" });
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    expect(remains(root)).toEqual([]);
    expect(guest.context.events).toContainEqual({ kind: "step", text: expect.stringContaining("Ctrl-C once more") });
  });

  test("the second one ends a guest that does not listen", async () => {
    const root = newRoot();
    const guest = run(root, { image: image(root, "deaf", "D wait") });
    await guest.shows("wait");
    const pid = qemuOf(root, "deaf");
    guest.interrupt();
    await delay(300);
    expect(() => process.kill(pid, 0)).not.toThrow();
    guest.interrupt();
    expect(await guest.result).toMatchObject({ outcome: "interrupted" });
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    expect(remains(root)).toEqual([]);
  });

  test("even a QEMU that does not react is gone after it", async () => {
    const root = newRoot();
    const guest = run(root, { image: image(root, "deaf", "D wait") });
    await guest.shows("wait");
    process.kill(qemuOf(root, "deaf"), "SIGSTOP");
    guest.interrupt();
    guest.interrupt();
    expect(await guest.result).toMatchObject({ outcome: "interrupted" });
    expect(remains(root)).toEqual([]);
  });

  test("an abort of the context counts as a Ctrl-C, or as SIGTERM by its reason", async () => {
    for (const [reason, outcome] of [
      [new InterruptedError(), "interrupted"],
      [new InterruptedError(143), "terminated"],
    ] as const) {
      const root = newRoot();
      const guest = run(root, { image: image(root, "waiting", "wait") });
      await guest.shows("wait");
      guest.context.abort(reason);
      expect(await guest.result).toMatchObject({ outcome });
      expect(remains(root)).toEqual([]);
    }
  });

  test("an abort before the start starts nothing", async () => {
    const root = newRoot();
    const context = testContext();
    context.abort(new InterruptedError());
    await expect(run(root, { image: image(root, "hello", "P") }, context).result).rejects.toMatchObject({
      code: "interrupted",
    });
    expect(remains(root)).toEqual([]);
  });

  test("a process that ends all of a sudden takes its guest and files along", async () => {
    const root = newRoot();
    const guest = run(root, { image: image(root, "waiting", "D wait") });
    await guest.shows("wait");
    const qemu = identify(qemuOf(root, "waiting"));
    guest.exit();
    expect(remains(root)).toEqual([]);
    await guest.result.catch(() => {});
    expect(isAlive(qemu)).toBe(false);
  });
});

describe("names", () => {
  test("D13: a name that is in use gives NAME-2, NAME-3, …, and no instance is touched by another's start or end", async () => {
    const root = newRoot();
    const waiting = image(root, "app", "wait");
    const guests = [];
    for (let number = 1; number <= 3; number++) {
      const guest = run(root, { image: waiting });
      await guest.shows("wait");
      guests.push(guest);
    }
    expect(remains(root)).toEqual(["app", "app-2", "app-3"]);
    const [first, second, third] = guests;
    second?.interrupt();
    expect(await second?.result).toMatchObject({ name: "app-2" });
    expect(remains(root)).toEqual(["app", "app-3"]);
    const files = readdirSync(join(root, "instances/qemu/app")).sort();
    expect(files).toEqual([
      "base.qemu",
      "console.log",
      "console.times",
      "control",
      "disk.qcow2",
      "lock.1",
      "osv.monitor",
      "state.json",
    ]);
    await run(root, { image: image(root, "other", "P") }).result;
    expect(remains(root)).toEqual(["app", "app-3"]);
    for (const guest of [first, third]) {
      guest?.input.write("still there");
      await guest?.shows("still there");
      guest?.interrupt();
      await guest?.result;
    }
    expect(remains(root)).toEqual([]);
  });

  test("any number that start at once get names of their own", async () => {
    const root = newRoot();
    const quick = image(root, "app", "P");
    const results = await Promise.all(Array.from({ length: 6 }, () => run(root, { image: quick }).result));
    expect(results.every(({ outcome }) => outcome === "ok")).toBe(true);
    expect(remains(root)).toEqual([]);
  });

  test("the image may be replaced or removed while it runs", async () => {
    const root = newRoot();
    const app = image(root, "app", "wait");
    const guest = run(root, { image: app });
    await guest.shows("wait");
    const base = statSync(join(root, "instances/qemu/app/base.qemu"));
    expect(base.ino).toBe(statSync(app.path).ino);
    rmSync(app.path);
    guest.input.write("fine");
    await guest.shows("fine");
    guest.interrupt();
    await guest.result;
  });

  test("what a killed capstan has left is taken over; not so when its guest lives", async () => {
    const root = newRoot();
    const app = image(root, "app", "P");
    const folder = join(root, "instances/qemu/app");
    mkdirSync(folder, { recursive: true });
    const sleeper = spawn("sleep", ["1000"]);
    const dead = spawn("true");
    const deadIdentity = identify(dead.pid ?? 0);
    await new Promise((resolve) => dead.once("exit", resolve));
    const owner = { capstan: deadIdentity, image: "app", persist: false, started: "2026-01-01T00:00:00Z" };
    writeFileSync(join(folder, "lock.7"), JSON.stringify({ ...owner, qemu: identify(sleeper.pid ?? 0) }));
    writeFileSync(join(folder, "disk.qcow2"), "left behind");
    expect(await run(root, { image: app }).result).toMatchObject({ name: "app-2" });
    expect(readFileSync(join(folder, "disk.qcow2"), "utf8")).toBe("left behind");
    sleeper.kill();
    await new Promise((resolve) => sleeper.once("exit", resolve));
    expect(await run(root, { image: app }).result).toMatchObject({ name: "app" });
    expect(remains(root)).toEqual([]);
  });
});

describe("--persist", () => {
  /** A byte of the instance's disk beyond what the tools write: stands for the guest's data. */
  function markDisk(root: string, name: string): void {
    const disk = join(root, "instances/qemu", name, "disk.qcow2");
    execFileSync("qemu-io", ["-f", "qcow2", "-c", "write -P 0x5a 512k 64k", disk]);
  }
  function isMarked(root: string, name: string): boolean {
    const disk = openDisk(join(root, "instances/qemu", name, "disk.qcow2"));
    const byte = Buffer.alloc(1);
    disk.device.read(byte, 512 * 1024);
    disk.close();
    return byte[0] === 0x5a;
  }

  test("D14: the instance stays, and is started again with its own disk and settings", async () => {
    const root = newRoot();
    const app = image(root, "app", "P first");
    await run(root, { image: app, persist: true, memory: 48 << 20, mac: "52:54:00:00:00:01" }).result;
    const files = ["base.qemu", "console.log", "console.times", "disk.qcow2", "osv.config", "state.json"];
    expect(readdirSync(join(root, "instances/qemu/app")).sort()).toEqual(files);
    execFileSync("qemu-img", ["check", join(root, "instances/qemu/app/disk.qcow2")]);
    markDisk(root, "app");

    const again = run(root, { image: app, memory: undefined, cpus: undefined });
    await again.result;
    expect(again.output()).toBe("P first");
    expect(isMarked(root, "app")).toBe(true);
    const detail = again.context.events.map((event) => event.text).join("\n");
    expect(detail).toContain("Starting the instance app again with its own disk");
    expect(detail).toContain("-m 48 -smp 1");
    expect(detail).toContain("mac=52:54:00:00:00:01");
    expect(remains(root)).toEqual(["app"]);
  });

  test("D14: neither a new image, nor its removal, nor a run without --persist harms it", async () => {
    const root = newRoot();
    const app = image(root, "app", "P old");
    await run(root, { image: app, persist: true }).result;
    markDisk(root, "app");
    const replaced = image(root, "new", "P new");
    renameSync(replaced.path, app.path);
    const again = run(root, { image: app });
    await again.result;
    expect(again.output()).toBe("P old");
    expect(again.context.events).toContainEqual({ kind: "step", text: expect.stringContaining("as it was then") });
    rmSync(app.path);
    const byName = run(root, { name: "app" });
    expect(await byName.result).toMatchObject({ image: "app", outcome: "ok" });
    expect(isMarked(root, "app")).toBe(true);
  });

  test("D14: another image under its name is refused", async () => {
    const root = newRoot();
    await run(root, { image: image(root, "app", "P"), persist: true }).result;
    const other = run(root, { name: "app", image: image(root, "other", "P") });
    await expect(other.result).rejects.toMatchObject({ code: "instance-exists", exitCode: 73 });
    expect(remains(root)).toEqual(["app"]);
  });

  test("another boot command holds for one run, by BIOS and directly", async () => {
    const root = newRoot();
    const kernel = writeTinyKernel(join(root, "kernel.elf"));
    const app = image(root, "app", "P kept");
    await run(root, { image: app, persist: true }).result;
    const outputs = [];
    for (const changes of [
      { commandLine: () => "P this time, and longer" },
      {},
      { commandLine: () => "P x direct", kernel },
      {},
    ]) {
      const guest = run(root, { name: "app", ...changes });
      await guest.result;
      outputs.push(guest.output());
    }
    expect(outputs).toEqual(["P this time, and longer", "P kept", "P x direct\n", "P kept"]);
    execFileSync("qemu-img", ["check", join(root, "instances/qemu/app/disk.qcow2")]);
  });

  test("the kernel that it was made with stays with it", async () => {
    const root = newRoot();
    const kernel = writeTinyKernel(join(root, "kernel.elf"));
    const app = { ...image(root, "app", "P x"), kernel };
    await run(root, { image: app, persist: true }).result;
    rmSync(kernel);
    const again = run(root, { name: "app" });
    await again.result;
    expect(again.output()).toBe("P x\n");
  });

  test("a running one is not started twice, and its name is not given to others", async () => {
    const root = newRoot();
    const app = image(root, "app", "wait");
    const first = run(root, { image: app, persist: true });
    await first.shows("wait");
    await expect(run(root, { image: app }).result).rejects.toMatchObject({ code: "instance-running", exitCode: 73 });
    first.interrupt();
    expect(await first.result).toMatchObject({ outcome: "interrupted" });
    expect(remains(root)).toEqual(["app"]);
  });

  test("an instance of the original is started with its disk", async () => {
    const root = newRoot();
    const app = image(root, "app", "P");
    const folder = join(root, "instances/qemu/app");
    mkdirSync(folder, { recursive: true });
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-b", app.path, "-F", "raw", join(folder, "disk.qcow2")]);
    execFileSync("qemu-io", ["-f", "qcow2", "-c", "write -P 0x50 512 1", join(folder, "disk.qcow2")]);
    writeFileSync(
      join(folder, "osv.config"),
      `name: app\nverbose: false\ncmd: P from the original\ndisablekvm: false\npersist: true\nmemory: 64\ncpus: 1\nnetworking: nat\nbridge: ""\nnatrules:\n- hostport: "18080"\n  guestport: "80"\nvolumes: []\nmac: 52:54:00:12:34:56\n`,
    );
    const guest = run(root, { name: "app", memory: undefined });
    await guest.result;
    expect(guest.output()).toBe("P from the original");
    expect(guest.context.events.map((event) => event.text).join("\n")).toContain("-m 64 ");
  });
});
