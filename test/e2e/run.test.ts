import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { boot, compile, lacksGuests, REPORT, ROADS, SLEEP, SMALL, told } from "../support/guest.ts";
import { describeUnless, lacksProgram, testUnless } from "../support/machine.ts";
import { type Finished, repository, Sandbox, STACK, sha256 } from "../support/sandbox.ts";

const lacking = lacksGuests("gcc");
const sandbox = new Sandbox();
// Where every test is skipped, nothing runs after them.
if (lacking !== undefined) sandbox.remove();

beforeAll(async () => {
  if (lacking !== undefined) return;
  compile(sandbox.path("root/report"), REPORT, ["-static"]);
  compile(sandbox.path("root/sleep"), SLEEP, ["-static"]);
  await sandbox.ok(["compose", "image", "root", "-l", "builtin", "-c", "/report composed"]);
  await sandbox.ok(["compose", "waiting", "root", "-l", "builtin", "-c", "/sleep"]);
});

afterAll(() => sandbox.remove());

interface Guest {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Of QEMU. */
  readonly pid: number;
}

/** Starts a guest, and returns once its program has said that it waits. */
async function startWaiting(args: readonly string[], name = "waiting"): Promise<Guest> {
  let child: ChildProcess | undefined;
  let console = "";
  const finished = sandbox.run(["run", ...SMALL, ...args], {
    onStart: (started) => {
      child = started;
      started.stdout?.on("data", (chunk: Buffer) => {
        console += chunk;
      });
    },
  });
  for (let waited = 0; !console.includes("waiting\r\n") && !console.includes("waiting\n"); waited += 10) {
    if (waited > 60_000 || child?.exitCode !== null) throw new Error(`the guest does not wait: ${console}`);
    await delay(10);
  }
  const list = await sandbox.json<{ name: string; status: string; pid: number }[]>(["instances"]);
  const found = list.find((one) => one.name === name);
  if (child === undefined || found?.status !== "running") throw new Error(`${name} does not run`);
  return { process: child, finished, pid: found.pid };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

const instances = () => sandbox.files("store/instances/qemu");

describeUnless(lacking)("running an image", () => {
  for (const [title, road] of ROADS) {
    test(`D21: ${title}, the composed command is kept, and --env adds to it`, async () => {
      expect(told((await boot(sandbox, ["image", ...road])).stdout)).toEqual(["argument: [composed]", "done"]);
      const { stdout } = await boot(sandbox, ["image", ...road, "--env", "TEST_A=b"]);
      expect(told(stdout)).toEqual(["argument: [composed]", "variable: [TEST_A=b]", "done"]);
      expect(told((await boot(sandbox, ["image", ...road, "-e", "/report other"])).stdout)[0]).toBe(
        "argument: [other]",
      );
    });
  }

  test("never writes to the image, whatever command it is given", async () => {
    const before = sha256(sandbox.image("image"));
    await boot(sandbox, ["image", "--no-kernel", "-e", "/report other", "--env", "A=b"]);
    await boot(sandbox, ["image"]);
    expect(sha256(sandbox.image("image"))).toBe(before);
  });

  test("leaves no instance behind", async () => {
    const { code } = await boot(sandbox, ["image"]);
    expect(code).toBe(0);
    expect(instances()).toEqual([]);
    expect(await sandbox.json(["instances"])).toEqual([]);
  });

  test("--json is the answer alone on stdout, and the console goes to stderr", async () => {
    const { stdout, stderr, code } = await boot(sandbox, ["image", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ name: "image", image: "image", outcome: "ok", advice: [] });
    expect(told(stderr.replaceAll("\r", ""))).toEqual(["argument: [composed]", "done"]);
  });

  test("-q leaves the console alone", async () => {
    const { stderr, stdout } = await boot(sandbox, ["image", "-q"]);
    expect(stderr).toBe("");
    expect(told(stdout)).toHaveLength(2);
  });

  test("an image file by its path, and another name for the instance", async () => {
    const file = sandbox.path("copied.img");
    writeFileSync(file, readFileSync(sandbox.image("image")));
    expect(told((await boot(sandbox, ["./copied.img"])).stdout)).toHaveLength(2);
    const { name, image } = await sandbox.json<{ name: string; image: string }>([
      "run",
      ...SMALL,
      "other",
      "-i",
      "image",
    ]);
    expect([name, image]).toEqual(["other", "image"]);
  });

  testUnless(lacksProgram("qemu-img"))("a raw disk that was imported", async () => {
    execFileSync("qemu-img", ["convert", "-O", "raw", sandbox.image("image"), sandbox.path("disk.raw")]);
    await sandbox.ok(["import", "raw", "disk.raw"]);
    const before = sha256(sandbox.image("raw"));
    expect(told((await boot(sandbox, ["raw", "--env", "TEST_A=b"])).stdout)).toContain("variable: [TEST_A=b]");
    expect(sha256(sandbox.image("raw"))).toBe(before);
  });

  test("with --volume, the file is a further disk", async () => {
    writeFileSync(sandbox.path("data:1.img"), new Uint8Array(1024 * 1024));
    const { code } = await boot(sandbox, ["image", "--volume", "data:1.img:format=raw:cache=none:aio=threads"]);
    expect(code).toBe(0);
    const { argv } = await sandbox.json<{ argv: string[] }>(["run", "image", "--dry-run", "--volume", "data:1.img"]);
    expect(argv.filter((word) => word.includes("data:1.img"))).toHaveLength(1);
    expect(argv.filter((word) => word.startsWith("virtio-blk-pci"))).toHaveLength(2);
  });

  test("--dry-run prints a command that a shell runs, and makes nothing", async () => {
    const args = ["run", "image", "--dry-run", "-e", '/report it\'s "two  words" \\\\', ...SMALL];
    const line = await sandbox.ok(args);
    expect(line.endsWith("\n")).toBe(true);
    expect(line.split("\n")).toHaveLength(2);
    expect(instances()).toEqual([]);
    const argv = (await sandbox.shell(`printf '%s\\0' ${line}`)).stdout.split("\0");
    expect(argv.slice(0, -1)).toEqual((await sandbox.json<{ argv: string[] }>(args)).argv);
    expect(argv).toContain('/report it\'s "two  words" \\\\');
  });

  test.each([
    ["8080", "hostfwd=tcp::8080-:8080"],
    ["8080:80", "hostfwd=tcp::8080-:80"],
    ["127.0.0.1:8080:80", "hostfwd=tcp:127.0.0.1:8080-:80"],
    ["5353:53/udp", "hostfwd=udp::5353-:53"],
  ])("D9: -f %s", async (forward, expected) => {
    expect(await sandbox.ok(["run", "image", "--dry-run", "-f", forward])).toContain(expected);
  });

  test.each(["", "x", "0", "65536", "1:2:3:4", "80:", "80/sctp"])("D9: -f '%s' is refused", async (forward) => {
    const { code, stderr } = await sandbox.run(["run", "image", "--dry-run", "-f", forward]);
    expect(code).toBe(64);
    expect(stderr).toContain("is not a port forwarding");
  });
});

describeUnless(lacking)("D15: versions of QEMU are compared as versions", () => {
  test.each(["1.3.0", "7.2.22", "8.0.0", "9.1.2", "10.0.2", "11.2.90"])(
    "%s has a source of randomness",
    async (version) => {
      sandbox.write({ [`qemu-${version}`]: `#!/bin/sh\necho 'QEMU emulator version ${version} (Test)'\n` });
      const CAPSTAN_QEMU_PATH = sandbox.executable(sandbox.path(`qemu-${version}`));
      expect(await sandbox.ok(["run", "image", "--dry-run"], { env: { CAPSTAN_QEMU_PATH } })).toContain(
        "virtio-rng-pci",
      );
    },
  );
});

describeUnless(lacking)("running the project of this folder", () => {
  const cwd = sandbox.path("app");
  const run = (...args: readonly string[]) => boot(sandbox, ["-l", "builtin", ...args], { cwd });

  test("composes it only when something has changed", async () => {
    sandbox.project("app", {
      report: readFileSync(sandbox.path("root/report")),
      "meta/run.yaml": "runtime: native\nconfig_set:\n  default:\n    bootcmd: /report first\n",
    });
    sandbox.executable(`${cwd}/report`);
    const first = await run();
    expect(first.stderr).toContain("Composed app");
    expect(told(first.stdout)).toEqual(["argument: [first]", "done"]);
    const second = await run("--env", "TEST_A=b");
    expect(second.stderr).not.toContain("Composed");
    expect(told(second.stdout)).toContain("variable: [TEST_A=b]");
    sandbox.write({ "app/meta/run.yaml": "runtime: native\nconfig_set:\n  default:\n    bootcmd: /report second\n" });
    const third = await run();
    expect(third.stderr).toContain("Composed app");
    expect(told(third.stdout)).toEqual(["argument: [second]", "done"]);
    expect(sandbox.files("app").filter((name) => !/^(meta|report)/.test(name))).toEqual([]);
  });
});

describeUnless(lacking)("several at once", () => {
  test("D11: two runs of one image are two instances", async () => {
    const results = await Promise.all([1, 2, 3].map((number) => boot(sandbox, ["image", "--env", `TEST_N=${number}`])));
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
    results.forEach(({ stdout }, index) => {
      expect(told(stdout)).toEqual(["argument: [composed]", `variable: [TEST_N=${index + 1}]`, "done"]);
    });
    expect(instances()).toEqual([]);
  });

  test("D13: a run touches no other instance, running or kept", async () => {
    const other = await startWaiting(["waiting"]);
    await boot(sandbox, ["image", "--persist"]);
    const before = instances();
    expect((await boot(sandbox, ["third", "-i", "image"])).code).toBe(0);
    expect(isAlive(other.pid)).toBe(true);
    expect(instances().filter((path) => path.startsWith("waiting/"))).toEqual(
      before.filter((path) => path.startsWith("waiting/")),
    );
    expect(instances()).toContain("image/disk.qcow2");
    expect((await sandbox.run(["delete", "waiting"])).code).toBe(73);
    expect(await sandbox.json(["stop", "waiting"])).toMatchObject({ name: "waiting" });
    await other.finished;
    expect(isAlive(other.pid)).toBe(false);
    await sandbox.ok(["delete", "image"]);
    expect(instances()).toEqual([]);
  });

  test("D14: a kept instance goes on with its own disk, even without the image", async () => {
    await sandbox.ok(["compose", "short-lived", "root", "-l", "builtin", "-c", "/report kept"]);
    await boot(sandbox, ["short-lived", "--persist"]);
    const list = await sandbox.json<object[]>(["instances"]);
    expect(list).toEqual([expect.objectContaining({ name: "short-lived", status: "stopped", persistent: true })]);
    await sandbox.ok(["rmi", "short-lived"]);
    const { code, stdout } = await boot(sandbox, ["short-lived", "--no-kernel", "--env", "TEST_A=again"]);
    expect(code).toBe(0);
    expect(told(stdout)).toEqual(["argument: [kept]", "variable: [TEST_A=again]", "done"]);
    expect(existsSync(sandbox.path("store/instances/qemu/short-lived/disk.qcow2"))).toBe(true);
    await sandbox.ok(["delete", "short-lived"]);
    expect((await sandbox.run(["run", "short-lived"])).code).toBe(66);
  });
});

describeUnless(lacking)("Ctrl-C", () => {
  for (const [title, road] of ROADS) {
    test(`ends a guest ${title}, and leaves no process and no file`, async () => {
      const guest = await startWaiting(["waiting", ...road]);
      guest.process.kill("SIGINT");
      // A guest that is busy may not listen: the second one ends it.
      const asked = await Promise.race([guest.finished, delay(1500)]);
      if (asked === undefined) guest.process.kill("SIGINT");
      const { code, stderr } = await guest.finished;
      expect(code).toBe(130);
      expect(stderr).not.toMatch(STACK);
      expect(isAlive(guest.pid)).toBe(false);
      expect(instances()).toEqual([]);
    });
  }

  test("twice at once is enough for any guest", async () => {
    const guest = await startWaiting(["waiting"]);
    guest.process.kill("SIGINT");
    await delay(50);
    guest.process.kill("SIGINT");
    expect((await guest.finished).code).toBe(130);
    expect(isAlive(guest.pid)).toBe(false);
    expect(instances()).toEqual([]);
  });

  test("SIGTERM ends the guest too, with exit code 143", async () => {
    const guest = await startWaiting(["waiting"]);
    guest.process.kill("SIGTERM");
    expect((await guest.finished).code).toBe(143);
    expect(isAlive(guest.pid)).toBe(false);
    expect(instances()).toEqual([]);
  });

  test("a capstan that was killed leaves an instance that can be stopped and deleted", async () => {
    const guest = await startWaiting(["waiting"]);
    guest.process.kill("SIGKILL");
    await guest.finished;
    const list = await sandbox.json<{ name: string; status: string }[]>(["instances"]);
    expect(list.map(({ name }) => name)).toEqual(["waiting"]);
    await sandbox.ok(["stop", "waiting", "-t", "1"]);
    expect(isAlive(guest.pid)).toBe(false);
    if (instances().length > 0) await sandbox.ok(["delete", "waiting"]);
    expect(instances()).toEqual([]);
  });

  testUnless(lacking ?? lacksProgram("script"))(
    "on a terminal: the key is the guest's end, and the terminal is as before",
    async () => {
      const capstan = `'${process.execPath}' '${repository}/bin/capstan' run waiting -q ${SMALL.join(" ")}`;
      const command = `stty -a > before; ${capstan}; echo "code: $?"; stty -a > after`;
      const child = spawn("script", ["--quiet", "--command", command, "/dev/null"], {
        cwd: sandbox.dir,
        env: sandbox.environment({ TERM: "xterm" }),
      });
      const finished = new Promise<string>((resolve) => {
        let output = "";
        child.stdout.on("data", (chunk: Buffer) => {
          const before = output.includes("waiting");
          output += chunk;
          if (before || !output.includes("waiting")) return;
          child.stdin.write("\x03");
          setTimeout(() => child.stdin.write("\x03"), 300);
        });
        child.on("close", () => resolve(output));
      });
      expect(await finished).toContain("code: 130");
      expect(readFileSync(sandbox.path("after"), "utf8")).toBe(readFileSync(sandbox.path("before"), "utf8"));
      expect(instances()).toEqual([]);
    },
  );
});
