import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { GithubServer } from "../support/github-server.ts";
import { assetsOf, type Made, makePackage, makeRepository, ONLINE, objectsOf } from "../support/repositories.ts";
import { S3Server } from "../support/s3-server.ts";
import { Sandbox, STACK } from "../support/sandbox.ts";

const shelf = new Sandbox();
let old: Made;
let fresh: Made;
let github: GithubServer;
let bucket: S3Server;
let other: S3Server;
let sandbox: Sandbox;

beforeAll(async () => {
  old = await makePackage(shelf.dir, "osv.tool", {
    version: "0.55.0",
    created: "2021-02-03 04:05",
    platform: "Fedora",
  });
  fresh = await makePackage(shelf.dir, "osv.tool", { version: "0.57.0" });
  github = await GithubServer.start([
    { tag: "v0.57.0", assets: assetsOf(fresh) },
    { tag: "v0.55.0", assets: assetsOf(old) },
  ]);
  const images = { "mike/osv-loader/index.yaml": "version: one\n", "mike/osv-loader/osv-loader.qemu.gz": "x" };
  bucket = await S3Server.start({ objects: { ...objectsOf([old]), ...images } });
  other = await S3Server.start({ objects: objectsOf([fresh]) });
});

beforeEach(() => {
  github.asked.length = 0;
  github.remaining = 60;
  bucket.asked.length = 0;
  sandbox = new Sandbox();
  onTestFinished(() => sandbox.remove());
});

afterAll(async () => {
  for (const server of [github, bucket, other]) await server[Symbol.asyncDispose]();
  shelf.remove();
});

interface Found {
  readonly name: string;
  readonly version: string | null;
  readonly remote: string;
  readonly release: string | null;
}

const config = () => readFileSync(join(sandbox.store, "config.yaml"), "utf8");
const writeConfig = (text: string) => sandbox.write({ "config.yaml": text }, sandbox.store);
const search = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const found = await sandbox.json<Found[]>(["package", "search", ...args], { env: { ...ONLINE, ...env } });
  return found.map(({ version, release, remote }) => `${version} ${release ?? remote}`);
};
const failing = async (args: readonly string[], env: Readonly<Record<string, string>> = ONLINE) => {
  const result = await sandbox.run(args, { env });
  expect(result.stderr).not.toMatch(STACK);
  expect(result.code).not.toBe(0);
  return result;
};
/** The API of GitHub, where the test's server stands for it. */
const ofGithub = (more = "") => `remotes:\n  osv:\n    type: github\n    api_url: ${github.apiUrl}\n${more}`;

