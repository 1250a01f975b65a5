import { chmodSync, mkdirSync, rmSync, utimesSync } from "node:fs";
import { createServer } from "node:net";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { lacksGuests } from "../support/guest.ts";
import { HELD_BY_MODES, lacksModes, testUnless } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();

beforeEach(() => {
  rmSync(sandbox.store, { recursive: true, force: true });
  mkdirSync(sandbox.store);
});
afterAll(() => sandbox.remove());

interface Finding {
  readonly check: string;
  readonly level: "ok" | "warning" | "failure";
  readonly text: string;
  readonly cure: string | null;
}

async function examine(env: Readonly<Record<string, string>> = {}, through: readonly string[] = []) {
  const result = await sandbox.run(["doctor", "--json"], { env, through });
  const { verdict, findings } = JSON.parse(result.stdout) as { verdict: string; findings: Finding[] };
  return { code: result.code, verdict, findings, of: (check: string) => findings.filter((one) => one.check === check) };
}

test("each line says what to do unless it is well", async () => {
  const { findings, of } = await examine();
  for (const { level, cure } of findings) expect(cure === null).toBe(level === "ok");
  expect(of("proxy")).toMatchObject([{ level: "ok" }]);
  expect(of("remotes")).toMatchObject([{ level: "ok", text: expect.stringContaining("CAPSTAN_OFFLINE") }]);
  expect(of("clock")).toMatchObject([{ level: "ok" }]);
  expect(of("store")).toMatchObject([{ level: "ok", text: expect.stringContaining("0 images, 0 packages") }]);
  expect(of("acceleration")[0]?.text ?? "switched off").toContain("switched off");
});

test("text has a line a finding, with the cure below it", async () => {
  const { stdout, code } = await sandbox.run(["doctor"], { env: { CAPSTAN_QEMU_PATH: "/nothing" } });
  expect(code).toBe(69);
  expect(stdout).toMatch(
    /^failure {2}qemu {10}CAPSTAN_QEMU_PATH is '\/nothing', which is not a program\n {23}Set it to/,
  );
});

testUnless(lacksGuests())("a sound machine passes", async () => {
  const { code, verdict, of } = await examine();
  expect(of("qemu")).toMatchObject([{ level: "ok", text: expect.stringMatching(/^QEMU \d+\.\d+/) }]);
  expect(verdict).not.toBe("failure");
  expect(code).toBe(0);
});

describe("what is wrong", () => {
  test("settings that cannot be read are all that is told", async () => {
    sandbox.write({ "store/config.yaml": "disable_kvm: perhaps\n" });
    const { code, findings } = await examine();
    expect(code).toBe(69);
    expect(findings).toMatchObject([
      { check: "settings", level: "failure", text: expect.stringContaining("config.yaml") },
    ]);
  });

  test("a QEMU that is too old", async () => {
    sandbox.write({ qemu: "#!/bin/sh\necho 'QEMU emulator version 2.5.0'\n" });
    const path = sandbox.executable(sandbox.path("qemu"));
    const { of } = await examine({ CAPSTAN_QEMU_PATH: path });
    expect(of("qemu")).toMatchObject([{ level: "failure", text: expect.stringContaining("2.5.0") }]);
  });

  test("a virtiofsd that is not there hurts only shared folders", async () => {
    const { of } = await examine({ CAPSTAN_VIRTIOFSD_PATH: "/nothing" });
    expect(of("virtiofsd")).toMatchObject([
      { level: "warning", text: expect.stringContaining("run --mount does not work") },
    ]);
  });

  test("broken images, halves of packages, and what killed commands have left", async () => {
    sandbox.write({
      "store/repository/cut/cut.qemu": Buffer.from("514649fb0000", "hex"),
      "store/packages/alone.mpm": "x",
      "store/packages/other.yaml": "name: other\n",
      "store/packages/.x.mpm.4194303-0123abcd.part": "half",
      "store/instances/qemu/.gone-abc/disk": "x",
    });
    const { of, verdict } = await examine();
    const texts = of("store").map(({ text }) => text);
    expect(verdict).not.toBe("ok");
    expect(texts).toEqual([
      expect.stringContaining("The image cut: "),
      expect.stringContaining("alone.mpm lacks its description"),
      expect.stringContaining("other.yaml lacks its archive"),
      expect.stringContaining("2 files or folders left by commands that were killed"),
    ]);
  });

  test("a folder for temporary files that is not there", async () => {
    const { of, code } = await examine({ TMPDIR: "/not/there" });
    expect(of("disk")).toContainEqual({
      check: "disk",
      level: "failure",
      text: "The folder for temporary files is not there (/not/there)",
      cure: "Make it, or correct TMPDIR.",
    });
    expect(code).toBe(69);
  });

  test("a broken instance", async () => {
    sandbox.write({ "store/instances/qemu/sad/osv.config": "[" });
    const { of } = await examine();
    expect(of("instances")).toMatchObject([{ level: "warning", text: expect.stringContaining("The instance sad: ") }]);
  });

  testUnless(lacksModes())("a store that this user cannot write", async () => {
    mkdirSync(`${sandbox.store}/repository`);
    chmodSync(`${sandbox.store}/repository`, 0o555);
    const { of, code } = await examine({}, HELD_BY_MODES);
    expect(of("store")).toMatchObject([{ level: "failure", cure: expect.stringContaining("chown") }]);
    expect(code).toBe(69);
  });

  test("a clock that is behind what was written already", async () => {
    const future = new Date(Date.now() + 3 * 24 * 60 * 60 * 1000);
    sandbox.write({ "store/packages/x": "" });
    utimesSync(`${sandbox.store}/packages/x`, future, future);
    const { of } = await examine();
    expect(of("clock")).toMatchObject([
      { level: "warning", text: expect.stringContaining("packages/x was written at") },
    ]);
  });
});

describe("the proxy", () => {
  test.each([
    ["not an address", "not:an address", "failure", "is not the address of a proxy"],
    ["of a kind that nobody speaks", "ftp://proxy", "failure", "is not the address of a proxy"],
    ["not asked when offline", "proxy.invalid:3128", "ok", "proxy.invalid:3128, not asked"],
  ])("%s", async (_title, value, level, text) => {
    const { of } = await examine({ https_proxy: value });
    expect(of("proxy")).toMatchObject([{ level, text: expect.stringContaining(text) }]);
  });

  test("names in small letters count", async () => {
    const { of } = await examine({ http_proxy: "a.invalid:1", HTTP_PROXY: "b.invalid:1" });
    expect(of("proxy").map(({ level }) => level)).toEqual(["warning", "ok"]);
  });

  test("is asked, and so are the remotes", async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    sandbox.write({
      "store/config.yaml": `remotes:\n  here:\n    type: index\n    url: http://127.0.0.1:${port}/\n  gone:\n    type: index\n    url: ${sandbox.path("nothing")}\n`,
    });
    const env = { CAPSTAN_OFFLINE: "", http_proxy: `127.0.0.1:${port}`, https_proxy: "127.0.0.1:1" };
    try {
      const { of, code } = await examine(env);
      expect(of("proxy").map(({ level }) => level)).toEqual(["ok", "failure"]);
      expect(of("remote here")).toMatchObject([{ level: "warning" }]);
      expect(of("remote gone")).toMatchObject([{ level: "warning" }]);
      expect(code).toBe(69);
    } finally {
      server.close();
    }
  });
});
