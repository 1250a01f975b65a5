import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Remote } from "../../src/remotes/remote.ts";
import { parseListPage } from "../../src/remotes/s3/list-xml.ts";
import { s3Remote } from "../../src/remotes/s3/remote.ts";
import { failureOf, manifestOf, temporaryFolder, testContext } from "../packages/support.ts";
import { S3Server, type S3ServerOptions } from "../support/s3-server.ts";

const QUERY = { details: false, arch: "x86_64" } as const;

/** Pauses between attempts are not slept. */
const http = { sleep: () => Promise.resolve() };

async function serve(objects: S3ServerOptions["objects"], options: Partial<S3ServerOptions> = {}): Promise<S3Server> {
  const server = await S3Server.start({ ...options, objects });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

function remoteOf(url: string): Remote {
  return s3Remote({ name: "bucket", url, cacheFolder: temporaryFolder() });
}

function context() {
  return { ...testContext("/"), http };
}

function packageObjects(...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => [
      [`packages/${name}.yaml`, manifestOf(name, `version: 1.0-${name}\n`)],
      [`packages/${name}.mpm`, `archive of ${name}`],
    ]),
  );
}

function numbered(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `pkg-${String(index).padStart(5, "0")}`);
}

describe("packages", () => {
  test("are pairs, sorted by name, with sizes; an ETag is no digest", async () => {
    const server = await serve({
      ...packageObjects("osv.cli", "app"),
      "packages/alone.yaml": "x",
      "packages/lonely.mpm": "x",
      "packages/deep/er.yaml": "x",
      "packages/deep/er.mpm": "x",
      "capstan/v0.1/linux_amd64/capstan": "x",
      "index.yaml": "at the root",
    });
    const found = await remoteOf(server.url).packages(QUERY, context());
    expect(found.map(({ name }) => name)).toEqual(["app", "osv.cli"]);
    expect(found[0]).toMatchObject({ remote: "bucket", release: undefined, version: undefined, arch: undefined });
    expect(found[0]?.archive).toEqual({
      url: `${server.url}packages/app.mpm`,
      size: 14,
      sha256: undefined,
      gzip: false,
    });
    expect(server.asked).toHaveLength(1);
  });

  test.each([
    ["x86_64", "packages/a.mpm.x86_64"],
    ["aarch64", "packages/a.mpm"],
  ])("on %s it is %s", async (arch, key) => {
    const server = await serve({ ...packageObjects("a"), "packages/a.mpm.x86_64": "x" });
    const [found] = await remoteOf(server.url).packages({ details: false, arch }, context());
    expect(found?.archive.url).toBe(`${server.url}${key}`);
  });

  test.each([
    ["cli", ["cli"]],
    ["osv.cli", ["osv.cli"]],
    ["li", []],
    ["osv", []],
    ["", []],
    ["../cli", []],
  ])("a name is no suffix: '%s' gives exactly %j", async (name, expected) => {
    const server = await serve(packageObjects("osv.cli", "cli", "cli.more", "xcli"));
    for (const names of [[name], [name, "not-there"]]) {
      const found = await remoteOf(server.url).packages({ ...QUERY, names }, context());
      expect(found.map((one) => one.name)).toEqual(expected);
      for (const { archive, manifest } of found) {
        expect([archive.url, manifest.url]).toEqual([
          `${server.url}packages/${name}.mpm`,
          `${server.url}packages/${name}.yaml`,
        ]);
      }
    }
  });

  test("a plus sign stays one in the address", async () => {
    const server = await serve(packageObjects("c++"));
    const [found] = await remoteOf(server.url).packages({ ...QUERY, details: true }, context());
    expect(found).toMatchObject({ name: "c++", version: "1.0-c++" });
  });
});

