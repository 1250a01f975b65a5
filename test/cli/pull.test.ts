import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { ForwardProxy } from "../support/forward-proxy.ts";
import { GithubServer } from "../support/github-server.ts";
import { boot, compile, lacksGuests, REPORT } from "../support/guest.ts";
import { describeUnless } from "../support/machine.ts";
import { MisbehavingServer } from "../support/misbehaving-server.ts";
import {
  assetsOf,
  DEMO_DISK,
  DEMO_KERNEL,
  type Made,
  makePackage,
  makeRepository,
  ONLINE,
  objectsOf,
  serveFolder,
} from "../support/repositories.ts";
import { S3Server } from "../support/s3-server.ts";
import { type Finished, type RunOptions, Sandbox, STACK, sha256 } from "../support/sandbox.ts";

interface Pulled {
  readonly kind: string;
  readonly name: string;
  readonly version: string | null;
  readonly remote: string;
  readonly release: string | null;
  readonly size: number;
  readonly transferred: number;
  readonly fetched: boolean;
}

const shelf = new Sandbox();
const shop = shelf.path("shop");
const packages: Made[] = [];
let server: MisbehavingServer;
let sandbox: Sandbox;

beforeAll(async () => {
  const make = async (name: string, options: Parameters<typeof makePackage>[2] = {}) => {
    packages.push(await makePackage(shelf.dir, name, options));
  };
  for (const version of ["1.0", "1.9", "2.0"]) await make("base", { version, files: { "base.txt": version } });
  await make("left", { require: ["base >=1.5 <2"], files: { left: "l" } });
  await make("right", { require: ["base"], files: { right: "r" } });
  await make("top", { require: ["left", "right"], files: { top: "t" } });
  await make("ring.a", { require: ["ring.b"] });
  await make("ring.b", { require: ["ring.a"] });
  await make("dangling", { require: ["nowhere"] });
  await make("big", { files: { big: randomBytes(3_000_000) } });
  await makeRepository(shop, packages, { loader: true });
  server = await MisbehavingServer.start();
});

beforeEach(() => {
  server.files.clear();
  server.requests.length = 0;
  serveFolder(server, shop);
  sandbox = new Sandbox();
  onTestFinished(() => sandbox.remove());
  useRemotes({ shop: server.url("/") });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  shelf.remove();
});

/** config.yaml of the sandbox: repositories with an index, by their names. */
function useRemotes(remotes: Readonly<Record<string, string>>): void {
  const lines = Object.entries(remotes).map(([name, url]) => `  ${name}:\n    type: index\n    url: "${url}"\n`);
  sandbox.write({ "config.yaml": `remotes:\n${lines.join("")}` }, sandbox.store);
}

const made = (name: string, version = "1.0") => {
  const found = packages.find((one) => one.name === name && one.version === version);
  if (found === undefined) throw new Error(`no ${name} ${version}`);
  return found;
};
const online = (options: RunOptions = {}): RunOptions => ({ ...options, env: { ...ONLINE, ...options.env } });
const pull = (...args: readonly string[]) => sandbox.json<Pulled[]>(["package", "pull", ...args], online());
const failing = async (...args: readonly string[]): Promise<Finished> => {
  const result = await sandbox.run(args, online());
  expect(result.stderr).not.toMatch(STACK);
  expect(result.code).not.toBe(0);
  return result;
};
const stored = (name: string) => join(sandbox.store, "packages", `${name}.mpm`);
const storedNames = () => sandbox.files("store/packages").filter((one) => !one.startsWith("."));
const versions = (pulled: readonly Pulled[]) => pulled.map(({ name, version }) => `${name} ${version}`);

