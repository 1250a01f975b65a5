import { createHash } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseReleases } from "../../src/remotes/github/release-json.ts";
import { type GithubRemoteOptions, githubRemote } from "../../src/remotes/github/remote.ts";
import { assetFile, needsTokenAlways, openRepository } from "../../src/remotes/github/repository.ts";
import type { Remote } from "../../src/remotes/remote.ts";
import { failureOf, manifestOf, temporaryFolder, testContext } from "../packages/support.ts";
import { GithubServer, type ServedAsset, type ServedRelease } from "../support/github-server.ts";

const X86 = { details: false, arch: "x86_64" } as const;

/** Pauses between attempts are not slept. */
const http = { sleep: () => Promise.resolve() };

async function serve(releases: readonly ServedRelease[]): Promise<GithubServer> {
  const server = await GithubServer.start(releases);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

function remoteOf(server: GithubServer, options: Partial<GithubRemoteOptions> = {}): Remote {
  return githubRemote({
    name: "osv",
    apiUrl: server.apiUrl,
    releaseTag: "any",
    cacheFolder: temporaryFolder(),
    ...options,
  });
}

function context() {
  return { ...testContext("/"), http };
}

/** A package of that release: manifest and archives as the given endings say. */
function packageAssets(name: string, version: string, endings: readonly string[] = [".mpm"]): readonly ServedAsset[] {
  const manifest = manifestOf(name, `version: ${version}\nrequire:\n- osv.base\ncreated: 2022-12-20T03:14:29Z\n`);
  return [
    { name: `${name}.yaml`, content: manifest },
    ...endings.map((ending) => ({ name: `${name}${ending}`, content: `${name} ${version} ${ending}` })),
  ];
}

function empty(...names: readonly string[]): readonly ServedAsset[] {
  return names.map((name) => ({ name, content: `bytes of ${name}` }));
}

describe("packages", () => {
  test("without details one request tells them all, each with its release, newest first", async () => {
    const server = await serve([
      { tag: "v0.57.0", assets: packageAssets("osv.bootstrap", "0.57.0", [".mpm.aarch64", ".mpm.x86_64"]) },
      { tag: "v0.54.0", assets: [...packageAssets("osv.bootstrap", "0.54.0"), ...packageAssets("osv.cli", "0.54.0")] },
    ]);
    const found = await remoteOf(server).packages(X86, context());
    expect(found.map(({ name, release, arch, version }) => [name, release, arch, version])).toEqual([
      ["osv.bootstrap", "v0.57.0", "x86_64", undefined],
      ["osv.bootstrap", "v0.54.0", undefined, undefined],
      ["osv.cli", "v0.54.0", undefined, undefined],
    ]);
    expect(server.asked).toHaveLength(1);
  });

  test("a file has its size and its digest; where the release has no digest, none is made up", async () => {
    const archive = { name: "osv.cli.mpm", content: "the archive" };
    const server = await serve([
      { tag: "v1", assets: [archive, { name: "osv.cli.yaml", content: "x", digest: false }] },
    ]);
    const [found] = await remoteOf(server).packages(X86, context());
    expect(found?.archive).toEqual({
      url: `${server.downloadUrl}/cloudius-systems/osv/releases/download/v1/osv.cli.mpm`,
      size: 11,
      sha256: createHash("sha256").update("the archive").digest("hex"),
      gzip: false,
    });
    expect(found?.manifest).toMatchObject({ size: 1, sha256: undefined });
  });

  test.each([
    ["x86_64", "osv.zfs.mpm.x86_64"],
    ["aarch64", "osv.zfs.mpm.aarch64"],
  ])("on %s it is %s", async (arch, file) => {
    const endings = [".mpm.aarch64", ".mpm", ".mpm.x86_64"];
    for (const order of [endings, endings.toReversed()]) {
      const server = await serve([{ tag: "v1", assets: packageAssets("osv.zfs", "1", order) }]);
      const found = await remoteOf(server).packages({ details: false, arch }, context());
      expect(found.map((one) => [one.arch, one.archive.url.split("/").at(-1)])).toEqual([[arch, file]]);
    }
  });

  test.each([
    ["a manifest alone", empty("osv.a.yaml")],
    ["an archive alone", empty("osv.a.mpm")],
    ["an archive of another architecture", empty("osv.a.yaml", "osv.a.mpm.aarch64")],
    ["the index of images", empty("index.yaml")],
    ["a name that leads elsewhere", empty("../osv.a.yaml", "../osv.a.mpm")],
    ["an upload that has not ended", [...empty("osv.a.yaml"), { name: "osv.a.mpm", content: "", state: "starter" }]],
  ])("%s is no package", async (_what, assets) => {
    const server = await serve([{ tag: "v1", assets }]);
    expect(await remoteOf(server).packages(X86, context())).toEqual([]);
  });

  test("drafts are ignored, even where the token lets one see them", async () => {
    const server = await serve([
      { tag: "v2", draft: true, assets: packageAssets("osv.a", "2") },
      { tag: "v1", assets: packageAssets("osv.a", "1") },
    ]);
    server.token = "secret";
    const found = await remoteOf(server, { token: "secret" }).packages(X86, context());
    expect(found.map(({ release }) => release)).toEqual(["v1"]);
  });

  test("names are exact: 'cli' is neither osv.cli nor client", async () => {
    const assets = ["osv.cli", "cli", "client"].flatMap((name) => packageAssets(name, "1"));
    const server = await serve([{ tag: "v1", assets }]);
    const found = await remoteOf(server).packages({ ...X86, names: ["cli"] }, context());
    expect(found.map(({ name, archive }) => [name, archive.url.split("/").at(-1)])).toEqual([["cli", "cli.mpm"]]);
  });
});

describe("details", () => {
  test("are those of the manifests", async () => {
    const server = await serve([{ tag: "v0.57.0", assets: packageAssets("osv.cli", "0.57.0-0e34e4dc") }]);
    const [found] = await remoteOf(server).packages({ ...X86, details: true }, context());
    expect(found).toMatchObject({
      title: "The osv.cli",
      version: "0.57.0-0e34e4dc",
      require: ["osv.base"],
      created: "2022-12-20T03:14:29Z",
    });
  });

  test("D7: the second time they cost no request, and the list one that does not count", async () => {
    const assets = Array.from({ length: 30 }, (_, index) => packageAssets(`osv.p${index}`, "1")).flat();
    const server = await serve([{ tag: "v1", assets }]);
    const remote = remoteOf(server);
    const first = await remote.packages({ ...X86, details: true }, context());
    expect(server.asked).toHaveLength(31);
    const { remaining } = server;
    expect(await remote.packages({ ...X86, details: true }, context())).toEqual(first);
    expect(server.asked.slice(31).map(({ host, status }) => [host, status])).toEqual([["api", 304]]);
    expect(server.remaining).toBe(remaining);
  });

  test("a manifest that was replaced is fetched again", async () => {
    const server = await serve([{ tag: "v1", assets: packageAssets("osv.a", "1") }]);
    const remote = remoteOf(server);
    await remote.packages({ ...X86, details: true }, context());
    server.releases = [{ tag: "v1", assets: packageAssets("osv.a", "2") }];
    const [found] = await remote.packages({ ...X86, details: true }, context());
    expect(found?.version).toBe("2");
  });

  test.each<[string, Partial<ServedAsset>, RegExp]>([
    ["is no YAML", { content: "<html>404</html>" }, /osv\.bad/],
    ["is of another package", { content: manifestOf("osv.other") }, /'osv\.bad' .*'osv\.other'/],
    ["names what cannot be a name", { content: manifestOf("../../etc") }, /osv\.bad/],
  ])("a manifest that %s is a warning that names it, and the others are read", async (_what, bad, warning) => {
    const good = packageAssets("osv.good", "1");
    const assets = [...good, { name: "osv.bad.yaml", content: "", ...bad }, ...empty("osv.bad.mpm")];
    const server = await serve([{ tag: "v1", assets }]);
    const world = context();
    const found = await remoteOf(server).packages({ ...X86, details: true }, world);
    expect(found.map(({ name, version }) => [name, version])).toEqual([
      ["osv.good", "1"],
      ["osv.bad", undefined],
    ]);
    const warnings = world.events.filter(({ kind }) => kind === "warning");
    expect(warnings).toEqual([{ kind: "warning", text: expect.stringMatching(warning) }]);
  });

  test("D6: an error page instead of a manifest is a warning, and is not kept", async () => {
    const server = await serve([{ tag: "v1", assets: packageAssets("osv.a", "1") }]);
    const remote = remoteOf(server);
    const path = "/cloudius-systems/osv/releases/download/v1/osv.a.yaml";
    server.failing.set(path, 404);
    const world = context();
    const [missing] = await remote.packages({ ...X86, details: true }, world);
    expect(missing).toMatchObject({ name: "osv.a", version: undefined });
    expect(world.events).toContainEqual({ kind: "warning", text: expect.stringContaining("'osv.a'") });
    server.failing.clear();
    const [found] = await remote.packages({ ...X86, details: true }, context());
    expect(found?.version).toBe("1");
  });

  test("bytes that are not those of the listing are a warning", async () => {
    const server = await serve([{ tag: "v1", assets: packageAssets("osv.a", "1") }]);
    server.tamper = (_path, json) => json.replaceAll(/sha256:[0-9a-f]{64}/g, `sha256:${"0".repeat(64)}`);
    const world = context();
    const [found] = await remoteOf(server).packages({ ...X86, details: true }, world);
    expect(found?.version).toBeUndefined();
    expect(world.events).toContainEqual({ kind: "warning", text: expect.stringContaining("digest") });
  });

  test("thousands of bad manifests are not thousands of warnings", async () => {
    const assets = Array.from({ length: 50 }, (_, index) => empty(`p${index}.yaml`, `p${index}.mpm`)).flat();
    const server = await serve([{ tag: "v1", assets }]);
    const world = context();
    await remoteOf(server).packages({ ...X86, details: true }, world);
    const warnings = world.events.filter(({ kind }) => kind === "warning");
    expect(warnings).toHaveLength(21);
    expect(warnings.at(-1)).toMatchObject({ text: expect.stringContaining("30 more") });
  });
});

describe("releases", () => {
  const many = Array.from({ length: 250 }, (_, index) => {
    const version = 250 - index;
    const assets =
      version === 120
        ? [...packageAssets("osv.old", "1"), ...packageAssets("osv.a", "120")]
        : packageAssets("osv.a", String(version));
    return { tag: `v${version}`, assets };
  });

  test("D7: all pages are read, 100 releases at a time", async () => {
    const server = await serve(many);
    const found = await remoteOf(server).packages(X86, context());
    expect(found).toHaveLength(251);
    expect(server.apiPaths.map((path) => path.split("?")[1])).toEqual([
      "per_page=100",
      "per_page=100&page=2",
      "per_page=100&page=3",
    ]);
  });

  test.each([
    ["osv.a", 1, "v250"],
    ["osv.old", 2, "v120"],
  ])("for %s, %d pages are enough: it ends at %s", async (name, pages, release) => {
    const server = await serve(many);
    const found = await remoteOf(server).packages({ ...X86, names: [name] }, context());
    expect(found.map((one) => one.release)).toEqual([release]);
    expect(server.apiPaths).toHaveLength(pages);
  });

  test("a release that has all names is looked for, and what newer ones have of them is there too", async () => {
    const server = await serve(many);
    const found = await remoteOf(server).packages({ ...X86, names: ["osv.a", "osv.old"] }, context());
    expect(found).toHaveLength(132);
    expect(
      found
        .slice(-2)
        .map(({ name, release }) => `${name} ${release}`)
        .sort(),
    ).toEqual(["osv.a v120", "osv.old v120"]);
  });

  test("every release of a name, where older versions are wanted", async () => {
    const server = await serve(many);
    const found = await remoteOf(server).packages({ ...X86, names: ["osv.a"], everyRelease: true }, context());
    expect(found).toHaveLength(250);
  });

  test.each([
    ["any", ["v2-rc", "v1", "v0"]],
    ["latest", ["v1"]],
    ["v0", ["v0"]],
    ["v2-rc", ["v2-rc"]],
  ])("D17: the release tag '%s' is respected", async (releaseTag, expected) => {
    const server = await serve([
      { tag: "v2-rc", prerelease: true, assets: packageAssets("osv.a", "2") },
      { tag: "v1", assets: packageAssets("osv.a", "1") },
      { tag: "v0", assets: packageAssets("osv.a", "0") },
    ]);
    const found = await remoteOf(server, { releaseTag }).packages(X86, context());
    expect(found.map(({ release }) => release)).toEqual(expected);
  });

  test("a tag with characters that addresses do not have", async () => {
    const tag = "builds/2022 #1%2F";
    const server = await serve([{ tag, assets: packageAssets("osv.a", "1") }]);
    const found = await remoteOf(server, { releaseTag: tag }).packages(X86, context());
    expect(found.map(({ release }) => release)).toEqual([tag]);
  });

  test("a tag that is not there is an error that says where it was looked for", async () => {
    const server = await serve([]);
    const error = await failureOf(() => remoteOf(server, { releaseTag: "v9" }).packages(X86, context()));
    expect(error).toMatchObject({
      code: "remote-not-found",
      message: expect.stringContaining("'v9' of cloudius-systems/osv"),
    });
    expect(error.message).toContain(server.apiUrl);
    expect(error.hint).toContain("--release-tag any");
  });

  test("a server that gives the same page for ever ends the listing", async () => {
    const server = await serve(many.slice(0, 3));
    server.pageLimit = 1;
    const first = server.releases[0];
    server.tamper = (_path, json) => json.replace(/"tag_name":"[^"]*"/, `"tag_name":"${first?.tag}"`);
    const found = await remoteOf(server).packages(X86, context());
    expect(found.map(({ release }) => release)).toEqual(["v250"]);
    expect(server.apiPaths).toHaveLength(2);
  });
});

describe("images", () => {
  const flavours = ["", "-hidden", "-microvm", "-with-zfs", "-with-zfs-hidden"];
  const today = {
    tag: "v0.57.0",
    assets: [
      {
        name: "index.yaml",
        content: "format_version: 1\nversion: 0.57.0\ndescription: OSv kernel\ncreated: 2022-12-20 12:00\n",
      },
      ...flavours.flatMap((flavour) =>
        empty(
          `osv-loader${flavour}.elf.aarch64.gz`,
          `osv-loader${flavour}.elf.x86_64.gz`,
          `osv-loader${flavour}.qemu.aarch64`,
          `osv-loader${flavour}.qemu.x86_64`,
        ),
      ),
      ...empty("osv-zfs-builder.elf.x86_64.gz", "osv-zfs-builder.img.aarch64"),
    ],
  };
  const nightly = {
    tag: "ci-master-latest",
    prerelease: true,
    assets: empty(
      "osv-version",
      "index.yaml",
      "osv-loader-with-zfs.qemu.x86_64.gz",
      "loader-with-zfs.elf.x86_64.gz",
      "osv-loader-hidden.qemu.x86_64.gz",
      "loader-hidden.elf.x86_64.gz",
    ),
  };
  const old = { tag: "v0.53.0", assets: empty("index.yaml", "loader.elf", "osv-loader.qemu", "qboot.bin") };

  const file = (url: string | undefined, gzip: boolean | undefined) =>
    `${url?.split("/").at(-1)}${gzip === true ? " (packed)" : ""}`;

  test.each([
    [
      "0.57",
      today,
      "x86_64",
      [
        ...flavours.map((one) => [
          `osv-loader${one}`,
          `osv-loader${one}.qemu.x86_64`,
          `osv-loader${one}.elf.x86_64.gz (packed)`,
        ]),
        ["osv-zfs-builder", "osv-zfs-builder.elf.x86_64.gz (packed)", "osv-zfs-builder.elf.x86_64.gz (packed)"],
      ],
    ],
    [
      "0.57",
      today,
      "aarch64",
      [
        ...flavours.map((one) => [
          `osv-loader${one}`,
          `osv-loader${one}.qemu.aarch64`,
          `osv-loader${one}.elf.aarch64.gz (packed)`,
        ]),
        ["osv-zfs-builder", "osv-zfs-builder.img.aarch64", "none"],
      ],
    ],
    [
      "the nightly build",
      nightly,
      "x86_64",
      [
        [
          "osv-loader-with-zfs",
          "osv-loader-with-zfs.qemu.x86_64.gz (packed)",
          "loader-with-zfs.elf.x86_64.gz (packed)",
        ],
        ["osv-loader-hidden", "osv-loader-hidden.qemu.x86_64.gz (packed)", "loader-hidden.elf.x86_64.gz (packed)"],
      ],
    ],
    ["0.53", old, "x86_64", [["osv-loader", "osv-loader.qemu", "loader.elf"]]],
  ])("of %s: each loader with the kernel of its flavour", async (_what, release, arch, expected) => {
    const server = await serve([release]);
    const found = await remoteOf(server).images({ details: false, arch }, context());
    const rows = found.map(({ name, disk, kernel }) => [
      name,
      file(disk.url, disk.gzip),
      kernel === undefined ? "none" : file(kernel.url, kernel.gzip),
    ]);
    expect(rows).toEqual(expected);
  });

  test.each([
    ["app.img", "app.qcow2", "app.qcow2"],
    ["app.img", "app.qemu.gz", "app.qemu.gz"],
    ["app.qemu", "app.qemu.gz", "app.qemu.gz"],
    ["app.qemu.gz", "app.raw.x86_64", "app.raw.x86_64"],
  ])("of %s and %s it is %s", async (one, other, expected) => {
    for (const names of [
      [one, other],
      [other, one],
    ]) {
      const server = await serve([{ tag: "v1", assets: empty(...names) }]);
      const [found, ...more] = await remoteOf(server).images(X86, context());
      expect([file(found?.disk.url, false), more]).toEqual([expected, []]);
    }
  });

  test("a kernel that says its architecture is taken before one of the same name that does not", async () => {
    const assets = empty("osv-loader.qemu.x86_64", "osv-loader.elf", "loader.elf.x86_64.gz");
    const server = await serve([{ tag: "v1", assets }]);
    const [found] = await remoteOf(server).images(X86, context());
    expect(file(found?.kernel?.url, found?.kernel?.gzip)).toBe("loader.elf.x86_64.gz (packed)");
  });

  test("details come from the index of the release, which is read once", async () => {
    const server = await serve([today]);
    const found = await remoteOf(server).images({ ...X86, details: true }, context());
    expect(found).toHaveLength(6);
    for (const image of found) {
      expect(image).toMatchObject({
        version: "0.57.0",
        description: "OSv kernel",
        created: "2022-12-20 12:00",
        arch: "x86_64",
      });
    }
    expect(server.asked).toHaveLength(2);
  });

  test.each([
    ["osv-loader", ["osv-loader"]],
    ["loader", []],
    ["osv-loader-with", []],
    ["mike/osv-loader", []],
  ])("names are exact: %s", async (name, expected) => {
    const server = await serve([today, old]);
    const found = await remoteOf(server).images({ ...X86, names: [name] }, context());
    expect(found.map((one) => one.name)).toEqual(expected);
  });

  test("with 'any', a loader that only an older release has is found there, and says so", async () => {
    const server = await serve([nightly, old]);
    const found = await remoteOf(server).images({ ...X86, names: ["osv-loader"] }, context());
    expect(found.map(({ name, release }) => [name, release])).toEqual([["osv-loader", "v0.53.0"]]);
  });
});

describe("the token", () => {
  test("goes to the API and to no other host, not even after a redirect", async () => {
    const server = await serve([{ tag: "v1", assets: packageAssets("osv.a", "1") }]);
    server.token = "secret";
    const [found] = await remoteOf(server, { token: "secret" }).packages({ ...X86, details: true }, context());
    expect(found?.version).toBe("1");
    const withToken = (host: string) =>
      server.asked.filter((one) => one.host === host).map(({ headers }) => headers.authorization);
    expect(withToken("api")).toEqual(["Bearer secret", "Bearer secret"]);
    expect(withToken("downloads")).toEqual([undefined]);
    expect(found?.archive.headers).toMatchObject({
      authorization: "Bearer secret",
      accept: "application/octet-stream",
    });
  });

  test.each([
    ["https://api.github.com", false, "https://github.com/o/r/releases/download/v1/a", false],
    ["https://api.github.com", true, "https://api.github.com/repos/o/r/releases/assets/1", true],
    ["https://github.company.com/api/v3", false, "https://github.com/o/r/releases/download/v1/a", false],
    ["https://github.company.com/api/v3", true, "https://github.com/o/r/releases/download/v1/a", false],
  ])("at %s, needed for downloads: %s, an asset is %s", (apiUrl, authorized, url, isSent) => {
    const repository = openRepository({ remote: "osv", apiUrl, repository: "o/r", token: "secret" });
    const asset = {
      name: "a",
      size: 1,
      sha256: undefined,
      state: undefined,
      browserUrl: "https://github.com/o/r/releases/download/v1/a",
      apiUrl: "https://api.github.com/repos/o/r/releases/assets/1",
    };
    const file = assetFile(asset, repository, authorized);
    expect(file?.url).toBe(url);
    expect(JSON.stringify(file).includes("secret")).toBe(isSent);
  });

  test("a server of one's own may be closed to guests; GitHub itself is asked whether a repository is", () => {
    const open = (apiUrl: string) => openRepository({ remote: "osv", apiUrl, repository: "o/r", token: "secret" });
    expect(needsTokenAlways(open("https://api.github.com"))).toBe(false);
    expect(needsTokenAlways(open("https://api.github.com/"))).toBe(false);
    expect(needsTokenAlways(open("https://github.company.com/api/v3"))).toBe(true);
  });

  test("what is asked for with TLS is not fetched without", () => {
    const repository = openRepository({
      remote: "osv",
      apiUrl: "https://api.github.com",
      repository: "o/r",
      token: undefined,
    });
    const asset = {
      name: "a",
      size: 1,
      sha256: undefined,
      state: undefined,
      browserUrl: "http://github.com/a",
      apiUrl: undefined,
    };
    expect(assetFile(asset, repository, false)).toBeUndefined();
  });

  test("D7: a used-up rate limit is an error that says until when, and what a token does", async () => {
    const server = await serve([{ tag: "v1", assets: packageAssets("osv.a", "1") }]);
    server.remaining = 0;
    const error = await failureOf(() => remoteOf(server).packages(X86, context()));
    expect(error).toMatchObject({ code: "remote-rate-limit", message: expect.stringMatching(/until .*\d\d:\d\d/) });
    expect(error.hint).toContain("GITHUB_TOKEN");
  });
});

describe("hostile answers", () => {
  test.each([
    ["no JSON", "<html>"],
    ["nothing", ""],
    ["cut off", '[{"tag_name":"v1","assets":[{"na'],
    ["a number", "1"],
    ["null", "null"],
    ["an error with status 200", '{"message":"Moved"}'],
  ])("%s is an error that names the remote", async (_what, body) => {
    const server = await serve([]);
    server.tamper = () => body;
    const error = await failureOf(() => remoteOf(server).packages(X86, context()));
    expect(error).toMatchObject({ code: "remote-bad-listing", message: expect.stringContaining("remote 'osv'") });
  });

  const asset = { name: "a.mpm", browser_download_url: "https://github.com/a.mpm" };

  test.each<[string, unknown, number]>([
    ["a sound one", asset, 1],
    ["null", null, 0],
    ["a list", [], 0],
    ["without a name", { ...asset, name: undefined }, 0],
    ["a name that is a number", { ...asset, name: 5 }, 0],
    ["a name with an escape", { ...asset, name: "a\u001b[2J.mpm" }, 0],
    ["a name that turns text round", { ...asset, name: "a\u202egnp.mpm" }, 0],
    ["an endless name", { ...asset, name: "a".repeat(10_000) }, 0],
    ["without an address", { ...asset, browser_download_url: undefined }, 0],
    ["a file of this machine", { ...asset, browser_download_url: "file:///etc/passwd" }, 0],
    ["a script", { ...asset, browser_download_url: "javascript:alert(1)" }, 0],
    ["credentials in the address", { ...asset, browser_download_url: "https://a:b@github.com/a.mpm" }, 0],
  ])("an asset that is %s", (_what, value, expected) => {
    const skipped: string[] = [];
    const body = Buffer.from(JSON.stringify([{ tag_name: "v1", assets: [value] }]));
    const [release] = parseReleases(body, "a test", (problem) => skipped.push(problem));
    expect(release?.assets).toHaveLength(expected);
    expect(skipped).toHaveLength(1 - expected);
  });

  test.each<[unknown, number | undefined]>([
    [5, 5],
    [0, 0],
    [-1, undefined],
    [1.5, undefined],
    [1e300, undefined],
    ["5", undefined],
    [null, undefined],
  ])("the size %j is %s", (size, expected) => {
    const body = Buffer.from(JSON.stringify({ tag_name: "v1", assets: [{ ...asset, size }] }));
    expect(parseReleases(body, "a test", () => {})[0]?.assets[0]?.size).toBe(expected);
  });

  test.each<[unknown, string | undefined]>([
    [`sha256:${"aB".repeat(32)}`, "ab".repeat(32)],
    [`sha512:${"ab".repeat(64)}`, undefined],
    [`sha256:${"ab".repeat(31)}`, undefined],
    [null, undefined],
    [{}, undefined],
  ])("the digest %j is %s", (digest, expected) => {
    const body = Buffer.from(JSON.stringify({ tag_name: "v1", assets: [{ ...asset, digest }] }));
    expect(parseReleases(body, "a test", () => {})[0]?.assets[0]?.sha256).toBe(expected);
  });

  test.each<[string, unknown]>([
    ["a text", "v1"],
    ["without a tag", { assets: [] }],
    ["with a tag that a terminal obeys", { tag_name: "v1\u001b[2J", assets: [] }],
    ["with an empty tag", { tag_name: "", assets: [] }],
  ])("a release that is %s is passed over, and the next one read", (_what, value) => {
    const skipped: string[] = [];
    const body = Buffer.from(JSON.stringify([value, { tag_name: "v1", assets: "none" }]));
    expect(parseReleases(body, "a test", (problem) => skipped.push(problem))).toEqual([{ tag: "v1", assets: [] }]);
    expect(skipped).toHaveLength(1);
    expect(skipped[0]).not.toContain("\u001b");
  });
});

describe("what is configured", () => {
  test.each(["osv", "a/b/c", "../osv", "a/..", "a b/c", "", "/", "a/b?x"])(
    "'%s' is no repository",
    async (repository) => {
      const error = await failureOf(() => githubRemote({ name: "x", repository, releaseTag: "any", cacheFolder: "/" }));
      expect(error.code).toBe("bad-remote-repository");
    },
  );

  test.each(["", "api.github.com", "file:///etc", "ftp://a/"])("'%s' is no address", async (apiUrl) => {
    const error = await failureOf(() => githubRemote({ name: "x", apiUrl, releaseTag: "any", cacheFolder: "/" }));
    expect(error.code).toBe("bad-remote-address");
  });

  test("the address for messages holds no password; the API of a company lies below a path", () => {
    const apiUrl = "https://me:secret@github.company.com/api/v3";
    const remote = githubRemote({ name: "x", apiUrl, repository: "a/b", releaseTag: "any", cacheFolder: "/" });
    expect(remote.address).toBe("https://github.company.com/api/v3/repos/a/b/releases");
  });

  test("an interrupt ends a listing at once", async () => {
    const server = await serve([{ tag: "v1", assets: packageAssets("osv.a", "1") }]);
    const world = { ...context(), signal: AbortSignal.abort() };
    expect((await failureOf(() => remoteOf(server).packages(X86, world))).code).toBe("interrupted");
  });
});
