import type { ChildProcess } from "node:child_process";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lacksProgram, lacksRoot, testUnless } from "../support/machine.ts";
import { type Finished, Sandbox, STACK, sha256 } from "../support/sandbox.ts";
import { slowReads } from "../support/slow-reads.ts";

const MiB = 1024 * 1024;
const sandbox = new Sandbox();
const arguments_ = (name: string, folder: string) => ["compose", name, folder, "-l", "builtin", "-c", "/x"];

beforeAll(async () => {
  sandbox.write({ "small/x": "small", "large/x": Buffer.alloc(48 * MiB, "large") });
  await sandbox.ok(arguments_("image", "small"));
});

afterAll(() => sandbox.remove());

/** Starts to compose the large folder, and sends signals once several megabytes of the image are written. */
async function interrupt(name: string, ...signals: readonly NodeJS.Signals[]): Promise<Finished> {
  const started: ChildProcess[] = [];
  const finished = sandbox.run(arguments_(name, "large"), {
    env: slowReads(sandbox),
    onStart: (child) => started.push(child),
  });
  const folder = sandbox.path("store/repository", name);
  for (let waited = 0; written(folder) < 4 * MiB; waited += 5) {
    if (waited > 60_000) throw new Error("nothing is written");
    await delay(5);
  }
  for (const signal of signals) {
    started[0]?.kill(signal);
    await delay(1);
  }
  return await finished;
}

/** The bytes in hidden files of a folder: of an image on its way. */
function written(folder: string): number {
  if (!existsSync(folder)) return 0;
  const parts = readdirSync(folder).filter((name) => name.startsWith("."));
  const files = parts.flatMap((part) => readdirSync(join(folder, part)).map((name) => join(folder, part, name)));
  return files.reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
}

const visible = (folder: string) =>
  sandbox.files(folder).filter((path) => !path.split("/").some((part) => part.startsWith(".")));

describe.each<[NodeJS.Signals, number]>([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 143],
])("%s", (signal, code) => {
  test("half-way leaves the image of before and nothing else", async () => {
    const before = sha256(sandbox.image("image"));
    const files = sandbox.files("store/repository");
    const result = await interrupt("image", signal);
    expect([result.code, result.signal]).toEqual([code, null]);
    expect(result.stderr).not.toMatch(STACK);
    expect(result.stdout).toBe("");
    expect(sha256(sandbox.image("image"))).toBe(before);
    expect(sandbox.files("store/repository")).toEqual(files);
  });

  test("half-way through a new image leaves no trace of it", async () => {
    expect((await interrupt("fresh", signal)).code).toBe(code);
    expect(sandbox.files("store/repository").filter((path) => path.startsWith("fresh"))).toEqual([]);
    expect(await sandbox.ok(["images", "-q"])).not.toContain("fresh");
  });
});

describe("SIGKILL", () => {
  test("half-way leaves the image of before, and nothing that anyone sees", async () => {
    const before = sha256(sandbox.image("image"));
    const files = visible("store/repository");
    const result = await interrupt("image", "SIGKILL");
    expect(result.signal).toBe("SIGKILL");
    expect(sha256(sandbox.image("image"))).toBe(before);
    expect(visible("store/repository")).toEqual(files);
    expect(await sandbox.ok(["image", "cat", "image", "/x"])).toBe("small");
  });

  test("half-way through a new image: it is not listed, and composing it again works", async () => {
    expect((await interrupt("killed", "SIGKILL")).signal).toBe("SIGKILL");
    const names = await sandbox.json<{ name: string }[]>(["images"]);
    expect(names.map(({ name }) => name)).toEqual(["image"]);
    expect((await sandbox.run(["image", "ls", "killed"])).code).toBe(66);
    await sandbox.ok(arguments_("killed", "small"));
    expect(await sandbox.ok(["image", "cat", "killed", "/x"])).toBe("small");
    await sandbox.ok(["rmi", "killed"]);
  });
});

test("an import and a package build that are interrupted leave nothing either", async () => {
  const cwd = sandbox.project("packed", { large: Buffer.alloc(24 * MiB, "packed") });
  for (const args of [
    ["package", "build"],
    ["package", "import"],
    ["package", "collect"],
  ]) {
    const before = [...sandbox.files("packed"), ...sandbox.files("store/packages")];
    const result = await sandbox.run(args, {
      cwd,
      env: slowReads(sandbox),
      onStart: (child) => setTimeout(() => child.kill("SIGINT"), 700),
    });
    expect(result.code).toBe(130);
    expect([...sandbox.files("packed"), ...sandbox.files("store/packages")]).toEqual(before);
  }
});

function lacksMount(): string | undefined {
  const reason = lacksRoot() ?? lacksProgram("mount", "umount");
  if (reason !== undefined) return `a small file system to fill ${reason}`;
  const probe = sandbox.path("probe");
  mkdirSync(probe);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", probe], { stdio: "ignore" });
    execFileSync("umount", [probe]);
    return undefined;
  } catch {
    return "a tmpfs cannot be mounted here";
  }
}

testUnless(lacksMount())("a full disk is an error that says so, and leaves the image of before", async () => {
  const store = sandbox.path("full");
  mkdirSync(store);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "none", store]);
  try {
    const env = { CAPSTAN_ROOT: store };
    await sandbox.ok(arguments_("image", "small"), { env });
    const before = sandbox.files("full/repository");
    const { code, stderr } = await sandbox.run(arguments_("image", "large"), { env });
    expect(code).toBe(71);
    expect(stderr).toMatch(/^Error: .*no space left on the device\n.*CAPSTAN_ROOT/);
    expect(stderr).not.toMatch(STACK);
    expect(sandbox.files("full/repository")).toEqual(before);
    expect(await sandbox.ok(["image", "cat", "image", "/x"], { env })).toBe("small");
    expect((await sandbox.run(arguments_("other", "large"), { env })).code).toBe(71);
    expect(sandbox.files("full/repository")).toEqual(before);
    const cwd = sandbox.project("too-large", { random: randomBytes(30 * MiB) });
    expect((await sandbox.run(["package", "import"], { cwd, env })).code).toBe(71);
    expect(sandbox.files("full/packages").filter((path) => !path.endsWith("/"))).toEqual([]);
  } finally {
    execFileSync("umount", [store]);
  }
});
