import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { formatIndex } from "../../../src/remotes/index/format.ts";
import { indexRemote } from "../../../src/remotes/index/remote.ts";
import { generateKeys, signIndex } from "../../../src/remotes/index/signature.ts";
import { failureOf, manifestOf, temporaryFolder, testContext, writeFiles } from "../../packages/support.ts";
import { DIGEST, indexedFile, indexedImage, indexedPackage, repositoryIndex } from "./support.ts";

const ALL = { details: true, arch: "x86_64" } as const;

interface StaticServer {
  readonly url: string;
  /** Whatever was asked for, in order: `/index.json`, with ` 304` where nothing was sent. */
  readonly asked: string[];
  readonly headers: IncomingMessage["headers"][];
}

/** Files with ETags, as any static host gives them out; `before` may answer otherwise. */
async function staticServer(
  files: Record<string, string | Buffer>,
  before: (path: string, response: ServerResponse) => boolean = () => false,
): Promise<StaticServer> {
  const asked: string[] = [];
  const headers: IncomingMessage["headers"][] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    headers.push(request.headers);
    const content = files[path.replace(/^\/repo\//, "")];
    const etag = `"${content?.length}-${content?.toString().slice(-20).replace(/\W/g, "")}"`;
    const isKnown = content !== undefined && request.headers["if-none-match"] === etag;
    asked.push(isKnown ? `${path} 304` : path);
    if (before(path, response)) return;
    if (content === undefined) response.writeHead(404).end("<html>404</html>");
    else if (isKnown) response.writeHead(304).end();
    else response.writeHead(200, { etag }).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/repo`, asked, headers };
}

function remoteOf(url: string, more: { readonly keys?: readonly string[]; readonly cacheFolder?: string } = {}) {
  return indexRemote({ name: "mine", url, keys: [], cacheFolder: temporaryFolder(), ...more });
}

const INDEX = repositoryIndex({
  packages: [
    indexedPackage("a", { version: "1.9" }),
    indexedPackage("a", { version: "1.10", archive: indexedFile("packages/a@1.10.mpm"), require: ["b >=1"] }),
    indexedPackage("b", { arch: "aarch64" }),
    indexedPackage("c", { arch: "x86_64", title: "C", created: "2026-01-01 10:00", platform: "Ubuntu" }),
  ],
  images: [indexedImage("osv-loader", { version: "0.57.0", kernel: indexedFile("osv-loader/osv-loader.elf") })],
});

describe("a web server", () => {
  test("is asked once for all, and once for nothing new the next time", async () => {
    const server = await staticServer({ "index.json": formatIndex(INDEX) });
    const cacheFolder = temporaryFolder();
    const remote = remoteOf(server.url, { cacheFolder });
    const context = testContext("/");
    const packages = await remote.packages(ALL, context);
    const [image] = await remote.images(ALL, context);
    expect(packages.map(({ name, version }) => [name, version])).toEqual([
      ["a", "1.10"],
      ["a", "1.9"],
      ["c", undefined],
    ]);
    expect(packages[0]).toEqual({
      name: "a",
      remote: "mine",
      release: undefined,
      version: "1.10",
      arch: undefined,
      created: undefined,
      platform: undefined,
      title: undefined,
      require: ["b >=1"],
      archive: {
        url: `${server.url}/packages/a%401.10.mpm`,
        size: 1234,
        sha256: DIGEST,
        gzip: false,
        headers: undefined,
      },
      manifest: { url: `${server.url}/packages/a.yaml`, size: 1234, sha256: DIGEST, gzip: false, headers: undefined },
    });
    expect(image).toMatchObject({
      name: "osv-loader",
      disk: { gzip: true },
      kernel: { gzip: false },
      index: undefined,
    });
    expect(server.asked).toEqual(["/repo/index.json"]);
    await remoteOf(server.url, { cacheFolder }).packages(ALL, context);
    expect(server.asked).toEqual(["/repo/index.json", "/repo/index.json 304"]);
  });

  test("names choose exactly, and another architecture sees what is its own", async () => {
    const server = await staticServer({ "index.json": formatIndex(INDEX) });
    const remote = remoteOf(`${server.url}/`);
    const names = async (query: { names?: readonly string[]; arch?: string }) =>
      (await remote.packages({ ...ALL, ...query }, testContext("/"))).map(({ name }) => name);
    expect(await names({ names: ["c", "osv"] })).toEqual(["c"]);
    expect(await names({ names: [] })).toEqual([]);
    expect(await names({ arch: "aarch64" })).toEqual(["a", "a", "b"]);
  });

  test.each([
    ["404", {}, "remote-not-found", /it has no index\.json/],
    ["a page instead", { "index.json": "<html>Sign in</html>" }, "remote-index-invalid", /it is a web page/],
    ["a newer index", { "index.json": '{"schema": 2}' }, "remote-index-newer", /schema 2/],
  ])("%s is told, with the address", async (_, files, code, message) => {
    const server = await staticServer(files as Record<string, string>);
    const error = await failureOf(() => remoteOf(server.url).packages(ALL, testContext("/")));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(server.url);
  });

  test("after a failure the next question is asked anew", async () => {
    const files: Record<string, string> = {};
    const server = await staticServer(files);
    const remote = remoteOf(server.url);
    await failureOf(() => remote.packages(ALL, testContext("/")));
    files["index.json"] = formatIndex(INDEX);
    expect(await remote.packages(ALL, testContext("/"))).toHaveLength(3);
  });

  test("credentials of the address are sent along, and shown nowhere", async () => {
    const server = await staticServer({ "index.json": formatIndex(INDEX) });
    const remote = remoteOf(server.url.replace("//", "//me:p%40ss@"));
    expect(remote.address).toBe(`${server.url}/`);
    const [item] = await remote.packages(ALL, testContext("/"));
    const authorization = `Basic ${Buffer.from("me:p@ss").toString("base64")}`;
    expect(server.headers[0]?.authorization).toBe(authorization);
    expect(item?.archive).toMatchObject({ url: expect.not.stringContaining("me:"), headers: { authorization } });
  });
});

describe("with a key", () => {
  const { pem, publicKey } = generateKeys();
  const text = formatIndex(INDEX);
  const signature = signIndex(Buffer.from(text), pem, "key");
  const keys = [generateKeys().publicKey.text, publicKey.text];

  test("a signed index is taken, with two requests", async () => {
    const server = await staticServer({ "index.json": text, "index.json.sig": signature });
    expect(await remoteOf(server.url, { keys }).packages(ALL, testContext("/"))).toHaveLength(3);
    expect(server.asked).toEqual(["/repo/index.json", "/repo/index.json.sig"]);
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ["unsigned", { "index.json": text }, /it is not signed/],
    [
      "changed",
      { "index.json": text.replace('"size":1234', '"size":1235'), "index.json.sig": signature },
      /was changed/,
    ],
    [
      "signed by somebody else",
      { "index.json": text, "index.json.sig": signIndex(Buffer.from(text), generateKeys().pem, "") },
      /not trusted/,
    ],
    ["signed with garbage", { "index.json": text, "index.json.sig": "<html>" }, /damaged/],
  ])("an index that is %s is refused", async (_, files, message) => {
    const server = await staticServer(files);
    const error = await failureOf(() => remoteOf(server.url, { keys }).images(ALL, testContext("/")));
    expect(error.code).toBe("remote-untrusted");
    expect(error.message).toMatch(message);
  });

  test("between index and signature a newer pair may come", async () => {
    const newer = formatIndex({ ...INDEX, generated: "2026-12-01T00:00:00Z" });
    const files: Record<string, string> = { "index.json": text, "index.json.sig": signature };
    const server = await staticServer(files, (path) => {
      if (path.endsWith(".sig")) {
        files["index.json"] = newer;
        files["index.json.sig"] = signIndex(Buffer.from(newer), pem, "key");
      }
      return false;
    });
    // The first answer is of before, the signature of after.
    expect(await remoteOf(server.url, { keys }).packages(ALL, testContext("/"))).toHaveLength(3);
  });

  test("an index that is older than one of before is a warning; none without a key", async () => {
    const files: Record<string, string> = {};
    const server = await staticServer(files);
    const cacheFolder = temporaryFolder();
    const warnings = async (generated: string, trusted = keys) => {
      files["index.json"] = formatIndex({ ...INDEX, generated });
      files["index.json.sig"] = signIndex(Buffer.from(files["index.json"]), pem, "key");
      const context = testContext("/");
      await remoteOf(server.url, { keys: trusted, cacheFolder }).packages(ALL, context);
      return context.events.filter(({ kind }) => kind === "warning").map((event) => event.text);
    };
    expect(await warnings("2026-11-02T00:00:00Z")).toEqual([]);
    expect(await warnings("2026-11-03T00:00:00Z")).toEqual([]);
    expect(await warnings("2026-11-01T00:00:00Z")).toEqual([
      `The index of ${server.url}/ is of 2026-11-01T00:00:00Z, and one of 2026-11-03T00:00:00Z was seen before`,
    ]);
    expect(await warnings("2026-11-01T00:00:00Z", [])).toEqual([]);
    expect(await warnings("2026-11-03T00:00:00Z")).toEqual([]);
  });
});

describe("a folder of this machine", () => {
  test.each([
    ["its path", (dir: string) => dir],
    ["a file: address", (dir: string) => pathToFileURL(dir).href],
    ["one with a slash", (dir: string) => `${pathToFileURL(dir).href}/`],
  ])("by %s", async (_, address) => {
    const dir = join(temporaryFolder(), "a b#c");
    writeFiles(dir, { "index.json": formatIndex(INDEX) });
    const [item] = await remoteOf(address(dir)).packages(ALL, testContext("/"));
    expect(fileURLToPath(item?.archive.url ?? "")).toBe(join(dir, "packages/a@1.10.mpm"));
  });

  test("in the original's layout is a repository as it stands", async () => {
    const dir = temporaryFolder();
    writeFiles(dir, {
      "packages/hello.mpm": "12345",
      "packages/hello.yaml": manifestOf("hello", "version: 0.10\nrequire:\n- osv.bootstrap\n"),
      "mike/osv-loader/osv-loader.qemu.gz": "x",
      "mike/osv-loader/index.yaml": "version: 9f4c\n",
    });
    const remote = remoteOf(dir);
    expect(await remote.packages(ALL, testContext("/"))).toMatchObject([
      { name: "hello", version: "0.10", require: ["osv.bootstrap"], archive: { size: 5, sha256: undefined } },
    ]);
    expect(await remote.images(ALL, testContext("/"))).toMatchObject([
      { name: "mike/osv-loader", version: "9f4c", disk: { gzip: true } },
    ]);
    expect(existsSync(join(dir, ".capstan"))).toBe(false);
  });

  test.each<[string, (dir: string) => void, string, readonly string[]]>([
    ["is gone", (dir) => rmSync(dir, { recursive: true }), "remote-not-found", []],
    [
      "is a file",
      (dir) => {
        rmSync(dir, { recursive: true });
        writeFileSync(dir, "");
      },
      "remote-not-found",
      [],
    ],
    ["is empty", () => {}, "remote-not-found", []],
    ["has something else", (dir) => writeFiles(dir, { "letter.txt": "Dear" }), "remote-not-found", []],
    ["has a broken index", (dir) => writeFiles(dir, { "index.json": "{" }), "remote-index-invalid", []],
    [
      "is not signed",
      (dir) => writeFiles(dir, { "index.json": formatIndex(INDEX) }),
      "remote-untrusted",
      [generateKeys().publicKey.text],
    ],
    [
      "cannot be signed",
      (dir) => writeFiles(dir, { "packages/a.mpm": "", "packages/a.yaml": manifestOf("a") }),
      "remote-untrusted",
      [generateKeys().publicKey.text],
    ],
  ])("that %s is told", async (_, prepare, code, keys) => {
    const dir = join(temporaryFolder(), "repo");
    writeFiles(dir, { ".keep": "" });
    prepare(dir);
    const error = await failureOf(() => remoteOf(dir, { keys }).packages(ALL, testContext("/")));
    expect(error.code).toBe(code);
  });

  test("a signed one is checked as well", async () => {
    const dir = temporaryFolder();
    const { pem, publicKey } = generateKeys();
    writeFiles(dir, { "index.json": formatIndex(INDEX) });
    writeFiles(dir, { "index.json.sig": signIndex(readFileSync(join(dir, "index.json")), pem, "") });
    expect(await remoteOf(dir, { keys: [publicKey.text] }).packages(ALL, testContext("/"))).toHaveLength(3);
  });
});

test.each([
  ["relative/folder", "bad-remote-address"],
  ["ftp://example.test/", "bad-remote-address"],
  ["https://", "bad-remote-address"],
  ["https://example.test/?x=1", "bad-remote-address"],
  ["https://example.test/#x", "bad-remote-address"],
  ["file://host/share", "bad-remote-address"],
  ["", "bad-remote-address"],
])("%j is no address", async (url, code) => {
  expect((await failureOf(() => remoteOf(url))).code).toBe(code);
});

test("a password in a wrong address is not repeated", async () => {
  const error = await failureOf(() => remoteOf("ftp://me:secret@example.test/"));
  expect(error.message).not.toContain("secret");
});

test("a key that is none is told before anything is fetched", async () => {
  expect((await failureOf(() => remoteOf("https://example.test/", { keys: ["rsa:AAAA"] }))).code).toBe("bad-key");
});
