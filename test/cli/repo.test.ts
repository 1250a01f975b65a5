import type { ChildProcess } from "node:child_process";
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { DEMO_DISK, DEMO_KERNEL, type Made, makePackage, makeRepository, ONLINE } from "../support/repositories.ts";
import { Sandbox, STACK, sha256 } from "../support/sandbox.ts";

const shelf = new Sandbox();
let base: Made;
let older: Made;
let top: Made;
/** A repository of the three, and of osv-loader; not to be changed. */
let shop = "";
let sandbox: Sandbox;

beforeAll(async () => {
  base = await makePackage(shelf.dir, "osv.base", { version: "2.0", files: { "meta/README.md": "# Base of all\n" } });
  older = await makePackage(shelf.dir, "osv.base", { version: "1.0" });
  top = await makePackage(shelf.dir, "osv.top", { require: ["osv.base"] });
  shop = await makeRepository(shelf.path("shop"), [older, base, top], { loader: true });
});

beforeEach(() => {
  sandbox = new Sandbox();
  onTestFinished(() => sandbox.remove());
});

afterAll(() => shelf.remove());

const online = { env: ONLINE };
const repo = (...args: readonly string[]) => sandbox.ok(["repo", ...args], online);
const failing = async (...args: readonly string[]) => {
  const result = await sandbox.run(args, online);
  expect(result.stderr).not.toMatch(STACK);
  expect(result.code).not.toBe(0);
  return result;
};
const useRemote = (text: string) => sandbox.write({ "config.yaml": `remotes:\n  shop:\n${text}` }, sandbox.store);
const stored = (name: string) => sandbox.path("store/packages", `${name}.mpm`);

/** Pulls everything, and looks at what came. */
async function pullAll(flags: readonly string[] = []): Promise<void> {
  await sandbox.ok(["package", "pull", "osv.top", ...flags], online);
  expect(sha256(stored("osv.base"))).toBe(sha256(base.path));
  expect(sha256(stored("osv.top"))).toBe(sha256(top.path));
  await sandbox.ok(["pull", "osv-loader", ...flags], online);
  expect(sha256(sandbox.image("osv-loader"))).toBe(sha256(DEMO_DISK));
}

test("a repository is made, filled, checked and pulled from", async () => {
  await repo("init", "site");
  await repo("add", "site", top.path, base.path, older.path);
  await repo("add", "site", DEMO_DISK, "--name", "osv-loader", "--kernel", DEMO_KERNEL);
  const index = JSON.parse(readFileSync(sandbox.path("site/index.json"), "utf8"));
  expect(index.packages.map((one: Made) => `${one.name} ${one.version}`).sort()).toEqual([
    "osv.base 1.0",
    "osv.base 2.0",
    "osv.top 1.0",
  ]);
  expect(await repo("check", "site")).toBe("3 packages and 1 image: 0 errors, 0 warnings\n");
  await sandbox.ok(["remote", "add", "site", "site"]);
  await pullAll(["--remote", "site"]);
  expect(sha256(sandbox.path("store/repository/osv-loader/osv-loader.elf"))).toBe(sha256(DEMO_KERNEL));
});

describe("repo add", () => {
  test("twice is once; another content under the same name and version needs --replace", async () => {
    await repo("init", "site");
    await repo("add", "site", base.path);
    const again = await sandbox.run(["repo", "add", "site", base.path]);
    expect(again.stderr).toContain("osv.base 2.0 is there already");
    const other = await makePackage(shelf.dir, "osv.base", { version: "2.0", files: { x: "x" } });
    const { stderr, code } = await failing("repo", "add", "site", other.path);
    expect(stderr).toContain("--replace");
    expect(code).toBe(73);
    expect(sha256(sandbox.path("site/packages/osv.base.mpm"))).toBe(sha256(base.path));
    await repo("add", "site", other.path, "--replace");
    expect(sha256(sandbox.path("site/packages/osv.base.mpm"))).toBe(sha256(other.path));
  });

  test.each([
    { title: "no repository", args: ["nowhere", "x.mpm"], code: 66 },
    { title: "no package", args: ["site", "bad.mpm"], code: 65 },
    { title: "no file", args: ["site", "gone.mpm"], code: 66 },
    { title: "a name for two", args: ["site", "a.img", "b.img", "--name", "x"], code: 64 },
  ])("$title", async ({ args, code }) => {
    await repo("init", "site");
    sandbox.write({ "bad.mpm": "no gzip file" });
    const before = sandbox.files("site");
    expect((await failing("repo", "add", ...args)).code).toBe(code);
    expect(sandbox.files("site")).toEqual(before);
  });
});