describe("images", () => {
  const loader = {
    "osv-loader/osv-loader.qemu.gz": "packed",
    "osv-loader/osv-loader.elf.gz": "kernel",
    "osv-loader/index.yaml":
      "format_version: 1\nversion: 0.57\ndescription: OSv Bootloader\ncreated: 2017-09-14 18:08\n",
  };
  const mike = { "mike/osv-loader/osv-loader.qemu": "raw", "mike/osv-loader/index.yaml": "description: Old\n" };

  test.each([
    ["osv-loader", "osv-loader/osv-loader.qemu.gz", true],
    ["mike/osv-loader", "mike/osv-loader/osv-loader.qemu", false],
  ])("D23: the loader %s is found by its exact name", async (name, key, gzip) => {
    const server = await serve({ ...loader, ...mike });
    const found = await remoteOf(server.url).images({ ...QUERY, names: [name], details: true }, context());
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ name, disk: { url: `${server.url}${key}`, gzip } });
  });

  test("have what their index says, and the kernel beside them", async () => {
    const server = await serve({ ...loader, ...mike });
    const found = await remoteOf(server.url).images({ ...QUERY, details: true }, context());
    expect(found).toHaveLength(2);
    expect(found[0]).toMatchObject({
      name: "mike/osv-loader",
      version: undefined,
      description: "Old",
      kernel: undefined,
    });
    expect(found[1]).toMatchObject({ name: "osv-loader", version: "0.57", created: "2017-09-14 18:08" });
    expect(found[1]?.kernel).toMatchObject({ url: `${server.url}osv-loader/osv-loader.elf.gz`, gzip: true, size: 6 });
  });

  test.each([
    ["without an index", { "ns/app/app.qemu": "x" }, ["ns/app"]],
    ["an index alone", { "ns/app/index.yaml": "x" }, []],
    ["an index at the root, which crashed the original", { "index.yaml": "x", "osv.qemu": "x" }, []],
    ["a disk of another name", { "app/other.qemu": "x", "app/index.yaml": "x" }, []],
    ["for another hypervisor", { "app/app.vbox.gz": "x", "app/index.yaml": "x" }, []],
    ["too deep", { "a/b/c/c.qemu": "x" }, []],
    ["in the folder of packages", { "packages/app/app.qemu": "x" }, []],
    ["both packed and not", { "app/app.qemu": "x", "app/app.qemu.gz": "x" }, ["app"]],
  ])("%s", async (_what, objects, expected) => {
    const server = await serve(objects);
    expect((await remoteOf(server.url).images(QUERY, context())).map(({ name }) => name)).toEqual(expected);
  });
});

describe("listings", () => {
  const names = numbered(5000);

  test.each<[string, Partial<S3ServerOptions>, number]>([
    ["version 2", { version: 2 }, 10],
    ["version 1, which says where the next page begins", { version: 1, nextMarker: true }, 10],
    ["version 1, where it is the last key", { version: 1, nextMarker: false }, 10],
    ["a server that refuses version 2", { version: "refuses 2" }, 11],
    ["all at once", { pageSize: 20_000 }, 1],
    ["a server that does not know of prefixes", { version: 1, ignoresPrefix: true }, 11],
  ])("10,000 keys in pages: %s", async (_what, options, requests) => {
    const server = await serve({ ...packageObjects(...names), "zz/other": "x" }, options);
    const found = await remoteOf(server.url).packages(QUERY, context());
    expect(found.map(({ name }) => name)).toEqual(names);
    expect(server.listings).toHaveLength(requests);
  });

  test("of 10,000 keys, one package costs one request", async () => {
    const server = await serve(packageObjects(...names));
    const found = await remoteOf(server.url).packages({ ...QUERY, names: ["pkg-04321"] }, context());
    expect(found.map(({ name }) => name)).toEqual(["pkg-04321"]);
    expect(server.asked).toHaveLength(1);
  });

  test("pages go on behind keys with characters of XML", async () => {
    const odd = Object.fromEntries(
      ["a&b", "a<b", "a b+c", "a%2Fb", "ä", "a\"'b"].map((key) => [`packages/${key}`, ""]),
    );
    for (const version of [1, 2] as const) {
      const server = await serve({ ...odd, ...packageObjects("app") }, { version, pageSize: 1 });
      const found = await remoteOf(server.url).packages(QUERY, context());
      expect(found.map(({ name }) => name)).toEqual(["app"]);
      expect(server.listings).toHaveLength(8);
    }
  });

  test.each([
    ["/", "/"],
    ["/", ""],
    ["/bucket/", "/bucket/"],
    ["/bucket/", "/bucket"],
  ])("a bucket at %s is found at the address that ends in '%s'", async (path, end) => {
    const server = await serve(packageObjects("app"), { path });
    const url = new URL(server.url).origin + end;
    const [found] = await remoteOf(url).packages({ ...QUERY, details: true }, context());
    expect(found).toMatchObject({ name: "app", version: "1.0-app", archive: { url: `${server.url}packages/app.mpm` } });
  });

  test("credentials in the address are sent, and not shown", async () => {
    const server = await serve(packageObjects("app"));
    const remote = remoteOf(server.url.replace("//", "//me:pa%20ss@"));
    const [found] = await remote.packages({ ...QUERY, details: true }, context());
    const authorization = `Basic ${Buffer.from("me:pa ss").toString("base64")}`;
    expect(server.authorizations).toEqual([authorization, authorization]);
    expect(found?.archive).toMatchObject({ url: `${server.url}packages/app.mpm`, headers: { authorization } });
    expect(remote.address).toBe(server.url);
  });
});