/** Each package of the store is one of the shelf, whole, with its own manifest. */
function checkStore(): void {
  for (const file of storedNames().filter((one) => one.endsWith(".yaml"))) {
    const name = file.slice(0, -".yaml".length);
    const manifest = readFileSync(join(sandbox.store, "packages", file), "utf8");
    const same = packages.find((one) => one.name === name && one.manifest === manifest);
    expect(same, `${file}:\n${manifest}`).toBeDefined();
    expect(sha256(stored(name))).toBe(sha256(same?.path ?? ""));
  }
}

describe("package pull", () => {
  test.each([
    { wanted: "base", version: "2.0" },
    { wanted: "base@1.0", version: "1.0" },
    { wanted: "base@1", version: "1.9" },
    { wanted: "base >=1.5 <2", version: "1.9" },
    { wanted: "base^1", version: "1.9" },
  ])("$wanted brings $version", async ({ wanted, version }) => {
    const size = readFileSync(made("base", version).path).length;
    expect(await pull(wanted)).toEqual([
      {
        ...{ kind: "package", name: "base", version, remote: "shop", release: null },
        ...{ size, transferred: size, fetched: true },
      },
    ]);
    expect(storedNames()).toEqual(["base.mpm", "base.yaml"]);
    checkStore();
  });

  test("a version that is not there: what there is", async () => {
    const { code, stderr } = await failing("package", "pull", "base@3");
    expect(code).toBe(69);
    expect(stderr).toContain(`No remote has base @3: looked in shop (${server.url("/")})`);
    expect(stderr).toMatch(/versions that are there: .*2\.0/);
  });

  test("what is required comes along, a diamond's base once and in a version that both want", async () => {
    expect(versions(await pull("top"))).toEqual(["base 1.9", "left 1.0", "right 1.0", "top 1.0"]);
    checkStore();
    expect(server.of("/packages/base%401.9.mpm")).toHaveLength(1);
  });

  test("the same in the other order of who requires what", async () => {
    const { path } = await makePackage(shelf.dir, "pot", { require: ["right", "left"] });
    const other = await makeRepository(shelf.path("other"), [...packages, { ...made("top"), path }]);
    useRemotes({ other });
    expect(versions(await pull("pot"))).toContain("base 1.9");
  });

  test("a requirement that no remote meets: nothing comes into the store", async () => {
    const { stderr } = await failing("package", "pull", "base", "dangling");
    expect(stderr).toContain("No remote has nowhere");
    expect(storedNames()).toEqual([]);
  });

  test("packages in a circle are fetched; composing shows the circle", async () => {
    expect(versions(await pull("ring.a")).sort()).toEqual(["ring.a 1.0", "ring.b 1.0"]);
    const cwd = sandbox.project("app", {}, ["ring.a"]);
    const result = await sandbox.run(["package", "compose", "app", "-l", "builtin"], { cwd });
    expect(result.stderr).toContain("ring.a → ring.b → ring.a");
  });

  test("what is there already is not fetched again; what was replaced by hand is", async () => {
    await pull("base");
    server.requests.length = 0;
    expect(await pull("base")).toMatchObject([{ fetched: false, transferred: 0 }]);
    expect(server.of("/packages/base.mpm")).toEqual([]);
    await sandbox.ok(["package", "import", sandbox.project("base", { other: "x" })]);
    expect(await pull("base")).toMatchObject([{ fetched: true }]);
    checkStore();
    const mine = await makePackage(shelf.dir, "base", { version: "2.0", files: { mine: "mine" } });
    await sandbox.ok(["package", "import", mine.path]);
    expect(await pull("base")).toMatchObject([{ fetched: true }]);
    checkStore();
  });

  test("a package that unpacks to more than the limit is refused, by flag and by variable", async () => {
    for (const limits of [{ args: ["--unpack-limit", "1M"] }, { env: { CAPSTAN_UNPACK_LIMIT: "1M" } }]) {
      const { args = [], env = {} } = limits;
      const { stderr, code } = await sandbox.run(["package", "pull", "big", ...args], online({ env }));
      expect(stderr).toMatch(/1048576 are the limit\n.*--unpack-limit/);
      expect([storedNames(), code]).toEqual([[], 65]);
    }
    const bomb = await makePackage(shelf.dir, "bomb", { files: { zeros: Buffer.alloc(3_000_000) } });
    const { stderr, code } = await failing("package", "import", bomb.path, "--unpack-limit", "1M");
    expect(stderr).toMatch(/is more than 1\.0 MiB\n.*--unpack-limit/);
    expect([storedNames(), code]).toEqual([[], 65]);
    expect(versions(await pull("big", "--unpack-limit", "10M"))).toEqual(["big 1.0"]);
  });

  test("another content under the same name and version is an error until it is allowed", async () => {
    await pull("base");
    const changed = await makePackage(shelf.dir, "base", { version: "2.0", files: { "base.txt": "changed" } });
    useRemotes({ shop: await makeRepository(shelf.path("changed"), [changed]) });
    const { stderr, code } = await failing("package", "pull", "base");
    expect(code).toBe(65);
    expect(stderr).toContain("base 2.0 of shop is not what was fetched under this name and version");
    expect(stderr).toContain(`then: sha256 ${sha256(made("base", "2.0").path)}`);
    expect(stderr).toContain("--allow-changed");
    checkStore();
    expect(sandbox.files("store/cache/downloads")).toEqual([]);
    expect(await pull("base", "--allow-changed")).toMatchObject([{ fetched: true }]);
    expect(sha256(stored("base"))).toBe(sha256(changed.path));
    expect(await pull("base")).toMatchObject([{ fetched: false }]);
  });

  test("an archive that holds another package is refused", async () => {
    const objects = { ...objectsOf([made("base", "2.0")]), "packages/base.mpm": readFileSync(made("right").path) };
    await using bucket = await S3Server.start({ objects });
    const { stderr } = await failing("package", "pull", "base", "--s3", "-u", bucket.url);
    expect(stderr).toContain("The archive that was fetched as 'base' holds the package 'right'");
    expect(storedNames()).toEqual([]);
    expect(sandbox.files("store/cache/downloads")).toEqual([]);
  });

  test("a manifest of another package is refused", async () => {
    const objects = { ...objectsOf([made("base", "2.0")]), "packages/base.yaml": made("right").manifest };
    await using bucket = await S3Server.start({ objects });
    await failing("package", "pull", "base", "--s3", "-u", bucket.url);
    expect(storedNames()).toEqual([]);
  });

  test("CAPSTAN_OFFLINE: nothing is asked", async () => {
    const { code, stderr } = await sandbox.run(["package", "pull", "base"]);
    expect(code).toBe(69);
    expect(stderr).toContain("CAPSTAN_OFFLINE");
    expect(server.requests).toEqual([]);
  });

  test("all goes through a proxy of the environment", async () => {
    await using proxy = await ForwardProxy.start();
    await sandbox.ok(["package", "pull", "base"], online({ env: { http_proxy: proxy.url() } }));
    expect(proxy.seen.map(({ line }) => line)).toContain(`GET ${server.url("/packages/base.mpm")}`);
    expect(proxy.seen.length).toBe(server.requests.length);
    checkStore();
  });
});

