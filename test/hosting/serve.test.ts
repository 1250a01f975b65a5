import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { additionOf, addToRepository } from "../../src/hosting/add-to-repository.ts";
import { parseRange } from "../../src/hosting/serve/range.ts";
import { prefersHtml } from "../../src/hosting/serve/router.ts";
import { type Serving, serve } from "../../src/hosting/serve/server.ts";
import { parseIndex } from "../../src/remotes/index/parse.ts";
import { failureOf, manifestOf, temporaryFolder, testContext, writeFiles } from "../packages/support.ts";
import { bootableDisk } from "../store/support.ts";
import { emptyRepository, makePackage, served } from "./support.ts";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** Sends the path as it is: fetch would tidy it. */
function ask(serving: Serving, path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port: serving.port, path, method, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
      );
    });
    asking.on("error", reject).end();
  });
}

const CONTENT = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251));

describe("files", () => {
  let dir = "";
  let serving: Serving;
  beforeEach(async () => {
    dir = emptyRepository().dir;
    writeFiles(dir, {
      "packages/a.mpm": CONTENT,
      "packages/empty.yaml": "",
      "packages/a+b c@1%.mpm": "odd",
      ".capstan/digests.json": "{}",
      "packages/.a.mpm.1-00000000.part": "half",
      "index.html": "<!doctype html>",
    });
    serving = await served(dir);
  });

  test("whole, with what caches need", async () => {
    const { status, headers, body } = await ask(serving, "/packages/a.mpm");
    expect([status, body.equals(CONTENT)]).toEqual([200, true]);
    expect(headers).toMatchObject({
      "content-length": "1000",
      "accept-ranges": "bytes",
      "x-content-type-options": "nosniff",
    });
    const again = await ask(serving, "/packages/a.mpm", { "if-none-match": String(headers.etag) });
    expect([again.status, again.body.length]).toEqual([304, 0]);
    const since = await ask(serving, "/packages/a.mpm", { "if-modified-since": String(headers["last-modified"]) });
    expect(since.status).toBe(304);
    const head = await ask(serving, "/packages/a.mpm", {}, "HEAD");
    expect([head.status, head.headers["content-length"], head.headers.etag]).toEqual([200, "1000", headers.etag]);
    expect((await ask(serving, "/packages/empty.yaml")).body).toHaveLength(0);
    expect((await ask(serving, "/packages/a%2Bb%20c%401%25.mpm")).body.toString()).toBe("odd");
  });

  test.each<[string, number, string | undefined, number, number]>([
    ["bytes=0-0", 206, "bytes 0-0/1000", 0, 1],
    ["bytes=10-19", 206, "bytes 10-19/1000", 10, 20],
    ["bytes=990-", 206, "bytes 990-999/1000", 990, 1000],
    ["bytes=990-5000", 206, "bytes 990-999/1000", 990, 1000],
    ["bytes=-10", 206, "bytes 990-999/1000", 990, 1000],
    ["bytes=-5000", 206, "bytes 0-999/1000", 0, 1000],
    ["bytes=1000-", 416, "bytes */1000", 0, 0],
    ["bytes=-0", 416, "bytes */1000", 0, 0],
    ["bytes=20-10", 200, undefined, 0, 1000],
    ["bytes=0-1,5-6", 200, undefined, 0, 1000],
    ["lines=0-1", 200, undefined, 0, 1000],
    ["bytes=-", 200, undefined, 0, 1000],
  ])("Range: %s answers %i", async (range, status, contentRange, start, end) => {
    const answer = await ask(serving, "/packages/a.mpm", { range });
    expect([answer.status, answer.headers["content-range"]]).toEqual([status, contentRange]);
    expect(answer.body).toEqual(CONTENT.subarray(start, end));
  });

  test("a range of a file that was replaced is all of the new one", async () => {
    const { headers } = await ask(serving, "/packages/a.mpm");
    const range = { range: "bytes=500-", "if-range": String(headers.etag) };
    expect((await ask(serving, "/packages/a.mpm", range)).status).toBe(206);
    writeFiles(dir, { "packages/new": Buffer.alloc(1000, 1) });
    renameSync(join(dir, "packages/new"), join(dir, "packages/a.mpm"));
    const answer = await ask(serving, "/packages/a.mpm", range);
    expect([answer.status, answer.body]).toEqual([200, Buffer.alloc(1000, 1)]);
  });

  test.each([
    "/../../../../etc/passwd",
    "/packages/../../repo/../../etc/passwd",
    "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2f..%2fetc%2fpasswd",
    "/packages%2fa.mpm",
    "/packages%5ca.mpm",
    "/packages//a.mpm",
    "//packages/a.mpm",
    "/packages/./a.mpm",
    "/packages/a.mpm/",
    "/packages/a.mpm%00.yaml",
    "/packages/",
    "/packages",
    "/.capstan/digests.json",
    "/packages/.a.mpm.1-00000000.part",
    "/outside/secret",
    "/secret",
    "/circle",
    "/hidden",
    "/%ff",
    "/%",
    "/repos/../../etc/passwd",
  ])("%s is not found", async (path) => {
    const outside = temporaryFolder();
    writeFiles(outside, { secret: "secret" });
    symlinkSync(outside, join(dir, "outside"));
    symlinkSync(join(outside, "secret"), join(dir, "secret"));
    symlinkSync("circle", join(dir, "circle"));
    symlinkSync(".capstan/digests.json", join(dir, "hidden"));
    const answer = await ask(serving, path);
    expect([answer.status, answer.body.toString()]).toEqual([404, "There is nothing here.\n"]);
  });

  test("links that stay inside are followed", async () => {
    symlinkSync("a.mpm", join(dir, "packages/link.mpm"));
    expect((await ask(serving, "/packages/link.mpm")).body.equals(CONTENT)).toBe(true);
  });

  test.each(["PUT", "POST", "DELETE", "OPTIONS"])("%s changes nothing", async (method) => {
    const answer = await ask(serving, "/packages/a.mpm", {}, method);
    expect([answer.status, answer.headers.allow]).toEqual([405, "GET, HEAD"]);
    expect(readFileSync(join(dir, "packages/a.mpm")).equals(CONTENT)).toBe(true);
  });

  test("people get the page at the root, programs the listing", async () => {
    const page = await ask(serving, "/", { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" });
    expect([page.headers["content-type"], page.body.toString()]).toEqual([
      "text/html; charset=utf-8",
      "<!doctype html>",
    ]);
    const listing = await ask(serving, "/");
    expect([listing.headers["content-type"], listing.headers.vary]).toEqual(["application/xml", "Accept"]);
    expect(listing.body.toString()).toContain("<Key>packages/a.mpm</Key>");
  });
});

test.each([
  [undefined, false],
  ["*/*", false],
  ["text/html", true],
  ["text/html;q=0.5, application/xml", false],
  ["application/xml;q=0.9, text/html", true],
  ["text/html;q=0", false],
  ["application/json", false],
])("Accept: %s is of a browser: %s", (accept, expected) => expect(prefersHtml(accept)).toBe(expected));

test("a range is always within the file", () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(), fc.nat(), fc.nat(1000), (text, a, b, size) => {
      for (const header of [text, `bytes=${a}-${b}`, `bytes=${a}-`, `bytes=-${b}`, `bytes=${text}`]) {
        const range = parseRange(header, size);
        if (range === undefined || range === "unsatisfiable") continue;
        expect(range.start).toBeGreaterThanOrEqual(0);
        expect(range.end).toBeGreaterThanOrEqual(range.start);
        expect(range.end).toBeLessThan(size);
      }
    }),
  );
});