describe("details", () => {
  test("are read in parallel and kept: the second time costs the listing alone", async () => {
    const names = numbered(40);
    const server = await serve(packageObjects(...names));
    const remote = remoteOf(server.url);
    const first = await remote.packages({ ...QUERY, details: true }, context());
    expect(first.map(({ version }) => version)).toEqual(names.map((name) => `1.0-${name}`));
    expect(server.asked).toHaveLength(41);
    expect(await remote.packages({ ...QUERY, details: true }, context())).toEqual(first);
    expect(server.asked).toHaveLength(42);
  });

  test("a manifest that cannot be read is a warning that names it, and the others are there", async () => {
    const server = await serve({ ...packageObjects("a", "b", "c"), "packages/b.yaml": "b: [" });
    server.failing.set("/packages/c.yaml", { status: 403, body: "<html>no</html>" });
    const world = context();
    const found = await remoteOf(server.url).packages({ ...QUERY, details: true }, world);
    expect(found.map(({ name, version }) => [name, version])).toEqual([
      ["a", "1.0-a"],
      ["b", undefined],
      ["c", undefined],
    ]);
    const warnings = world.events.flatMap((event) => (event.kind === "warning" ? [event.text] : []));
    expect(warnings.sort()).toEqual([
      expect.stringMatching(/'bucket'.*manifest of 'b'/),
      expect.stringMatching(/'bucket'.*manifest of 'c'/),
    ]);
  });
});