describe("a server that misbehaves", () => {
  test("D6: a page that says 404 does not become a package", async () => {
    server.files.delete("/packages/base.mpm");
    const { code, stderr } = await failing("package", "pull", "base");
    expect(code).toBe(66);
    expect(stderr).toContain("404");
    expect(storedNames()).toEqual([]);
  });

  test("D6: nor does one that says 200", async () => {
    server.serve("/packages/base.mpm", { body: Buffer.from("<html>Please log in</html>") });
    const { stderr } = await failing("package", "pull", "base");
    expect(stderr).toContain("base.mpm");
    expect(storedNames()).toEqual([]);
  });

  test("a page of a proxy in place of all that is asked for", async () => {
    for (const file of server.files.values()) file.body = Buffer.from("<html>Please log in</html>");
    await failing("package", "pull", "base");
    expect(storedNames()).toEqual([]);
  });

  test("what is cut off is resumed", async () => {
    const big = server.files.get("/packages/big.mpm");
    if (big !== undefined) big.faults = [{ kind: "cut", after: 1_000_000 }];
    await pull("big");
    expect(server.of("/packages/big.mpm").map(({ headers }) => headers.range)).toEqual([
      undefined,
      expect.stringMatching(/^bytes=[1-9]\d*-$/),
    ]);
    checkStore();
  });

  test("what a bucket cuts short in the middle of a gzip file is no package", async () => {
    const { path } = made("big");
    const objects = { ...objectsOf([made("big")]), "packages/big.mpm": readFileSync(path).subarray(0, 1_000_000) };
    await using bucket = await S3Server.start({ objects });
    await failing("package", "pull", "big", "--s3", "-u", bucket.url);
    expect(storedNames()).toEqual([]);
    expect(sandbox.files("store/origins")).toEqual([]);
  });
});