describe("repo index", () => {
  test("makes a repository of a folder in the original's layout", async () => {
    sandbox.write({
      "site/packages/osv.base.mpm": readFileSync(base.path),
      "site/packages/osv.base.yaml": base.manifest,
      "site/mike/osv-loader/osv-loader.qemu": readFileSync(DEMO_DISK),
      "site/mike/osv-loader/index.yaml": "description: OSv Bootloader\nversion: c601abb\n",
    });
    await repo("index", "site");
    useRemote(`    type: index\n    url: ${sandbox.path("site")}\n`);
    expect(await sandbox.json(["package", "search"], online)).toMatchObject([{ name: "osv.base", version: "2.0" }]);
    expect(await sandbox.json(["search"], online)).toMatchObject([{ name: "mike/osv-loader", version: "c601abb" }]);
    expect((await sandbox.run(["repo", "index", "site"])).stderr).toContain("is up to date");
  });

  test("--html writes pages that can be read as they are", async () => {
    await sandbox.shell(`cp -r '${shop}' site`);
    const { pages } = await sandbox.json<{ pages: number }>([
      "repo",
      "index",
      "site",
      "--html",
      "--title",
      "Our <shop>",
    ]);
    const page = readFileSync(sandbox.path("site/index.html"), "utf8");
    expect(page).toContain("Our &lt;shop&gt;");
    expect(page).toContain("osv.top");
    const html = sandbox.files("site").filter((one) => one.endsWith(".html"));
    expect(pages).toBe(html.length);
    expect(html.map((one) => readFileSync(sandbox.path("site", one), "utf8")).join("")).toContain("Base of all");
    expect(await repo("check", "site")).toContain("0 errors");
  });
});

describe("repo sign", () => {
  test("a remote with that key takes what it signed, and nothing else", async () => {
    await sandbox.shell(`cp -r '${shop}' site`);
    const key = (await repo("sign", "site", "--new-key", "secret.pem")).trim();
    expect(key).toMatch(/^ed25519:/);
    const { stdout } = await sandbox.shell("stat -c %a secret.pem");
    expect(stdout.trim()).toBe("600");
    expect(await repo("check", "site", "--public-key", key)).toContain("0 errors");
    await sandbox.ok(["remote", "add", "site", "site", "--key", key]);
    await sandbox.ok(["package", "pull", "osv.base", "--remote", "site"], online);

    const another = await makeRepository(sandbox.path("another"), [older]);
    const otherKey = (await repo("sign", another, "--new-key", "other.pem")).trim();
    await sandbox.ok(["remote", "add", "another", another, "--key", key]);
    const wrong = await failing("package", "pull", "osv.base", "--remote", "another");
    expect(wrong.stderr).toMatch(/sign/);
    expect(otherKey).not.toBe(key);
    expect(sha256(stored("osv.base"))).toBe(sha256(base.path));
  });

  test("what was changed afterwards, or never signed, is refused", async () => {
    await sandbox.shell(`cp -r '${shop}' site`);
    const key = (await repo("sign", "site", "--new-key", "secret.pem")).trim();
    await sandbox.ok(["remote", "add", "site", "site", "--key", key]);
    const path = sandbox.path("site/index.json");
    writeFileSync(path, readFileSync(path, "utf8").replace("The osv.base", "Not osv.base"));
    expect((await failing("package", "search", "--remote", "site")).stderr).toMatch(/sign/);
    const signed = await repo("sign", "site", "--key", "secret.pem");
    expect(signed.trim()).toBe(key);
    await sandbox.ok(["package", "search", "--remote", "site"], online);
    appendFileSync(sandbox.path("site/packages/osv.base.mpm"), "x");
    await failing("package", "pull", "osv.base", "--remote", "site");
    expect(existsSync(stored("osv.base"))).toBe(false);
  });

  test.each([
    { title: "no key", args: [], code: 64 },
    { title: "two keys", args: ["--key", "a", "--new-key", "b"], code: 64 },
    { title: "a key that is none", args: ["--key", "bad.pem"], code: 65 },
    { title: "a key that is there, made anew", args: ["--new-key", "bad.pem"], code: 73 },
  ])("$title", async ({ args, code }) => {
    sandbox.write({ "bad.pem": "-----BEGIN PRIVATE KEY-----\n" });
    const before = readFileSync(join(shop, "index.json"), "utf8");
    const result = await failing("repo", "sign", shop, ...args);
    expect(result.code).toBe(code);
    expect(readFileSync(join(shop, "index.json"), "utf8")).toBe(before);
    expect(readFileSync(sandbox.path("bad.pem"), "utf8")).toBe("-----BEGIN PRIVATE KEY-----\n");
  });
});

test("repo check finds halves, changed files and requirements that nothing meets", async () => {
  await sandbox.shell(`cp -r '${shop}' site`);
  appendFileSync(sandbox.path("site/packages/osv.top.mpm"), "x");
  for (const name of ["osv.base", "osv.base@1.0"]) rmSync(sandbox.path(`site/packages/${name}.yaml`));
  const { stdout, code } = await failing("repo", "check", "site");
  expect(code).toBe(65);
  expect(stdout).toMatch(/^error +packages\/osv\.top\.mpm/m);
  expect(stdout).toMatch(/packages\/osv\.base\.mpm/);
  const { findings } = JSON.parse((await sandbox.run(["repo", "check", "site", "--json"])).stdout);
  expect(findings.length).toBeGreaterThan(2);
});