describe("hostile listings", () => {
  const sound = packageObjects("app");
  const endless =
    "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a</Key></Contents></ListBucketResult>";

  test.each<[string, (xml: string) => string, RegExp]>([
    ["cut off in the middle", (xml) => xml.slice(0, xml.length / 2), /not complete/],
    ["cut off before the last bracket", (xml) => xml.slice(0, -1), /not complete/],
    ["empty", () => "", /not complete/],
    ["a web page", () => "<!DOCTYPE html><html><body><p>Welcome<br></body></html>", /web page/],
    [
      "an error with status 200",
      () => "<Error><Code>SlowDown</Code><Message>Wait.</Message></Error>",
      /SlowDown: Wait/,
    ],
    ["another document", () => "<ListAllMyBucketsResult/>", /without a ListBucketResult/],
    ["JSON", () => "{}", /not complete/],
    ["entities", (xml) => xml.replace("<List", '<!DOCTYPE a [<!ENTITY b "c">]><List'), /document type/],
    [
      "entities in small letters",
      (xml) => xml.replace("<List", '<!doctype a [<!entity b "c">]><List'),
      /document type/,
    ],
    ["not UTF-8", () => "\ufffe".repeat(3), /not complete/],
    ["objects without keys", (xml) => xml.replaceAll(/<Key>[^<]*<\/Key>/g, ""), /without a key/],
    ["keys in keys", (xml) => xml.replace("<Key>", "<Key><Key>").replace("</Key>", "</Key></Key>"), /without a key/],
    ["nested without end", () => `${"<a>".repeat(5000)}${"</a>".repeat(5000)}`, /cannot|can be read|without/],
    [
      "more, and not where",
      (xml) => xml.replace("false", "true").replaceAll(/<Contents>.*<\/Contents>/g, ""),
      /not where/,
    ],
    ["the same page again and again", () => endless, /circle/],
  ])("%s is an error that names the remote and its address", async (_what, tamper, problem) => {
    const server = await serve(sound);
    server.tamper = tamper;
    const error = await failureOf(() => remoteOf(server.url).packages(QUERY, context()));
    expect(error).toMatchObject({ code: "remote-bad-listing", message: expect.stringMatching(problem) });
    expect(error.message).toContain("'bucket'");
    expect(error.message).toContain(server.url);
  });

  test("one that does not end is given up", async () => {
    const server = await serve(sound, { version: 1 });
    const page = (number: number) =>
      `<ListBucketResult><IsTruncated>true</IsTruncated><NextMarker>${number}</NextMarker></ListBucketResult>`;
    server.tamper = (_xml, number) => page(number);
    const error = await failureOf(() => remoteOf(server.url).packages(QUERY, context()));
    expect(error).toMatchObject({ code: "remote-bad-listing", message: expect.stringContaining("does not end") });
  });

  test.each([
    [404, "remote-not-found"],
    [403, "remote-forbidden"],
    [500, "remote-error"],
  ])("D6: a page of status %d is an error", async (status, code) => {
    const server = await serve(sound);
    server.failing.set("/", { status, body: "<html>sorry</html>" });
    const error = await failureOf(() => remoteOf(server.url).packages(QUERY, context()));
    expect(error).toMatchObject({ code, message: expect.stringContaining("'bucket'") });
  });

  test.each([
    "packages/../../etc/app.mpm",
    "../packages/app.mpm",
    "/packages/app.mpm",
    "packages//app.mpm",
    "packages/..yaml",
    "packages/.mpm",
    "packages/a\u0001b.mpm",
    "packages/a\nb.yaml",
    "packages/a\\..\\b.yaml",
    "packages/-rf.mpm",
    `packages/${"a".repeat(250)}.mpm`,
    "../x/x.qemu",
    "./x.qemu",
    "..\\x/x.qemu",
    ".hidden/index.yaml",
    "ns/-rf/index.yaml",
    "a\u001b[2J/b.qemu",
  ])("the key %j is passed over, and a detail says so", async (key) => {
    const server = await serve({ ...sound, [key]: "x", "osv/osv.qemu": "x" }, { ignoresPrefix: true });
    const world = context();
    const remote = remoteOf(server.url);
    expect((await remote.packages(QUERY, world)).map(({ name }) => name)).toEqual(["app"]);
    expect((await remote.images(QUERY, world)).map(({ name }) => name)).toEqual(["osv"]);
    const details = world.events.flatMap((event) => (event.kind === "detail" ? [event.text] : []));
    expect(details).not.toEqual([]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal would obey them
    for (const detail of details) expect(detail).not.toMatch(/[\u0000-\u001f]/);
  });

  test("folders as objects, which some tools make, are no reason for a detail", async () => {
    const server = await serve({ ...sound, "packages/": "", "osv-loader/": "" });
    const world = context();
    expect(await remoteOf(server.url).packages(QUERY, world)).toHaveLength(1);
    expect(world.events).toEqual([]);
  });

  test("whatever a listing is cut to, it is a page or a problem", async () => {
    const server = await serve({ ...packageObjects("a", "b"), "x&y": "" });
    let whole = "";
    server.tamper = (xml) => {
      whole = xml;
      return xml;
    };
    await remoteOf(server.url).packages(QUERY, context());
    for (let end = 0; end < whole.length; end++) {
      expect(await parseListPage(Buffer.from(whole.slice(0, end)))).toHaveProperty("problem");
    }
    expect(await parseListPage(Buffer.from(whole))).toHaveProperty("objects");
  });

  test("no bytes make it throw", async () => {
    const pieces = [
      "<ListBucketResult>",
      "</ListBucketResult>",
      "<Contents>",
      "</Contents>",
      "<Key>",
      "</Key>",
      "&#x0;",
      "&amp;",
    ];
    const text = fc.array(fc.oneof(fc.constantFrom(...pieces, "<__proto__>", "<![CDATA[", "<?", "<!--"), fc.string()));
    await fc.assert(
      fc.asyncProperty(text, async (parts) => {
        const page = await parseListPage(Buffer.from(parts.join("")));
        expect("problem" in page || Array.isArray(page.objects)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ["&amp;amp;", "&amp;"],
    [" a ", " a "],
    ["a&#43;b&#x2B;c", "a+b+c"],
    ["&undefined;", "&undefined;"],
    ["&#x110000;", "&#x110000;"],
  ])("the text %s is %s", async (written, key) => {
    const xml = `<ListBucketResult><Contents><Key>${written}</Key></Contents></ListBucketResult>`;
    expect(await parseListPage(Buffer.from(xml))).toMatchObject({ objects: [{ key }] });
  });
});

test.each(["", "bucket", "s3://bucket/", "file:///srv/bucket", "https://"])(
  "'%s' is no address of a bucket",
  async (url) => {
    const error = await failureOf(() => remoteOf(url));
    expect(error).toMatchObject({ code: "bad-remote-address", message: expect.stringContaining("'bucket'") });
  },
);