test("killed at any point, the store is never wrong, and the next pull completes", { timeout: 60_000 }, async () => {
  const total = made("big");
  const big = server.files.get("/packages/big.mpm");
  if (big !== undefined) big.always = { kind: "drip", bytes: 200_000, everyMs: 4 };
  const answered = () => server.of("/packages/big.mpm").reduce((sum, one) => sum + one.answered, 0);
  let kills = 0;
  for (let run = 0; kills < 20; run++) {
    expect(run).toBeLessThan(100);
    // A store that is new now and then, so that first steps are hit as well as last ones.
    if (run % 3 === 0) {
      for (const folder of ["packages", "origins", "cache"]) {
        rmSync(join(sandbox.store, folder), { recursive: true, force: true });
      }
    }
    const enough = answered() + Math.random() * 3_000_000;
    const done = sandbox.run(["package", "pull", "top", "big"], {
      ...online(),
      onStart: async (child) => {
        if (run % 3 === 0) await setTimeout(100 + Math.random() * 100);
        else while (child.exitCode === null && answered() < enough) await setTimeout(1);
        await setTimeout(Math.random() * 15);
        child.kill("SIGKILL");
      },
    });
    if ((await done).signal !== null) kills++;
    checkStore();
  }
  await pull("top", "big");
  checkStore();
  expect(storedNames()).toEqual(
    ["base", "big", "left", "right", "top"].flatMap((name) => [`${name}.mpm`, `${name}.yaml`]),
  );
  expect(sha256(stored("big"))).toBe(sha256(total.path));
});

test("eight pulls and composes at once", { timeout: 60_000 }, async () => {
  const cwd = sandbox.project("app", { "app.txt": "x" }, ["top", "big"]);
  const args = (index: number) =>
    index % 2 === 0
      ? ["package", "pull", "top", "big"]
      : ["package", "compose", `app${index}`, "-l", "builtin", "--pull-missing", "--no-check"];
  const results = await Promise.all(Array.from({ length: 8 }, (_, index) => sandbox.run(args(index), online({ cwd }))));
  expect(results.map(({ code, stderr }) => (code === 0 ? "" : stderr))).toEqual(Array(8).fill(""));
  checkStore();
  expect(sandbox.files("store/cache/downloads")).toEqual([]);
  for (const index of [1, 3, 5, 7]) expect(existsSync(sandbox.image(`app${index}`))).toBe(true);
  expect(server.of("/packages/big.mpm").length).toBeLessThan(8);
});