describe("remote add, list, remove", () => {
  test("without any, it is OSv's releases on GitHub", async () => {
    expect(await sandbox.ok(["remote", "list"])).toBe(
      "NAME TYPE   ADDRESS\nosv  github https://api.github.com/repos/cloudius-systems/osv\n",
    );
  });

  test("what is added comes behind what there is, and the default stays the first", async () => {
    await sandbox.ok(["remote", "add", "team", "https://packages.example.com/capstan/"]);
    expect(config()).toBe(
      "remotes:\n  osv:\n    type: github\n  team:\n    type: index\n    url: https://packages.example.com/capstan/\n",
    );
    expect(await sandbox.json(["remote", "list"])).toMatchObject([{ name: "osv" }, { name: "team", keys: [] }]);
    await sandbox.ok(["remote", "remove", "osv"]);
    expect(await sandbox.json(["remote", "list"])).toMatchObject([{ name: "team" }]);
  });

  test.each([
    { address: "me/osv", type: undefined, kind: "github" },
    { address: "https://github.com/me/osv", type: undefined, kind: "github" },
    { address: "https://bucket.s3.amazonaws.com/", type: undefined, kind: "s3" },
    { address: "https://bucket.s3.eu-west-1.amazonaws.com", type: undefined, kind: "s3" },
    { address: "http://minio.example.com/bucket/", type: "s3", kind: "s3" },
    { address: "https://example.com/repo", type: undefined, kind: "index" },
    { address: "file:///srv/repo", type: undefined, kind: "index" },
    { address: ".", type: undefined, kind: "index" },
  ])("$address is of type $kind", async ({ address, type, kind }) => {
    const flags = type === undefined ? [] : ["--type", type];
    expect(await sandbox.json(["remote", "add", "one", address, ...flags])).toMatchObject({ name: "one", kind });
    expect(config()).toContain(`  one:\n    type: ${kind}\n`);
  });

  test("what a GitHub remote is told is kept", async () => {
    const flags = ["--api-url", "https://git.example.com/api/v3", "-r", "v1"];
    await sandbox.ok(["remote", "add", "mine", "me/osv", ...flags]);
    expect(await sandbox.json(["remote", "list"])).toContainEqual({
      ...{ kind: "github", name: "mine", repository: "me/osv" },
      ...{ apiUrl: "https://git.example.com/api/v3", releaseTag: "v1" },
    });
  });

  test("comments and all else of config.yaml stay as they are", async () => {
    const before = [
      "# Mine.",
      'release_tag: "any" # the newest',
      "",
      "remotes:",
      "  # The team's own.",
      "  team:",
      "    # first",
      "    type: index",
      "    url: https://a.example.com/ # slash",
      "",
      "# At the end.",
      "disable_kvm: true",
      "unknown: [1,   2]",
      "",
    ];
    writeConfig(before.join("\n"));
    await sandbox.ok(["remote", "add", "more", "https://b.example.com/"]);
    const added = config();
    for (const line of before.filter((one) => one !== "" && !one.startsWith("unknown"))) expect(added).toContain(line);
    expect(added).toContain("  more:\n    type: index\n    url: https://b.example.com/\n");
    await sandbox.ok(["remote", "remove", "more"]);
    expect(config()).not.toContain("more");
    for (const line of before.filter((one) => one !== "" && !one.startsWith("unknown"))) {
      expect(config()).toContain(line);
    }
  });

  test("an empty list is a place to add to", async () => {
    writeConfig("# mine\nremotes:\n");
    await sandbox.ok(["remote", "add", "one", "https://example.com/"]);
    expect(await sandbox.json(["remote", "list"])).toMatchObject([{ name: "osv" }, { name: "one" }]);
    for (const name of ["osv", "one"]) await sandbox.ok(["remote", "remove", name]);
    expect(config()).toMatch(/^# mine/);
    expect(await sandbox.json(["remote", "list"])).toMatchObject([{ name: "osv" }]);
  });

  test.each([
    { args: ["add", "osv", "https://example.com/"], code: 73, says: "There is a remote 'osv' already" },
    { args: ["add", "../x", "https://example.com/"], code: 64, says: "../x" },
    { args: ["add", "x", "gopher://example.com/"], code: 64, says: "gopher" },
    { args: ["add", "x", "nowhere"], code: 64, says: "nowhere" },
    { args: ["add", "x", "a/b/c", "--type", "github"], code: 64, says: "'a/b/c' is no repository of GitHub" },
    { args: ["add", "x", "https://example.com/", "--key", "no key"], code: 64, says: "no key" },
    { args: ["remove", "nothing"], code: 66, says: "There is no remote 'nothing'" },
  ])("remote $args is refused", async ({ args, code, says }) => {
    const result = await failing(["remote", ...args]);
    expect(result.stderr).toContain(says);
    expect(result.code).toBe(code);
    expect(sandbox.files("store")).toEqual([]);
  });
});

describe("remote test", () => {
  test("tells of each what it answers, and fails when one does not", async () => {
    const folder = await makeRepository(shelf.path("folder"), [old]);
    const more = `  folder:\n    type: index\n    url: ${folder}\n  gone:\n    type: index\n    url: ${bucket.url}none/\n`;
    writeConfig(ofGithub(more));
    const { code, stdout } = await failing(["remote", "test"]);
    expect(stdout).toMatch(/^NAME +ANSWER +ADDRESS$/m);
    expect(stdout).toMatch(/^osv +2 packages, 0 images /m);
    expect(stdout).toMatch(/^folder +1 package, 0 images /m);
    expect(stdout).toMatch(/^gone +There is no repository at /m);
    expect(code).toBe(69);
    expect((await sandbox.run(["remote", "test", "--remote", "folder"], { env: ONLINE })).code).toBe(0);
  });
});

describe("which remote", () => {
  beforeEach(() => {
    writeConfig(ofGithub(`  team:\n    type: s3\n    url: ${other.url}\n`));
  });

  test("all of them, in their order; --remote asks one", async () => {
    expect(await search([])).toEqual(["0.57.0 v0.57.0", "0.55.0 v0.55.0", "0.57.0 team"]);
    expect(await search(["--remote", "team"])).toEqual(["0.57.0 team"]);
    const { stderr } = await failing(["package", "search", "--remote", "tema"]);
    expect(stderr).toContain("There is no remote 'tema'. Did you mean 'team'?");
  });

  test("the first that has a package is taken", async () => {
    const pulled = await sandbox.json(["package", "pull", "osv.tool"], { env: ONLINE });
    expect(pulled).toMatchObject([{ remote: "osv", release: "v0.57.0" }]);
  });

  test.each(["with", "without"])("--s3 -u URL asks that bucket alone, %s a slash at its end", async (slash) => {
    expect(await search(["--s3", "-u", slash === "with" ? bucket.url : bucket.url.slice(0, -1)])).toEqual([
      "0.55.0 s3",
    ]);
    expect(github.asked).toEqual([]);
  });

  test("for images -u alone will do, as in the original; for packages it goes with --s3", async () => {
    const found = await sandbox.json(["search", "-u", bucket.url], { env: ONLINE });
    expect(found).toMatchObject([{ name: "mike/osv-loader", version: "one" }]);
    const { code, stderr } = await failing(["package", "search", "-u", bucket.url]);
    expect(stderr).toContain("-u goes with --s3 here");
    expect(code).toBe(64);
  });

  test("--s3: -u comes before repo_url, and that before CAPSTAN_REPO_URL", async () => {
    const env = { CAPSTAN_REPO_URL: other.url };
    expect(await search(["--s3"], env)).toEqual(["0.57.0 s3"]);
    writeConfig(`repo_url: ${bucket.url}\n`);
    expect(await search(["--s3"], env)).toEqual(["0.55.0 s3"]);
    expect(await search(["--s3", "-u", other.url], env)).toEqual(["0.57.0 s3"]);
  });

  test("an address of one's own is asked without --s3 as well, behind the default", async () => {
    sandbox.write({ "config.yaml": "" }, sandbox.store);
    const listed = await sandbox.ok(["remote", "list"], { env: { CAPSTAN_REPO_URL: bucket.url } });
    expect(listed).toMatch(/^osv .*\ns3 .*$/m);
    writeConfig(`repo_url: ${bucket.url}\n`);
    expect(await sandbox.ok(["remote", "list"])).toContain(bucket.url);
  });
});

describe("which release", () => {
  test.each([
    { title: "any", lines: "", args: [], found: ["0.57.0 v0.57.0", "0.55.0 v0.55.0"] },
    { title: "-r latest", lines: "", args: ["-r", "latest"], found: ["0.57.0 v0.57.0"] },
    { title: "--release-tag TAG", lines: "", args: ["--release-tag", "v0.55.0"], found: ["0.55.0 v0.55.0"] },
    { title: "D17: release_tag of config.yaml", lines: "release_tag: v0.55.0\n", args: [], found: ["0.55.0 v0.55.0"] },
    {
      title: "the flag before it",
      lines: "release_tag: v0.55.0\n",
      args: ["-r", "v0.57.0"],
      found: ["0.57.0 v0.57.0"],
    },
    {
      title: "the remote's own before that of all",
      lines: "    release_tag: v0.57.0\nrelease_tag: v0.55.0\n",
      args: [],
      found: ["0.57.0 v0.57.0"],
    },
  ])("$title", async ({ lines, args, found }) => {
    writeConfig(ofGithub(lines));
    expect(await search(args)).toEqual(found);
  });

  test("a release that is not there", async () => {
    writeConfig(ofGithub());
    const { stderr } = await failing(["package", "search", "-r", "v9"]);
    expect(stderr).toContain("v9");
  });
});

describe("the tables", () => {
  test("of packages: the release in front, then the original's columns", async () => {
    writeConfig(ofGithub());
    const text = await sandbox.ok(["package", "search", "tool"], { env: ONLINE });
    const row = (cells: readonly string[]) =>
      [10, 50, 50, 15, 20, 15]
        .map((width, index) => (cells[index] ?? "").padEnd(width))
        .join(" ")
        .trimEnd();
    expect(text.split("\n")).toEqual([
      row(["Release", "Name", "Description", "Version", "Created", "Platform"]),
      row(["v0.57.0", "osv.tool", "The osv.tool", "0.57.0", "N/A", ""]),
      row(["v0.55.0", "osv.tool", "The osv.tool", "0.55.0", "2021-02-03 04:05", "Fedora"]),
      "",
    ]);
    expect(await sandbox.ok(["package", "search", "no-such"], { env: ONLINE })).toMatch(/^\S.*Platform\n$/);
  });

  test("of images", async () => {
    const text = await sandbox.ok(["search", "osv-loader", "-u", bucket.url], { env: ONLINE });
    expect(text).toMatch(/^Name +Description +Version +Created +Platform\nmike\/osv-loader +one +N\/A +N\/A\n$/);
  });
});

describe("GITHUB_TOKEN", () => {
  test("is sent to the API, and lifts its limit", async () => {
    writeConfig(ofGithub());
    github.remaining = 0;
    const { stderr, code } = await failing(["package", "search"]);
    expect(stderr).toMatch(/takes no more requests from here until \d\d:\d\d/);
    expect(stderr).toContain("GITHUB_TOKEN");
    expect(code).toBe(69);
    github.token = "secret";
    onTestFinished(() => {
      github.token = undefined;
    });
    github.asked.length = 0;
    expect(await search([], { GITHUB_TOKEN: "secret" })).toHaveLength(2);
    expect(github.asked.some(({ headers }) => headers.authorization === "Bearer secret")).toBe(true);
    for (const { host, headers } of github.asked) {
      if (host === "downloads") expect(headers.authorization).toBeUndefined();
    }
    // To no other host, and in no message.
    await search(["--s3", "-u", bucket.url], { GITHUB_TOKEN: "secret" });
    expect(bucket.authorizations.every((one) => one === undefined)).toBe(true);
    const verbose = await sandbox.run(["package", "search", "-v"], { env: { ...ONLINE, GITHUB_TOKEN: "secret" } });
    expect(verbose.stderr + verbose.stdout).not.toContain("secret");
    for (const path of sandbox.files("store").filter((one) => !one.endsWith("/"))) {
      expect(readFileSync(join(sandbox.store, path), "utf8")).not.toContain("secret");
    }
  });
});
