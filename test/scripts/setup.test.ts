import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { repository, Sandbox } from "../support/sandbox.ts";

let sandbox: Sandbox;
let programs: string;

beforeEach(() => {
  sandbox = new Sandbox();
  programs = sandbox.path("bin");
  mkdirSync(programs);
  for (const tool of ["sh", "touch", "chmod", "env", "id"]) symlinkSync(`/usr/bin/${tool}`, join(programs, tool));
});
afterEach(() => sandbox.remove());

/** A stand-in that notes how it was called; `then` are lines of shell that follow. */
function standIn(name: string, then = ""): void {
  const path = join(programs, name);
  writeFileSync(path, `#!/bin/sh\necho "${name} $*" >> '${sandbox.path("calls")}'\n${then}\n`);
  chmodSync(path, 0o755);
}

function calls(): string[] {
  return existsSync(sandbox.path("calls")) ? readFileSync(sandbox.path("calls"), "utf8").trim().split("\n") : [];
}

const installsQemu = `case " $* " in *" install "*) touch '%/qemu-system-x86_64'; chmod +x '%/qemu-system-x86_64';; esac`;

function setUp(needed: readonly string[]): { readonly status: number | null; readonly stderr: string } {
  const script = `import { setUp } from ${JSON.stringify(join(repository, "scripts", "setup.mjs"))}; setUp(${JSON.stringify(needed)});`;
  const result = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: repository,
    env: { PATH: programs },
    encoding: "utf8",
  });
  return { status: result.status, stderr: result.stderr };
}

test("says nothing and calls nothing when nothing is missing", () => {
  standIn("apt-get");
  standIn("qemu-system-x86_64");
  expect(setUp(["qemu"])).toEqual({ status: 0, stderr: "" });
  expect(calls()).toEqual([]);
});

test("installs what is missing with the package manager that is there, and says so", () => {
  standIn("apt-get", installsQemu.replaceAll("%", programs));
  if (process.getuid?.() !== 0) standIn("sudo", 'exec "$@"');
  const { status, stderr } = setUp(["qemu"]);
  expect(stderr).toContain("installing qemu-system-x86 with apt");
  expect(status).toBe(0);
  expect(calls().filter((call) => call.startsWith("apt-get"))).toEqual([
    "apt-get update -qq",
    "apt-get install -y -qq --no-install-recommends qemu-system-x86",
  ]);
});

test("knows dnf, without its refreshing step", () => {
  standIn("dnf", installsQemu.replaceAll("%", programs));
  if (process.getuid?.() !== 0) standIn("sudo", 'exec "$@"');
  expect(setUp(["qemu"]).status).toBe(0);
  expect(calls().filter((call) => call.startsWith("dnf"))).toEqual(["dnf install -y -q qemu-system-x86-core"]);
});

test("fails with the command to run by hand when the installation fails", () => {
  standIn("brew", "exit 1");
  const { status, stderr } = setUp(["qemu"]);
  expect(status).toBe(69);
  expect(stderr).toContain("brew install --quiet qemu");
});

test("names what to install where no package manager is known", () => {
  const { status, stderr } = setUp(["qemu", "qemu-img"]);
  expect(status).toBe(69);
  expect(stderr).toContain("missing: qemu, qemu-img");
});