describe("images", () => {
  const files = [
    { name: "osv-loader.qemu", content: readFileSync(DEMO_DISK) },
    { name: "osv-loader.elf", content: readFileSync(DEMO_KERNEL) },
  ];
  const useGithub = ({ apiUrl }: GithubServer) =>
    sandbox.write({ "config.yaml": `remotes:\n  osv:\n    type: github\n    api_url: ${apiUrl}\n` }, sandbox.store);

  test("a loader comes with its kernel", async () => {
    await using github = await GithubServer.start([{ tag: "v0.57.0", assets: files }]);
    useGithub(github);
    const size = files[0]?.content.length;
    expect(await sandbox.json(["pull", "osv-loader"], online())).toEqual({
      ...{ kind: "image", name: "osv-loader", version: null, remote: "osv", release: "v0.57.0" },
      ...{ size, transferred: size, fetched: true },
    });
    expect(sha256(sandbox.image("osv-loader"))).toBe(sha256(DEMO_DISK));
    expect(sha256(join(sandbox.store, "repository/osv-loader/osv-loader.elf"))).toBe(sha256(DEMO_KERNEL));
    expect(await sandbox.ok(["images"])).toContain("osv-loader");
    expect(sandbox.files("store/cache/downloads")).toEqual([]);
  });

  test("what is there as it came is not fetched again; what was written to is, and what is forced", async () => {
    await using github = await GithubServer.start([{ tag: "v0.57.0", assets: files }]);
    useGithub(github);
    const pullLoader = (...more: readonly string[]) => sandbox.json(["pull", "osv-loader", ...more], online());
    await pullLoader();
    github.asked.length = 0;
    expect(await pullLoader()).toMatchObject({ fetched: false, transferred: 0, release: "v0.57.0" });
    expect(github.asked.filter(({ host }) => host === "downloads")).toEqual([]);
    expect(await pullLoader("--force")).toMatchObject({ fetched: true });
    appendFileSync(sandbox.image("osv-loader"), "more");
    expect(await pullLoader()).toMatchObject({ fetched: true });
    rmSync(join(sandbox.store, "repository/osv-loader/osv-loader.elf"));
    expect(await pullLoader()).toMatchObject({ fetched: true });
    expect(sha256(sandbox.image("osv-loader"))).toBe(sha256(DEMO_DISK));
    expect(sha256(join(sandbox.store, "repository/osv-loader/osv-loader.elf"))).toBe(sha256(DEMO_KERNEL));
  });

  test("OSv's ZFS builder is a kernel alone, and lies where the original puts it", async () => {
    const content = gzipSync(readFileSync(DEMO_KERNEL));
    const assets = [{ name: "osv-zfs-builder.elf.x86_64.gz", content }];
    await using github = await GithubServer.start([{ tag: "v0.57.0", assets }]);
    useGithub(github);
    expect(await sandbox.json(["pull", "osv-zfs-builder"], online())).toMatchObject({ transferred: content.length });
    expect(sandbox.files("store/repository/osv-zfs-builder")).toEqual(["index.yaml", "osv-zfs-builder.qemu"]);
    expect(sha256(sandbox.image("osv-zfs-builder"))).toBe(sha256(DEMO_KERNEL));
    expect(github.asked.filter(({ host }) => host === "downloads")).toHaveLength(1);
    expect(await sandbox.json(["pull", "osv-zfs-builder"], online())).toMatchObject({ fetched: false });
  });

  test("an image that unpacks to more than the limit is none", async () => {
    const assets = [{ name: "osv-loader.qemu.x86_64.gz", content: gzipSync(Buffer.alloc(3_000_000)) }];
    await using github = await GithubServer.start([{ tag: "v1", assets }]);
    useGithub(github);
    const { stderr, code } = await failing("pull", "osv-loader", "--unpack-limit", "2M");
    expect([stderr.includes("more than the 2097152 bytes that are the limit"), code]).toEqual([true, 65]);
    const usage = await failing("pull", "osv-loader", "--unpack-limit", "much");
    expect([usage.stderr.includes("--unpack-limit 'much' is not a size"), usage.code]).toEqual([true, 64]);
  });

  test("D23: a remote that has mike/osv-loader alone has the loader that is missing", async () => {
    const objects = { "mike/osv-loader/osv-loader.qemu.gz": gzipSync(readFileSync(DEMO_DISK)) };
    await using bucket = await S3Server.start({ objects });
    sandbox.write({ "config.yaml": `remotes:\n  old:\n    type: s3\n    url: ${bucket.url}\n` }, sandbox.store);
    const cwd = sandbox.project("app", { x: "x" });
    expect(await sandbox.json(["package", "compose", "app", "--no-check"], online({ cwd }))).toMatchObject({
      loader: "mike/osv-loader",
    });
    expect(sha256(sandbox.image("mike/osv-loader"))).toBe(sha256(DEMO_DISK));
  });

  test("D23: a loader in the original's bucket, packed, with a namespace", async () => {
    const objects = {
      "mike/osv-loader/index.yaml": 'format_version: "1"\nversion: c601abb\ncreated: 2017-07-12 10:11\n',
      "mike/osv-loader/osv-loader.qemu.gz": gzipSync(readFileSync(DEMO_DISK)),
    };
    await using bucket = await S3Server.start({ objects });
    await sandbox.ok(["pull", "mike/osv-loader", "-u", bucket.url.slice(0, -1)], online());
    const cwd = sandbox.project("app", { x: "x" });
    // It stands for osv-loader, so that nothing is fetched.
    expect(await sandbox.json(["package", "compose", "app", "--no-check"], { cwd })).toMatchObject({
      loader: "mike/osv-loader",
    });
    expect(sha256(sandbox.image("mike/osv-loader"))).toBe(sha256(DEMO_DISK));
  });

  test("a page in place of a loader is refused", async () => {
    const content = "<html>Not here</html>".repeat(100);
    await using github = await GithubServer.start([{ tag: "v1", assets: [{ name: "osv-loader.qemu", content }] }]);
    useGithub(github);
    const { stderr } = await failing("pull", "osv-loader");
    expect(stderr).toContain("not a bootable disk");
    expect(sandbox.files("store/repository").filter((one) => !one.endsWith("/"))).toEqual([]);
  });

  test("no loader, and nobody has one: that comes first, and then why", async () => {
    await using github = await GithubServer.start([]);
    useGithub(github);
    sandbox.write({ "root/x": "x" });
    const { code, stderr } = await failing("compose", "image", "root", "-c", "/x");
    expect(code).toBe(66);
    expect(stderr).toMatch(/There is no loader 'osv-loader' in the local store\./);
    expect(stderr).toContain("and it could not be fetched: No remote has osv-loader");
  });

  test("a slip in a loader's name asks nobody", async () => {
    sandbox.write({ "root/x": "x" });
    await failing("compose", "image", "root", "-c", "/x", "-l", "my-loader");
    expect(server.requests).toEqual([]);
  });

  describeUnless(lacksGuests("gcc"))("boot", () => {
    test("a loader that is missing is fetched, with what is required, and the image boots", async () => {
      const cwd = sandbox.project("app", { "meta/run.yaml": BOOTS_REPORT }, ["top"]);
      compile(join(cwd, "report"), REPORT, ["-static"]);
      await sandbox.ok(["package", "compose", "app", "--pull-missing"], online({ cwd }));
      expect(storedNames()).toHaveLength(8);
      const { stdout, code } = await boot(sandbox, ["app"]);
      expect(stdout).toContain("argument: [of a test]");
      expect(code).toBe(0);
    });

    test("run of a program fetches the loader", async () => {
      const program = compile(sandbox.path("report"), REPORT, ["-static"]);
      const { stdout } = await boot(sandbox, [program, "now"], online());
      expect(stdout).toContain("argument: [now]");
      expect(existsSync(sandbox.image("osv-loader"))).toBe(true);
    });
  });
});

