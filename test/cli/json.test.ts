import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commands } from "../../src/cli/table.ts";
import { RUNTIMES } from "../../src/project/runtimes/index.ts";
import { lacksProgram } from "../support/machine.ts";
import { repository, Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const project = sandbox.project("greeter", {
  "hello.txt": "hello\n",
  "meta/run.yaml": "runtime: native\nconfig_set:\n  default:\n    bootcmd: /x\n    env:\n      A: b\n",
});
const builtin = `${repository}/guest/prebuilt/osv-demo-loader.img`;

beforeAll(async () => {
  sandbox.write({ "root/dir/file": "12345" });
  sandbox.write({ "built/tool": readFileSync(`${repository}/examples/hello/hello-static`) });
  sandbox.executable(sandbox.path("built/tool"));
  sandbox.write({ "local/tool": readFileSync(`${repository}/examples/hello/hello-static`) });
  sandbox.project("tools", {
    "meta/run.yaml": "runtime: native\nconfig_set:\n  default:\n    bootcmd: /tool\n",
  });
  await sandbox.ok(["volume", "create", "old"], { cwd: project });
  await sandbox.ok(["compose", "ready", "root", "-l", "builtin", "-c", "/x y"]);
  sandbox.write({ "changed/dir/file": "1234567" });
  await sandbox.ok(["compose", "other", "changed", "-l", "builtin", "-c", "/x", "--no-check"]);
});

afterAll(() => sandbox.remove());

interface Session {
  readonly args: readonly string[];
  readonly cwd?: string;
  /** Said without --json on stdout. */
  readonly answers: boolean;
  readonly value: unknown;
  /** 0 */
  readonly code?: number;
}

const any = expect.anything();
const inStore = (path: string) => sandbox.path("store", path);
const composed = {
  virtualSize: expect.any(Number),
  loader: "builtin",
  composed: true,
  findings: [],
  reused: 0,
} as const;

const emptyVolume = {
  ...{ name: "data", path: sandbox.path("greeter/volumes/data"), format: "raw", size: 1 << 20, used: 0 },
  ...{ content: "empty", instances: [], problem: null },
} as const;

/** In this order: later ones see what earlier ones made. */
const sessions: Readonly<Record<string, Session>> = {
  "volume create": {
    args: ["volume", "create", "data", "-s", "1M"],
    cwd: "greeter",
    answers: false,
    value: { name: "data", path: sandbox.path("greeter/volumes/data"), format: "raw", size: 1 << 20, fs: null },
  },
  "volume delete": {
    args: ["volume", "delete", "old"],
    cwd: "greeter",
    answers: false,
    value: { deleted: ["old"] },
  },
  "volume list": {
    args: ["volume", "list"],
    cwd: "greeter",
    answers: true,
    value: [{ ...emptyVolume }],
  },
  "volume inspect": {
    args: ["volume", "inspect", "data"],
    cwd: "greeter",
    answers: true,
    value: { ...emptyVolume },
  },
  doctor: {
    args: ["doctor"],
    answers: true,
    value: { verdict: any, findings: expect.arrayContaining([{ check: "proxy", level: "ok", text: any, cure: null }]) },
  },
  init: {
    args: ["init", "--kind", "elf", "--base", "builtin"],
    cwd: "built",
    answers: false,
    value: { kind: "elf", written: [sandbox.path("built/Capstanfile")] },
  },
  build: {
    args: ["build", "--no-check"],
    cwd: "built",
    answers: false,
    value: {
      ...{ name: "built", path: inStore("repository/built/built.qemu"), base: "builtin", commandLine: "/tool" },
      ...{ virtualSize: expect.any(Number), files: 3, added: 1, composed: true, findings: [] },
    },
  },
  "package init": {
    args: ["package", "init", "new", "-n", "new", "-t", "New", "-a", "me", "-v", "1.0"],
    answers: false,
    value: { written: [sandbox.path("new/meta/package.yaml")] },
  },
  "runtime init": {
    args: ["runtime", "init", "-r", "node"],
    cwd: "new",
    answers: false,
    value: { written: [sandbox.path("new/meta/run.yaml")] },
  },
  "runtime list": {
    args: ["runtime", "list"],
    answers: true,
    value: RUNTIMES.map(({ name, title, dependencies }) => ({ name, title, dependencies })),
  },
  "runtime preview": {
    args: ["runtime", "preview", "--runtime", "java"],
    answers: true,
    value: { runtime: "java", text: expect.stringContaining("runtime: java\n") },
  },
  "package build": {
    args: ["package", "build", "greeter"],
    answers: false,
    value: { name: "greeter", path: sandbox.path("greeter/greeter.mpm") },
  },
  "package import": {
    args: ["package", "import", "greeter"],
    answers: false,
    value: [{ name: "greeter", path: inStore("packages/greeter.mpm") }],
  },
  "package list": {
    args: ["package", "list"],
    answers: true,
    value: [
      {
        name: "greeter",
        title: "greeter of a test",
        author: "tests",
        version: "1.0",
        created: null,
        platform: null,
        require: [],
        path: inStore("packages/greeter.mpm"),
        problem: null,
      },
    ],
  },
  "package describe": {
    args: ["package", "describe", "greeter", "--content"],
    answers: true,
    value: {
      name: "greeter",
      title: "greeter of a test",
      author: "tests",
      version: "1.0",
      created: null,
      platform: null,
      require: [],
      path: inStore("packages/greeter.mpm"),
      runtime: "native",
      sets: [{ name: "default", isDefault: true, command: "/x", values: { A: ["b"] } }],
      readme: null,
      content: [{ path: "/hello.txt", type: "file", mode: 0o644, mtime: 0, size: 6 }],
    },
  },
  "package collect": {
    args: ["package", "collect"],
    cwd: "greeter",
    answers: false,
    value: {
      folder: sandbox.path("greeter/mpm-pkg"),
      packages: [],
      files: expect.any(Number),
      links: expect.any(Number),
      directories: expect.any(Number),
    },
  },
  "package compose": {
    args: ["package", "compose", "greeter", "-l", "builtin", "--no-check"],
    cwd: "greeter",
    answers: false,
    value: {
      ...composed,
      name: "greeter",
      path: inStore("repository/greeter/greeter.qemu"),
      commandLine: "runscript /run/default;",
      files: 4,
    },
  },
  compose: {
    args: ["compose", "plain", "root", "-l", "builtin", "-c", "/x", "--no-check"],
    answers: false,
    value: {
      ...composed,
      name: "plain",
      path: inStore("repository/plain/plain.qemu"),
      commandLine: "/x",
      files: 1,
    },
  },
  check: {
    args: ["check", "ready"],
    answers: true,
    value: {
      kind: "image",
      path: inStore("repository/ready/ready.qemu"),
      loader: "ready",
      findings: [
        {
          code: "missing-program",
          severity: "error",
          path: "/x",
          problem: "The boot command starts /x, which is not in the image.",
          advice: any,
        },
      ],
      ...{ errors: 1, warnings: 0, notes: 0 },
    },
    code: 65,
  },
  "package add": {
    args: ["package", "add", "../local/tool", "-l", "builtin"],
    cwd: "tools",
    answers: true,
    value: {
      ...{ added: ["/tool"], changed: [], removed: [], kept: [], unchanged: 0, runConfig: null, dryRun: false },
      programs: [{ name: "tool", launch: "static", reason: any, command: "/tool", env: {}, workingDirectory: "/" }],
    },
  },
  "package refresh": {
    args: ["package", "refresh", "-l", "builtin"],
    cwd: "tools",
    answers: true,
    value: {
      ...{ added: [], changed: [], removed: [], kept: [], unchanged: 1, runConfig: null, dryRun: false },
      programs: [{ name: "tool", launch: "static", reason: any, command: "/tool", env: {}, workingDirectory: "/" }],
    },
  },
  import: {
    args: ["import", "ns/loader", builtin, "-v", "0.10", "-d", "a loader", "-b", "make", "-c", "2026-01-02"],
    answers: false,
    value: { name: "ns/loader", path: inStore("repository/ns/loader/loader.qemu"), format: "raw" },
  },
  images: {
    args: ["images"],
    answers: true,
    value: expect.arrayContaining([
      {
        name: "ns/loader",
        path: inStore("repository/ns/loader/loader.qemu"),
        kind: "qemu",
        size: expect.any(Number),
        meta: { version: "0.10", created: "2026-01-02", description: "a loader", build: "make" },
      },
      { name: "ready", path: any, kind: "qemu", size: any, meta: any },
    ]),
  },
  "image inspect": {
    args: ["image", "inspect", "ready"],
    answers: true,
    value: {
      path: inStore("repository/ready/ready.qemu"),
      format: "qcow2",
      virtualSize: expect.any(Number),
      storedSize: expect.any(Number),
      commandLine: "/x y",
      loader: { kernel: "demo", version: "1.0", payloadSize: expect.any(Number) },
      partitions: [{ number: 2, type: 0x83, start: 2 * 1024 * 1024, size: expect.any(Number) }],
      root: {
        filesystem: "rofs",
        size: expect.any(Number),
        files: 1,
        links: 0,
        directories: 1,
        contentSize: 5,
        pool: null,
      },
      problems: [],
    },
  },
  "image ls": {
    args: ["image", "ls", "ready", "-R"],
    answers: true,
    value: [
      { path: "dir", type: "directory" },
      { path: "dir/file", type: "file", size: 5 },
    ],
  },
  "image tree": {
    args: ["image", "tree", "ready"],
    answers: true,
    value: {
      name: "/",
      type: "directory",
      children: [{ name: "dir", type: "directory", children: [{ name: "file", type: "file", size: 5 }] }],
    },
  },
  "image cat": {
    args: ["image", "cat", "ready", "/dir/file"],
    answers: true,
    value: { path: "/dir/file", size: 5, encoding: "base64", content: Buffer.from("12345").toString("base64") },
  },
  "image cp": {
    args: ["image", "cp", "ready", "/dir", "copy"],
    answers: false,
    value: { path: "/dir", target: sandbox.path("copy"), files: 1, links: 0, directories: 0 },
  },
  instances: { args: ["instances"], answers: true, value: [] },
  prune: { args: ["prune"], answers: true, value: { removed: [], tidied: [] } },
  "config print": {
    args: ["config", "print"],
    answers: true,
    value: {
      settings: expect.objectContaining({
        CAPSTAN_ROOT: { value: sandbox.store, from: "environment" },
        CAPSTAN_QEMU_PATH: { value: null, from: "default" },
      }),
      capstanignore: ["/meta/*", "/mpm-pkg", "/.git", "/.capstanignore", "/.gitignore", "/volumes", "/capstan.lock"],
    },
  },
  completion: {
    args: ["completion", "bash"],
    answers: true,
    value: { shell: "bash", script: expect.stringContaining("complete ") },
  },
  "repo init": {
    args: ["repo", "init", "site"],
    answers: false,
    value: { dir: sandbox.path("site"), created: true },
  },
  "repo add": {
    args: ["repo", "add", "site", "greeter/greeter.mpm", builtin],
    answers: false,
    value: {
      added: [
        { kind: "package", name: "greeter", version: "1.0", path: "packages/greeter.mpm", changed: true },
        { kind: "image", name: "osv-demo-loader", version: null, path: any, changed: true },
      ],
      index: expect.objectContaining({ path: sandbox.path("site/index.json"), packages: 1, images: 1, problems: [] }),
    },
  },
  "repo index": {
    args: ["repo", "index", "site"],
    answers: false,
    value: expect.objectContaining({ packages: 1, images: 1, changed: false, signature: "none", pages: 0 }),
  },
  "repo sign": {
    args: ["repo", "sign", "site", "--new-key", "secret.pem"],
    answers: false,
    value: {
      path: sandbox.path("site/index.json.sig"),
      publicKey: expect.stringMatching(/^ed25519:/),
      keyId: expect.any(String),
    },
  },
  "repo check": {
    args: ["repo", "check", "site"],
    answers: true,
    value: { packages: 1, images: 1, findings: [] },
  },
  "repo publish": {
    args: ["repo", "publish", "site", "published"],
    answers: false,
    value: expect.objectContaining({ target: expect.stringContaining("published"), unchanged: 0 }),
  },
  "repo mirror": {
    args: ["repo", "mirror", "./published", "mirrored"],
    answers: false,
    value: expect.objectContaining({ fetched: [any, any], unchanged: 0, failed: [] }),
  },
  "remote add": {
    args: ["remote", "add", "own", "site"],
    answers: false,
    value: { kind: "index", name: "own", url: sandbox.path("site"), keys: [] },
  },
  "remote list": {
    args: ["remote", "list"],
    answers: true,
    value: expect.arrayContaining([{ kind: "index", name: "own", url: sandbox.path("site"), keys: [] }]),
  },
  "remote test": {
    args: ["remote", "test", "--remote", "own"],
    answers: true,
    value: [{ name: "own", address: any, packages: 1, images: 1, problem: null }],
  },
  "package search": {
    args: ["package", "search", "gre"],
    answers: true,
    value: [expect.objectContaining({ name: "greeter", remote: "own", release: null, version: "1.0", require: [] })],
  },
  "package pull": {
    args: ["package", "pull", "greeter"],
    answers: false,
    value: [
      expect.objectContaining({ kind: "package", name: "greeter", version: "1.0", remote: "own", release: null }),
    ],
  },
  "package outdated": {
    args: ["package", "outdated"],
    answers: true,
    value: [],
  },
  "package update": {
    args: ["package", "update", "--dry-run"],
    answers: true,
    value: { packages: any, pulled: [], dryRun: true },
  },
  search: {
    args: ["search"],
    answers: true,
    value: [expect.objectContaining({ name: "osv-demo-loader", remote: "own" })],
  },
  pull: {
    args: ["pull", "osv-demo-loader"],
    answers: false,
    value: expect.objectContaining({ kind: "image", name: "osv-demo-loader", fetched: true }),
  },
  "package lock": {
    args: ["package", "lock", "-l", "builtin"],
    cwd: "greeter",
    answers: false,
    value: { loader: { name: "builtin", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }, packages: [] },
  },
  "package verify": {
    args: ["package", "verify", "-l", "builtin"],
    cwd: "greeter",
    answers: true,
    value: { same: true, differences: [] },
  },
  "remote remove": {
    args: ["remote", "remove", "osv"],
    answers: false,
    value: { name: "osv" },
  },
  info: {
    args: ["info", "./store/repository/ready/ready.qemu"],
    answers: true,
    value: {
      ...{ kind: "QCOW2", path: inStore("repository/ready/ready.qemu"), format: "qcow2", commandLine: "/x y" },
      ...{ virtualSize: expect.any(Number), storedSize: expect.any(Number), problems: [] },
      // Without the ELF beside it, too, the kernel is known.
      loader: { kernel: "demo", version: "1.0", payloadSize: expect.any(Number) },
      partitions: [{ number: 2, type: 0x83, start: 2 * 1024 * 1024, size: expect.any(Number) }],
      root: expect.objectContaining({ filesystem: "rofs", files: 1, contentSize: 5, pool: null }),
    },
  },
  "image du": {
    args: ["image", "du", "ready"],
    answers: true,
    value: {
      ...{ path: "/", size: 5, files: 1 },
      sources: [{ kind: "host", name: any, size: 5, files: 1 }],
      tree: {
        ...{ name: "/", path: "/", type: "directory", size: 5, files: 1 },
        children: [
          {
            ...{ name: "dir", path: "/dir", type: "directory", size: 5, files: 1 },
            children: [{ name: "file", path: "/dir/file", type: "file", size: 5, files: 1, children: [] }],
          },
        ],
      },
    },
  },
  "image sbom": {
    args: ["image", "sbom", "ready"],
    // Its text is JSON without the flag, too.
    answers: false,
    value: expect.objectContaining({
      spdxVersion: "SPDX-2.3",
      packages: [expect.objectContaining({ name: "ready" }), expect.objectContaining({ versionInfo: "1.0" })],
      files: [expect.objectContaining({ fileName: "./dir/file" })],
    }),
  },
  "image set-cmdline": {
    args: ["image", "set-cmdline", "other", "/z"],
    answers: false,
    value: { image: "other", before: "/x", after: "/z" },
  },
  "image resize": {
    args: ["image", "resize", "other", "+1M"],
    answers: false,
    value: {
      ...{ image: "other", before: expect.any(Number), after: expect.any(Number), filesystem: null },
      reason: expect.stringContaining("a ROFS is as large as its files"),
    },
  },
  "image diff": {
    args: ["image", "diff", "ready", "other"],
    answers: true,
    value: {
      ...{ same: false, commandLine: { before: "/x y", after: "/z" }, filesystem: null, contentSize: 2 },
      virtualSize: { before: expect.any(Number), after: expect.any(Number) },
      storedSize: { before: expect.any(Number), after: expect.any(Number) },
      files: [{ path: "/dir/file", change: "changed", type: "file", before: 5, after: 7, what: "content" }],
    },
  },
  "image export": {
    args: ["image", "export", "ready", "-O", "vdi"],
    answers: false,
    value: {
      ...{ image: "ready", path: sandbox.path("ready.vdi"), format: "vdi" },
      ...{ virtualSize: expect.any(Number), size: expect.any(Number), used: expect.any(Number) },
    },
  },
  rmi: { args: ["rmi", "plain", "ns/loader"], answers: false, value: { removed: ["plain", "ns/loader"] } },
};

const ofInstances = ["inspect", "start", "restart", "kill", "pause", "resume", "wait"];
const ofGuests = ["info", "env", "ls", "cp", "top"].map((what) => `guest ${what}`);
/** Told by tests of their own: below, in instances.test.ts, services.test.ts and guest.test.ts, and in test/e2e. */
const ELSEWHERE = [
  ...["run", "stop", "delete", "logs", "attach", "help", "repo serve", "up", "down", "package compose-remote"],
  ...ofInstances,
  ...ofGuests,
];

test("no command is left out", () => {
  const shown = commands.filter(({ hidden }) => hidden !== true).map(({ name }) => name);
  expect([...Object.keys(sessions), ...ELSEWHERE].sort()).toEqual(shown.sort());
});

test.each(Object.entries(sessions))(
  "$ capstan %s --json",
  async (_, { args, cwd = ".", value, code: expectedCode = 0 }) => {
    const { stdout, stderr, code } = await sandbox.run([...args, "--json", "-q"], { cwd: sandbox.path(cwd) });
    expect(stderr).toBe("");
    expect(code).toBe(expectedCode);
    expect(JSON.parse(stdout)).toEqual(value);
    expect(stdout.endsWith("\n")).toBe(true);
  },
);

test.each(Object.entries(sessions).filter(([, { answers }]) => answers))(
  "$ capstan %s: without --json, the answer is text on stdout",
  async (_, { args, cwd = ".", code: expectedCode = 0 }) => {
    const { stdout, code } = await sandbox.run(args, { cwd: sandbox.path(cwd) });
    expect(code).toBe(expectedCode);
    expect(stdout).not.toBe("");
    expect(stdout).not.toMatch(/^[[{]/);
  },
);

test.each([
  ["package import", ["package", "import", project], "Imported greeter"],
  ["compose", ["compose", "plain", "root", "-l", "builtin", "-c", "/x", "--no-check"], "Composed plain: 1 file,"],
  ["rmi", ["rmi", "plain"], "Removed plain"],
])("$ capstan %s: what only does something says so on stderr, and nothing with -q", async (_, args, said) => {
  const { stdout, stderr } = await sandbox.run(args);
  expect(stdout).toBe("");
  expect(stderr).toContain(said);
  if (args[0] === "rmi") return;
  expect(await sandbox.run([...args, "-q"])).toMatchObject({ code: 0, stdout: "", stderr: "" });
});

test("an error leaves stdout empty; with --json, stdout is the error", async () => {
  expect(await sandbox.run(["image", "ls", "nope"])).toMatchObject({ code: 66, stdout: "" });
  const { code, stdout, stderr } = await sandbox.run(["image", "ls", "nope", "--json"]);
  expect(code).toBe(66);
  expect(stderr).toContain("There is no image 'nope'");
  const { error } = JSON.parse(stdout) as { error: Record<string, unknown> };
  expect(error).toEqual({
    code: "no-such-image",
    message: "There is no image 'nope' in the local store",
    hint: expect.stringContaining("capstan import"),
    details: [],
    exitCode: 66,
  });
});

test("a mistake on the command line is JSON, too; after -- the word is no flag", async () => {
  const { code, stdout } = await sandbox.run(["images", "--nope", "--json"]);
  expect(code).toBe(64);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: "usage", exitCode: 64 } });
  expect(await sandbox.run(["rmi", "--", "--json"])).toMatchObject({ code: 64, stdout: "" });
});

const lacksQemu = lacksProgram("qemu-system-x86_64");
test.skipIf(lacksQemu !== undefined)("$ capstan run --dry-run --json", async () => {
  const value = await sandbox.json<{ argv: string[] }>(["run", "ready", "--dry-run", "-f", "8080"]);
  expect(value).toEqual({ name: "ready", argv: expect.any(Array), command: expect.any(String) });
  expect(value.argv.join(" ")).toContain("hostfwd=tcp::8080-:8080");
  expect(existsSync(sandbox.path("store/instances/qemu/ready"))).toBe(false);
});

test("$ capstan delete --json: a broken instance", async () => {
  sandbox.write({ "store/instances/qemu/old/osv.config": "{" });
  writeFileSync(sandbox.path("store/instances/qemu/old/disk.qcow2"), "");
  const [old] = await sandbox.json<{ name: string; status: string; reason: string }[]>(["instances"]);
  expect(old).toMatchObject({ name: "old", status: "broken", reason: expect.any(String) });
  expect(await sandbox.json(["stop", "old"])).toEqual({ name: "old", how: "not-running" });
  expect(await sandbox.json(["delete", "old"])).toEqual({ deleted: "old" });
  expect(await sandbox.json(["instances"])).toEqual([]);
});