describe("the listing of a bucket", () => {
  const keysOf = (body: string) => [...body.matchAll(/<Contents><Key>([^<]*)<\/Key>/g)].map(([, key]) => key ?? "");
  const elementOf = (body: string, name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1];

  async function bucket(files: readonly string[]) {
    const { dir } = emptyRepository();
    writeFiles(dir, Object.fromEntries(files.map((file) => [file, file])));
    const serving = await served(dir);
    return async (query = "") => (await ask(serving, `/${query}`)).body.toString();
  }

  const MANY = Array.from({ length: 2500 }, (_, index) => `packages/p${String(index).padStart(4, "0")}.yaml`);

  test("without a word about pages is whole, for the original", async () => {
    const list = await bucket([...MANY, ".capstan/x", "packages/.y"]);
    const body = await list();
    expect(keysOf(body)).toEqual(MANY);
    expect(elementOf(body, "IsTruncated")).toBe("false");
    expect(body).toContain('<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">');
    expect(body).toMatch(/<Size>19<\/Size>/);
  });

  test.each([
    ["1", "?max-keys=1000&marker=", (body: string) => keysOf(body).at(-1)],
    ["2", "?list-type=2&continuation-token=", (body: string) => elementOf(body, "NextContinuationToken")],
  ])("version %s gives pages of a thousand", async (_, query, next) => {
    const list = await bucket(MANY);
    const keys: string[] = [];
    const pages: number[] = [];
    let body = await list(query.replace(/&[^&]*$/, ""));
    for (; ; body = await list(query + encodeURIComponent(next(body) ?? ""))) {
      keys.push(...keysOf(body));
      pages.push(keysOf(body).length);
      if (elementOf(body, "IsTruncated") === "false") break;
    }
    expect(keys).toEqual(MANY);
    expect(pages).toEqual([1000, 1000, 500]);
  });

  test.each([
    ["?prefix=a%2Fb", ["a/b/1", "a/b/2", "a/b&<>'\""], []],
    ["?delimiter=%2F", ["top"], ["a/", "z/"]],
    ["?list-type=2&prefix=a%2F&delimiter=%2F", ["a/b&<>'\""], ["a/b/"]],
    ["?list-type=2&start-after=a%2Fb%2F2&max-keys=1", ["top"], []],
    ["?list-type=2&max-keys=0", [], []],
    ["?prefix=none", [], []],
  ])("%s", async (query, keys, prefixes) => {
    const list = await bucket(["a/b/1", "a/b/2", "a/b&<>'\"", "z/1", "top"]);
    const body = await list(query);
    const plain = (text = "") =>
      text.replace(
        /&(amp|lt|gt|quot|apos);/g,
        (_, name) => ({ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" })[name as "amp"],
      );
    expect(keysOf(body).map(plain).sort()).toEqual([...keys].sort());
    expect([...body.matchAll(/<CommonPrefixes><Prefix>([^<]*)/g)].map(([, prefix]) => prefix)).toEqual(prefixes);
  });

  test("is in the order of bytes, as in S3", async () => {
    const names = ["a\u{1f600}", "a\uff5e", "aé", "az", "a-b", "a/b", "B"];
    const list = await bucket(names);
    const inBytes = names.map((name) => Buffer.from(name)).sort(Buffer.compare);
    expect(keysOf(await list())).toEqual(inBytes.map(String));
    const encoded = keysOf(await list("?encoding-type=url"));
    expect(encoded.map(decodeURIComponent)).toEqual(inBytes.map(String));
  });
});

describe("the releases of GitHub's API", () => {
  async function releases() {
    const { dir, context } = emptyRepository();
    for (const version of ["1.0", "2.0"]) {
      await addToRepository(dir, [additionOf(await makePackage("osv.hello", { version }))], {}, context);
    }
    writeFiles(dir, {
      "packages/osv.zfs.mpm.x86_64": "x",
      "packages/osv.zfs.yaml": manifestOf("osv.zfs"),
      "osv-loader/osv-loader.qemu": bootableDisk(),
      "osv-loader/osv-loader.elf": "ELF",
      "osv-loader/index.yaml": "version: 1\n",
      "mike/osv-loader/osv-loader.qemu": bootableDisk(1024),
    });
    const file = additionOf(await makePackage("other"));
    await addToRepository(dir, [file], {}, context);
    return await served(dir);
  }

  test("has all in one release, with flat names as OSv's have, each leading to its file", async () => {
    const serving = await releases();
    const answer = await ask(serving, "/repos/cloudius-systems/osv/releases?per_page=100");
    const [release, ...others] = JSON.parse(answer.body.toString());
    expect(others).toEqual([]);
    expect([release.tag_name, release.draft]).toEqual(["local", false]);
    const assets: { name: string; size: number; browser_download_url: string; digest: string }[] = release.assets;
    expect(assets.map(({ name }) => name).sort()).toEqual([
      "index.yaml",
      "osv-loader.elf.x86_64",
      "osv-loader.qemu.x86_64",
      "osv.hello.mpm",
      "osv.hello.yaml",
      "osv.zfs.mpm.x86_64",
      "osv.zfs.yaml",
      "other.mpm",
      "other.yaml",
    ]);
    for (const { size, browser_download_url: url, digest } of assets) {
      const body = Buffer.from(await (await fetch(url)).arrayBuffer());
      expect(body).toHaveLength(size);
      expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    }
    const again = await ask(serving, "/repos/a/b/releases", { "if-none-match": String(answer.headers.etag) });
    expect(again.status).toBe(304);
  });

  test.each([
    ["/repos/o/n/releases/latest", 200],
    ["/repos/o/n/releases/tags/local", 200],
    ["/api/v3/repos/o/n/releases/latest", 200],
    ["/repos/o/n/releases/tags/v0.57.0", 404],
    ["/repos/o/n/releases/toString", 404],
  ])("%s answers %i", async (path, status) => {
    const serving = await releases();
    const answer = await ask(serving, path);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body.toString())).toMatchObject(
      status === 200 ? { tag_name: "local" } : { message: "Not Found" },
    );
    expect(JSON.parse((await ask(serving, "/repos/o/n/releases?page=2")).body.toString())).toEqual([]);
  });

  test("addresses are those by which the reader came; what is none is not repeated", async () => {
    const serving = await releases();
    const urls = async (host: string) => {
      const { body } = await ask(serving, "/repos/o/n/releases/latest", { host });
      return JSON.parse(body.toString()).assets[0].browser_download_url as string;
    };
    expect(await urls("mirror.example:81")).toMatch(/^http:\/\/mirror\.example:81\//);
    expect(await urls("evil.example/x?")).toMatch(/^http:\/\/127\.0\.0\.1:\d+\//);
  });
});

describe("a repository without pages", () => {
  test("has them all the same, of what is in it now", async () => {
    const { dir, context } = emptyRepository();
    await addToRepository(dir, [additionOf(await makePackage("hello"))], {}, context);
    const serving = await served(dir);
    const read = async (path: string) => {
      const { status, headers, body } = await ask(serving, path, { accept: "text/html" });
      return [status, headers["content-type"], /<a href="packages\/new.html">|<h1>hello/.exec(body.toString())?.[0]];
    };
    const type = "text/html; charset=utf-8";
    expect(await read("/")).toEqual([200, type, undefined]);
    await addToRepository(dir, [additionOf(await makePackage("new"))], {}, context);
    for (const path of ["/", "/index.html"])
      expect(await read(path)).toEqual([200, type, '<a href="packages/new.html">']);
    expect(await read("/packages/hello.html")).toEqual([200, type, "<h1>hello"]);
    expect((await read("/packages/gone.html"))[0]).toBe(404);
    expect(existsSync(join(dir, "index.html"))).toBe(false);
  });
});

describe("a folder without an index", () => {
  test("is given out as if it had one, and nothing is written into it but digests", async () => {
    const { dir } = emptyRepository();
    const hello = await makePackage("hello");
    writeFiles(dir, {
      "packages/hello.mpm": readFileSync(hello),
      "packages/hello.yaml": manifestOf("hello", 'version: "1.0"\n'),
    });
    let minute = 0;
    const serving = await served(dir, testContext(dir, { now: () => new Date(2026, 1, 1, 1, minute++) }));
    const first = await ask(serving, "/index.json");
    expect(parseIndex(first.body, "index.json").packages.map(({ name }) => name)).toEqual(["hello"]);
    expect((await ask(serving, "/index.json")).body).toEqual(first.body);
    writeFiles(dir, { "packages/new.mpm": "x", "packages/new.yaml": manifestOf("new") });
    const names = parseIndex((await ask(serving, "/index.json")).body, "index.json").packages.map(({ name }) => name);
    expect(names).toEqual(["hello", "new"]);
  });
});

test("ends with the signal, and breaks off what is on its way", async () => {
  const { dir } = emptyRepository();
  writeFiles(dir, { "packages/large.mpm": Buffer.alloc(64 * 2 ** 20) });
  const stop = new AbortController();
  const serving = await serve(dir, { port: 0, host: "127.0.0.1" }, testContext(dir, { signal: stop.signal }));
  const answer = await fetch(`${serving.url}packages/large.mpm`);
  stop.abort();
  await serving.closed;
  await expect(answer.arrayBuffer()).rejects.toThrow();
});

test("a port that is taken is told", async () => {
  const { dir, context } = emptyRepository();
  const { port } = await served(dir);
  const error = await failureOf(() => serve(dir, { port, host: "127.0.0.1" }, context));
  expect([error.code, error.message]).toEqual([
    "port-in-use",
    `Cannot listen on port ${port} of 127.0.0.1: something else listens there`,
  ]);
});

test("a folder that goes away while it is served is not found any more", async () => {
  const { dir } = emptyRepository();
  writeFiles(dir, { "packages/a.mpm": "x" });
  const serving = await served(dir);
  renameSync(dir, `${dir}-away`);
  expect((await ask(serving, "/packages/a.mpm")).status).toBe(404);
  expect((await ask(serving, "/")).status).toBe(200);
  mkdirSync(dir);
  writeFileSync(join(dir, "b"), "y");
  expect((await ask(serving, "/b")).body.toString()).toBe("y");
});