const BOOTS_REPORT = `runtime: native
config_set:
  default:
    bootcmd: /report "of a test"
config_set_default: default
`;

describe("--pull-missing", () => {
  const flags = ["-l", "builtin", "--no-check"];

  test("without it, the package that is missing is named", async () => {
    const cwd = sandbox.project("app", {}, ["top"]);
    const { stderr } = await sandbox.run(["package", "compose", "app", ...flags], online({ cwd }));
    expect(stderr).toContain("The package 'top', which the project app requires, is not in the local store");
    expect(server.requests).toEqual([]);
  });

  test.each([
    { title: "compose", args: ["package", "compose", "app", "-p", ...flags] },
    { title: "collect", args: ["package", "collect", "--pull-missing"] },
  ])("$title fetches what is missing, and what that requires", async ({ args }) => {
    const cwd = sandbox.project("app", {}, ["top", "base"]);
    await sandbox.ok(args, online({ cwd }));
    expect(storedNames()).toEqual(["base", "left", "right", "top"].flatMap((name) => [`${name}.mpm`, `${name}.yaml`]));
    checkStore();
    server.requests.length = 0;
    await sandbox.ok(args, online({ cwd }));
    expect(server.requests.filter(({ path }) => path.startsWith("/packages/"))).toEqual([]);
  });

  test("what the store has need not be in a remote; what that lacks is fetched in a version that it takes", async () => {
    const local = await makePackage(shelf.dir, "local", { require: ["base@1.0"] });
    await sandbox.ok(["package", "import", local.path]);
    const cwd = sandbox.project("app", {}, ["local"]);
    await sandbox.ok(["package", "compose", "app", "-p", "--require", "right", ...flags], online({ cwd }));
    expect(readFileSync(stored("base").replace(".mpm", ".yaml"), "utf8")).toContain('version: "1.0"');
  });

  test("nobody can have both of two versions", async () => {
    const cwd = sandbox.project("app", {}, ["base@1.0", "left"]);
    const { stderr } = await sandbox.run(["package", "compose", "app", "-p", ...flags], online({ cwd }));
    expect(stderr).toContain("No remote has base @1.0 and >=1.5 <2");
    expect(storedNames()).toEqual([]);
  });

  test("CAPSTAN_OFFLINE with it: nothing is asked", async () => {
    const cwd = sandbox.project("app", {}, ["top"]);
    const { stderr } = await sandbox.run(["package", "compose", "app", "-p", ...flags], { cwd });
    expect(stderr).toContain("CAPSTAN_OFFLINE is set");
    expect(server.requests).toEqual([]);
  });
});