describe("repo mirror", () => {
  test("copies what is wanted, and nothing twice", async () => {
    await repo("init", "copy");
    interface Mirrored {
      readonly fetched: readonly { readonly name: string; readonly version: string | null }[];
      readonly unchanged: number;
    }
    const mirror = (...args: readonly string[]) =>
      sandbox.json<Mirrored>(["repo", "mirror", shop, "copy", ...args], online);
    expect((await mirror("--filter", "osv.t*")).fetched.map(({ name }) => name)).toEqual(["osv.top"]);
    const all = await mirror();
    expect(all.fetched.map(({ name, version }) => `${name} ${version}`).sort()).toEqual([
      "osv-loader null",
      "osv.base 1.0",
      "osv.base 2.0",
    ]);
    expect(all.unchanged).toBe(1);
    expect(await mirror()).toMatchObject({ fetched: [], unchanged: 4 });
    expect(await repo("check", "copy")).toContain("0 errors, 0 warnings");
    useRemote(`    type: index\n    url: ${sandbox.path("copy")}\n`);
    await pullAll();
  });

  test("a remote by its name; what cannot be fetched does not hold up the rest", async () => {
    await sandbox.shell(`cp -r '${shop}' site`);
    appendFileSync(sandbox.path("site/packages/osv.top.mpm"), "x");
    useRemote(`    type: index\n    url: ${sandbox.path("site")}\n`);
    await repo("init", "copy");
    const { code, stderr } = await failing("repo", "mirror", "shop", "copy");
    expect(code).toBe(69);
    expect(stderr).toContain("The package osv.top could not be mirrored");
    expect(sandbox.files("copy/packages")).toContain("osv.base.mpm");
    expect(sandbox.files("copy/packages")).not.toContain("osv.top.mpm");
  });

  test("CAPSTAN_OFFLINE holds for other hosts", async () => {
    await repo("init", "copy");
    const { stderr, code } = await sandbox.run(["repo", "mirror", "http://127.0.0.1:9/", "copy"]);
    expect(stderr).toContain("CAPSTAN_OFFLINE is set");
    expect(code).toBe(69);
  });
});

test("repo publish to a folder: whole the first time, the index alone the second", async () => {
  const first = await sandbox.json<{ written: string[]; unchanged: number }>(["repo", "publish", shop, "public"]);
  expect(first.written.at(-1)).toMatch(/index\.json/);
  expect(first.unchanged).toBe(0);
  expect(await sandbox.json(["repo", "publish", shop, "public"])).toMatchObject({
    written: ["index.json"],
    unchanged: first.written.length - 1,
  });
  useRemote(`    type: index\n    url: ${sandbox.path("public")}\n`);
  await pullAll();
});

describe("repo serve", () => {
  let url = "";
  let server: ChildProcess | undefined;
  let served: Promise<{ readonly code: number | null; readonly stderr: string }>;

  beforeAll(async () => {
    url = await new Promise<string>((resolve, reject) => {
      let said = "";
      served = shelf.run(["repo", "serve", shop, "--port", "0"], {
        onStart: (child) => {
          server = child;
          child.stderr?.on("data", (chunk: Buffer) => {
            said += chunk;
            const match = /at (http:\S+)/.exec(said);
            if (match?.[1] !== undefined) resolve(match[1]);
          });
          child.on("exit", () => reject(new Error(`it ended: ${said}`)));
        },
      });
    });
  });

  afterAll(async () => {
    server?.kill("SIGINT");
    await served;
  });

  test.each([
    { shape: "its index", remote: () => `    type: index\n    url: ${url}\n`, flags: () => [] },
    { shape: "a bucket, by the original's flags", remote: () => undefined, flags: () => ["--s3", "-u", url] },
    { shape: "releases of GitHub", remote: () => `    type: github\n    api_url: ${url}\n`, flags: () => [] },
  ])("another store pulls from it as $shape", async ({ remote, flags }) => {
    const text = remote();
    if (text !== undefined) useRemote(text);
    const found = await sandbox.json<Made[]>(["package", "search", "top", ...flags()], online);
    expect(found).toMatchObject([{ name: "osv.top", version: "1.0" }]);
    await pullAll(flags());
  });

  test("an older version, too", async () => {
    useRemote(`    type: index\n    url: ${url}\n`);
    await sandbox.ok(["package", "pull", "osv.base@1.0"], online);
    expect(sha256(stored("osv.base"))).toBe(sha256(older.path));
  });

  test("a port that is taken, and one that is none", async () => {
    const taken = await failing("repo", "serve", shop, "--port", new URL(url).port);
    expect(taken.stderr).toContain(new URL(url).port);
    expect((await failing("repo", "serve", shop, "--port", "99999")).code).toBe(64);
  });

  test("Ctrl-C ends it", async () => {
    server?.kill("SIGINT");
    const { code, stderr } = await served;
    expect(code).toBe(0);
    expect(stderr).not.toMatch(STACK);
  });
});