describe("update", () => {
  beforeEach(async () => {
    await sandbox.ok(["package", "pull", "base@1.0", "right"], online());
    await sandbox.ok(["package", "import", sandbox.project("mine")]);
  });

  test("outdated shows what there is newer", async () => {
    expect(await sandbox.ok(["package", "outdated"], online())).toBe("NAME HERE THERE FROM\nbase 1.0  2.0   shop\n");
    expect(await sandbox.ok(["package", "outdated", "right"], online())).toBe("All is up to date.\n");
  });

  test("an update goes as far as the packages of the store take it", async () => {
    await sandbox.ok(["package", "import", sandbox.project("careful", {}, ["base <2"])]);
    const { stderr } = await sandbox.run(["package", "update"], online());
    expect(stderr).toContain("base 2.0 is not taken: careful of the store requires another version");
    expect(sha256(stored("base"))).toBe(sha256(made("base", "1.9").path));
    expect(await sandbox.json(["package", "outdated"], online())).toEqual([]);
    expect(await sandbox.json(["package", "update", "--dry-run"], online())).toMatchObject({
      packages: [{ name: "base", state: "current", held: { version: "2.0", by: ["careful"] } }, {}, {}, {}],
    });
    await sandbox.ok(["package", "import", sandbox.project("stubborn", {}, ["base =1.9"])]);
    expect(await sandbox.ok(["package", "update"], online())).toContain("Updated 0 packages (out of 5");
  });

  test("a demand of a package that is updated itself is that of its newer version", async () => {
    const old = await makePackage(shelf.dir, "right", { version: "0.9", require: ["base <2"] });
    await sandbox.ok(["package", "import", old.path]);
    expect(versions((await sandbox.json<{ pulled: Pulled[] }>(["package", "update"], online())).pulled).sort()).toEqual(
      ["base 2.0", "right 1.0"],
    );
  });

  test("D23: update fetches it, and passes over what is in the store alone", async () => {
    const dry = await sandbox.ok(["package", "update", "--dry-run"], online());
    expect(dry).toBe("base: 1.0 -> 2.0 of shop\nWould update 1 packages (out of 3 that were found locally)\n");
    const { stdout, stderr } = await sandbox.run(["package", "update", "-v"], online());
    expect(stdout).toBe("Updated 1 packages (out of 3 that were found locally)\n");
    expect(stderr).toContain("mine: only in this store");
    expect(sha256(stored("base"))).toBe(sha256(made("base", "2.0").path));
    expect(await sandbox.ok(["package", "update"], online())).toBe(
      "Updated 0 packages (out of 3 that were found locally)\n",
    );
  });

  test("--created goes by the time as well", async () => {
    const later = await makePackage(shelf.dir, "right", { created: "2026-01-02 03:04", require: ["base"] });
    useRemotes({ shop: await makeRepository(shelf.path("later"), [later, made("base")]) });
    expect(await sandbox.ok(["package", "outdated"], online())).toBe("All is up to date.\n");
    expect(await sandbox.ok(["package", "outdated", "--created", "right"], online())).toContain("right");
  });
});

describe("releases", () => {
  const release = (index: number, ...of: readonly Made[]) => ({ tag: `v0.${index}.0`, assets: of.flatMap(assetsOf) });

  test("D7: packages of releases far behind are found, in few requests, and with the token's own limit", async () => {
    const releases = Array.from({ length: 45 }, (_, index) =>
      release(99 - index, ...(index === 44 ? [made("base")] : [])),
    );
    await using github = await GithubServer.start(releases);
    github.pageLimit = 10;
    github.token = "secret";
    const env = { GITHUB_TOKEN: "secret" };
    sandbox.write(
      { "config.yaml": `remotes:\n  osv:\n    type: github\n    api_url: ${github.apiUrl}\n` },
      sandbox.store,
    );
    expect(await sandbox.json(["package", "search"], online({ env }))).toMatchObject([
      { name: "base", version: "1.0", release: "v0.55.0" },
    ]);
    const asked = github.asked.length;
    expect(asked).toBeLessThan(10);
    await sandbox.ok(["package", "pull", "base"], online({ env }));
    checkStore();
    // What has not changed is not sent again.
    expect(
      github.asked.slice(asked).filter(({ host, status }) => host === "api" && status === 200).length,
    ).toBeLessThan(3);
    expect(github.asked.every(({ host, headers }) => host === "api" || headers.authorization === undefined)).toBe(true);
  });

  test("packages of different releases are never mixed silently", async () => {
    const { path, manifest } = await makePackage(shelf.dir, "osv.new", { require: ["base"] });
    const fresh = { name: "osv.new", version: "1.0", path, manifest };
    await using github = await GithubServer.start([release(57, fresh), release(51, made("base"))]);
    sandbox.write(
      { "config.yaml": `remotes:\n  osv:\n    type: github\n    api_url: ${github.apiUrl}\n` },
      sandbox.store,
    );
    const { stderr, code } = await sandbox.run(["package", "pull", "osv.new"], online());
    expect(stderr).toContain("These come from different releases of OSv: base of v0.51.0; osv.new of v0.57.0");
    expect(code).toBe(0);
    rmSync(stored("base"));
    const strict = await failing("package", "pull", "osv.new", "-r", "latest");
    expect(strict.stderr).toContain("No remote has base");
  });
});
