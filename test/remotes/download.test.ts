import { createHash, randomBytes } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DownloadRequest, download } from "../../src/remotes/download.ts";
import type { RemoteFile } from "../../src/remotes/remote.ts";
import { InterruptedError } from "../../src/support/errors.ts";
import { type Fault, MisbehavingServer, type Served } from "../support/misbehaving-server.ts";
import { Sandbox } from "../support/sandbox.ts";
import { failure, testContext } from "./http-support.ts";

let server: MisbehavingServer;
let sandbox: Sandbox;
beforeEach(async () => {
  server = await MisbehavingServer.start();
  sandbox = new Sandbox();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  sandbox.remove();
});

const BODY = randomBytes(300_000);
const OTHER = randomBytes(300_000);
const QUICK = { headersTimeout: 200, bodyTimeout: 200 };

const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const KNOWN = { size: BODY.length, sha256: hash(BODY) };

interface Want extends Partial<RemoteFile> {
  readonly limit?: number;
}

function requestFor({ limit, ...file }: Want = {}): DownloadRequest {
  return {
    file: { url: server.url("/file"), size: undefined, sha256: undefined, gzip: false, ...file },
    path: sandbox.path("out", "file"),
    what: "file.mpm",
    limit,
  };
}

const fetchIt = (want: Want = {}, context = testContext({ http: QUICK })) => download(requestFor(want), context);

/** What is in the folder of the download: nothing but the file when it succeeded. */
const left = () => sandbox.files("out");
const arrived = () => readFileSync(sandbox.path("out", "file"));
const answered = () => server.of("/file").reduce((sum, one) => sum + one.answered, 0);

function serve(more: Partial<Served> = {}): Served {
  return server.serve("/file", { body: BODY, etag: '"1"', ...more });
}

test("a file comes to its place, with its length and digest", async () => {
  serve();
  const context = testContext();
  expect(await fetchIt({}, context)).toEqual({ ...KNOWN, transferred: BODY.length });
  expect(arrived().equals(BODY)).toBe(true);
  expect(left()).toEqual(["file"]);
  expect(server.requests[0]?.headers["accept-encoding"]).toBe("identity");
  expect(server.requests[0]?.headers.range).toBeUndefined();
  const progress = { kind: "progress", text: "Downloading file.mpm", total: BODY.length, unit: "bytes" };
  expect(context.events[0]).toEqual({ ...progress, done: 0 });
  expect(context.events.at(-1)).toEqual({ ...progress, done: BODY.length });
});

test("an old file in its place is replaced at the end and not before", async () => {
  const file = serve({ always: { kind: "status", status: 404 } });
  sandbox.write({ "out/file": "old" });
  await failure(fetchIt());
  expect(arrived().toString()).toBe("old");
  file.always = { kind: "as-it-is" };
  await fetchIt();
  expect(arrived().equals(BODY)).toBe(true);
});

describe("faults that are overcome: one of them, then a good server", () => {
  const half = BODY.length / 2;
  const cuts = [0, 1, 2, 4095, 4096, 65_535, 65_536, 65_537, half, BODY.length - 1];
  const faults: readonly (readonly [string, Fault])[] = [
    ...cuts.map((after) => [`cut after ${after}`, { kind: "cut", after }] as const),
    ["reset before the headers", { kind: "reset", after: -1 }],
    ["reset in the middle", { kind: "reset", after: half }],
    ["stalled", { kind: "stall", after: half }],
    ["silent", { kind: "stall", after: -1 }],
    ["500", { kind: "status", status: 500, body: "<html>oops</html>" }],
    ["429", { kind: "status", status: 429 }],
  ];
  const wants: readonly (readonly [string, Want, Partial<Served>])[] = [
    ["with an ETag", {}, {}],
    ["with a date", {}, { etag: undefined, lastModified: "Tue, 05 May 2026 10:00:00 GMT" }],
    ["with a digest only", KNOWN, { etag: undefined }],
    ["chunked", {}, { isChunked: true }],
  ];
  const table = faults.flatMap(([title, fault]) =>
    wants.map(([kind, want, more]) => [title, kind, fault, want, more] as const),
  );

  test.each(table)("%s, %s", async (_title, _kind, fault, want, more) => {
    serve({ ...more, faults: [fault] });
    const result = await fetchIt(want);
    expect(result).toMatchObject(KNOWN);
    expect(arrived().equals(BODY)).toBe(true);
    expect(left()).toEqual(["file"]);
    // Nothing comes twice; what was in a buffer when the connection was reset may have to.
    if (fault.kind !== "reset") expect(answered()).toBe(BODY.length);
  });
});

describe("a later run", () => {
  test.each([0, 1, 1000, 65_536, BODY.length - 1])("sends only what is missing, after a cut at %i", async (after) => {
    const file = serve({ always: { kind: "cut", after }, faults: [] });
    const impatient = testContext({ http: { ...QUICK, attempts: 1 } });
    expect((await failure(fetchIt({}, impatient))).code).toBe("remote-unreachable");
    expect(left()).toEqual(["file.part", "file.part.json"]);
    file.always = { kind: "as-it-is" };
    expect(await fetchIt()).toEqual({ ...KNOWN, transferred: BODY.length - after });
    expect(answered()).toBe(BODY.length);
    expect(left()).toEqual(["file"]);
  });

  async function leaveHalf(want: Want = {}): Promise<Served> {
    const file = serve({ always: { kind: "cut", after: 100_000 } });
    await failure(fetchIt(want, testContext({ http: { ...QUICK, attempts: 1 } })));
    file.always = { kind: "as-it-is" };
    server.requests.length = 0;
    return file;
  }

  test("of a file that has changed begins anew", async () => {
    const file = await leaveHalf();
    Object.assign(file, { body: OTHER, etag: '"2"' });
    expect(await fetchIt()).toMatchObject({ sha256: hash(OTHER), transferred: OTHER.length });
    expect(server.requests[0]?.headers).toMatchObject({ range: "bytes=100000-", "if-range": '"1"' });
  });

  test("of a file that has changed, of which the server sends a part all the same, begins anew", async () => {
    const file = await leaveHalf();
    Object.assign(file, { body: OTHER, etag: undefined, headers: { etag: '"2"' }, lastModified: '"1"' });
    expect(await fetchIt()).toMatchObject({ sha256: hash(OTHER) });
  });

  test("at a server without ranges begins anew", async () => {
    const file = await leaveHalf();
    file.always = { kind: "no-ranges" };
    expect(await fetchIt()).toMatchObject({ ...KNOWN, transferred: BODY.length });
  });

  test.each([
    ["another start", "bytes 99999-299999/300000"],
    ["another total", "bytes 100000-299999/300001"],
    ["none", undefined],
    ["nonsense", "bytes */*"],
    ["an end beyond the total", "bytes 100000-300000/300000"],
  ])("with a wrong Content-Range (%s) begins anew", async (_, value) => {
    const file = await leaveHalf();
    file.always = { kind: "content-range", value };
    expect(await fetchIt()).toMatchObject(KNOWN);
    expect(arrived().equals(BODY)).toBe(true);
    expect(server.requests.map((one) => one.headers.range)).toEqual(["bytes=100000-", undefined]);
  });

  test("of another address does not use the part, unless a digest will judge it", async () => {
    await leaveHalf();
    server.serve("/moved", { body: OTHER, etag: '"1"' });
    expect(await fetchIt({ url: server.url("/moved") })).toMatchObject({
      sha256: hash(OTHER),
      transferred: OTHER.length,
    });
    await leaveHalf(KNOWN);
    server.serve("/mirror", { body: BODY, etag: '"x"' });
    // The file of before is in the place, and has another digest.
    expect(await fetchIt({ ...KNOWN, url: server.url("/mirror") })).toMatchObject({ transferred: 200_000 });
  });

  test("with a part that is damaged fetches all of it, once", async () => {
    await leaveHalf(KNOWN);
    const part = sandbox.path("out", "file.part");
    writeFileSync(part, Buffer.alloc(100_000));
    expect(await fetchIt(KNOWN)).toEqual({ ...KNOWN, transferred: 500_000 });
    expect(arrived().equals(BODY)).toBe(true);
  });

  test.each<[string, Want, number]>([
    ["that is longer than the file", {}, BODY.length],
    ["that is longer than the file, with a digest", KNOWN, BODY.length],
  ])("with a part %s begins anew", async (_, want, transferred) => {
    await leaveHalf(want);
    writeFileSync(sandbox.path("out", "file.part"), Buffer.alloc(BODY.length + 1));
    expect(await fetchIt(want)).toEqual({ ...KNOWN, transferred });
  });

  test.each<[string, Want, number]>([
    ["asks for its last byte, to learn whether it is the same still", {}, 1],
    ["asks nothing where a digest says it", KNOWN, 0],
  ])("with a whole part %s", async (_, want, transferred) => {
    await leaveHalf(want);
    writeFileSync(sandbox.path("out", "file.part"), BODY);
    expect(await fetchIt(want)).toEqual({ ...KNOWN, transferred });
    expect(server.requests.length).toBe(transferred);
    expect(arrived().equals(BODY)).toBe(true);
  });

  test("with a part of unknown length that is whole, takes 416 for the end", async () => {
    const sha256 = KNOWN.sha256;
    const file = serve({ isChunked: true, always: { kind: "cut", after: 100_000 } });
    await failure(fetchIt({ sha256 }, testContext({ http: { attempts: 1 } })));
    file.always = { kind: "as-it-is" };
    writeFileSync(sandbox.path("out", "file.part"), BODY);
    expect(await fetchIt({ sha256 })).toEqual({ ...KNOWN, transferred: 0 });
  });

  test.each([
    ["none", undefined],
    ["not JSON", "{"],
    ["of another kind", "[]"],
    ["of another start of the system", JSON.stringify({ url: "URL", boot: "x", validator: '"1"', total: 300_000 })],
    ["without a validator", JSON.stringify({ url: "URL", boot: "BOOT", total: 300_000 })],
  ])("with a record that is %s begins anew", async (_, text) => {
    await leaveHalf();
    const path = sandbox.path("out", "file.part.json");
    const { boot } = JSON.parse(readFileSync(path, "utf8"));
    const record = text?.replace("URL", server.url("/file")).replace("BOOT", boot);
    sandbox.write({ "out/file.part.json": record ?? "" });
    expect(await fetchIt()).toEqual({ ...KNOWN, transferred: BODY.length });
  });

  test("after a stop that was asked for goes on", async () => {
    const file = serve({ always: { kind: "stall", after: 100_000 } });
    const controller = new AbortController();
    const work = failure(fetchIt({}, testContext({ signal: controller.signal })));
    const size = () => statSync(sandbox.path("out", "file.part"), { throwIfNoEntry: false })?.size;
    await expect.poll(size).toBe(100_000);
    controller.abort(new InterruptedError());
    expect(await work).toBeInstanceOf(InterruptedError);
    expect(left()).toEqual(["file.part", "file.part.json"]);
    file.always = { kind: "as-it-is" };
    expect(await fetchIt()).toEqual({ ...KNOWN, transferred: 200_000 });
  });
});

describe("faults that last", () => {
  test.each<[string, Fault | undefined, Want, Partial<Served>, string]>([
    ["a page for a 404", { kind: "status", status: 404, body: "<html><title>No</title>" }, {}, {}, "remote-not-found"],
    ["a page for a 500", { kind: "status", status: 500, body: "<html><title>No</title>" }, {}, {}, "remote-error"],
    [
      "a page with status 200",
      undefined,
      {},
      { body: Buffer.from("\n<!DOCTYPE html><html>"), headers: { "content-type": "text/html" } },
      "remote-damaged",
    ],
    ["403", { kind: "status", status: 403 }, {}, {}, "remote-forbidden"],
    ["a redirect to itself", { kind: "status", status: 302, headers: { location: "/file" } }, {}, {}, "remote-error"],
    ["206 without being asked", { kind: "status", status: 206, body: "x" }, {}, {}, "remote-error"],
    ["416 without being asked", { kind: "status", status: 416 }, {}, {}, "remote-error"],
    ["another length", undefined, { size: 299_999 }, {}, "remote-damaged"],
    ["another length, chunked", undefined, { size: 299_999 }, { isChunked: true }, "remote-damaged"],
    ["another length, chunked and shorter", undefined, { size: 300_001 }, { isChunked: true }, "remote-damaged"],
    ["another digest", undefined, { sha256: hash(OTHER) }, {}, "remote-damaged"],
    ["above the limit", undefined, { limit: 299_999 }, {}, "remote-damaged"],
    ["above the limit, chunked", undefined, { limit: 299_999 }, { isChunked: true }, "remote-damaged"],
    ["an encoding", undefined, {}, { headers: { "content-encoding": "gzip" } }, "remote-damaged"],
    ["too long a Content-Length", { kind: "wrong-length", length: 300_001 }, {}, {}, "remote-unreachable"],
    ["too short a Content-Length", { kind: "wrong-length", length: 299_999 }, KNOWN, {}, "remote-damaged"],
    ["cuts before the first byte", { kind: "cut", after: 0 }, {}, {}, "remote-unreachable"],
    ["a byte at a time", { kind: "cut", after: 1 }, {}, {}, "remote-unreachable"],
    ["resets", { kind: "reset", after: -1 }, {}, {}, "remote-unreachable"],
    ["garbage", { kind: "garbage", text: "hello\r\n" }, {}, {}, "remote-unreachable"],
  ])("%s", async (_, always, want, more, code) => {
    serve({ always: always ?? { kind: "as-it-is" }, ...more });
    sandbox.write({ "out/file": "old" });
    const error = await failure(fetchIt(want));
    expect(error).toMatchObject({ code, message: expect.stringContaining("file.mpm") });
    expect(arrived().toString()).toBe("old");
    expect(server.requests.length).toBeLessThanOrEqual(6);
    // What is wrong is not resumed.
    if (code === "remote-damaged") expect(left()).toEqual(["file"]);
    expect(left().filter((name) => name.includes("lock"))).toEqual([]);
  });

  test("cuts that bring something each time are no reason to give up", async () => {
    serve({ body: randomBytes(3_000_000), always: { kind: "cut", after: 100_000 } });
    expect(await fetchIt()).toMatchObject({ size: 3_000_000, transferred: 3_000_000 });
    expect(server.requests.length).toBe(30);
  });

  test("a file that changes each time, or a server without ranges that always cuts, ends", async () => {
    let count = 0;
    const file = serve();
    file.always = () => {
      file.etag = `"${++count}"`;
      return { kind: "cut", after: 100_000 };
    };
    expect((await failure(fetchIt())).message).toContain("again and again");
    expect(count).toBeLessThan(6);
    server.requests.length = 0;
    serve({ etag: undefined, always: { kind: "cut", after: 200_000 } });
    expect((await failure(fetchIt())).message).toContain("again and again");
    expect(server.requests.length).toBeLessThan(6);
  });

  test("an endless answer ends at the limit", async () => {
    serve({ body: Buffer.alloc(100), isChunked: true, always: { kind: "drip", bytes: 1, everyMs: 1 } });
    expect((await failure(fetchIt({ limit: 50 }))).code).toBe("remote-damaged");
  });

  test.each(["ftp://127.0.0.1/x", "nonsense", "data:text/plain,x"])("%s is no address", async (url) => {
    expect((await failure(fetchIt({ url }))).code).toBe("remote-error");
    expect(left()).toEqual([]);
  });
});

test("headers go along, and not to another host", async () => {
  const other = await MisbehavingServer.start();
  try {
    other.serve("/blob", { body: BODY, etag: '"1"', faults: [{ kind: "cut", after: 100 }] });
    serve({ always: { kind: "status", status: 302, headers: { location: other.url("/blob") } } });
    await fetchIt({ headers: { Authorization: "Bearer geheim", Accept: "application/octet-stream" } });
    expect(server.requests.map((one) => one.headers.authorization)).toEqual(["Bearer geheim", "Bearer geheim"]);
    expect(JSON.stringify(other.requests)).not.toContain("geheim");
    expect(other.requests[1]?.headers).toMatchObject({ range: "bytes=100-", "if-range": '"1"' });
  } finally {
    await other[Symbol.asyncDispose]();
  }
});

describe("gzip", () => {
  const text = Buffer.from("some text, many times\n".repeat(100_000));
  const packed = gzipSync(text);

  test.each([
    ["one member", packed, text],
    ["two members", Buffer.concat([packed, packed]), Buffer.concat([text, text])],
    ["zeros behind it", Buffer.concat([packed, Buffer.alloc(2_000_000)]), text],
    ["nothing in it", gzipSync(""), Buffer.alloc(0)],
    [
      "mostly zeros",
      gzipSync(Buffer.concat([Buffer.alloc(5_000_000), text, Buffer.alloc(3_000_000)])),
      Buffer.concat([Buffer.alloc(5_000_000), text, Buffer.alloc(3_000_000)]),
    ],
  ])("%s is unpacked, and judged as it came", async (_, body, unpacked) => {
    serve({ body });
    const sha256 = hash(body);
    expect(await fetchIt({ gzip: true, sha256, size: body.length })).toMatchObject({ size: body.length, sha256 });
    expect(arrived().equals(unpacked)).toBe(true);
    expect(left()).toEqual(["file"]);
  });

  test.each([
    ["junk behind it", Buffer.concat([packed, Buffer.from("junk")])],
    ["much junk behind it", Buffer.concat([packed, randomBytes(3_000_000)])],
    ["junk behind zeros", Buffer.concat([packed, Buffer.alloc(3_000_000), Buffer.from("x")])],
    ["a broken second member", Buffer.concat([packed, packed.subarray(0, 100)])],
    ["its end missing", packed.subarray(0, -1)],
    ["half of it missing", packed.subarray(0, packed.length / 2)],
    ["a wrong checksum", Buffer.concat([packed.subarray(0, -8), Buffer.alloc(4, 7), packed.subarray(-4)])],
    ["no gzip", text],
    ["nothing", Buffer.alloc(0)],
  ])("%s is damaged", async (_, body) => {
    serve({ body });
    sandbox.write({ "out/file": "old" });
    expect(await failure(fetchIt({ gzip: true }))).toMatchObject({ code: "remote-damaged" });
    expect(left()).toEqual(["file"]);
    expect(arrived().toString()).toBe("old");
  });

  test("a bomb ends at the limit", async () => {
    const body = gzipSync(Buffer.alloc(50_000_000));
    serve({ body });
    expect((await failure(fetchIt({ gzip: true, limit: 49_999_999 }))).message).toContain("limit");
    expect(left()).toEqual([]);
    await fetchIt({ gzip: true, limit: 50_000_000 });
    expect(statSync(sandbox.path("out", "file"))).toMatchObject({ size: 50_000_000, blocks: 0 });
  });

  test("that is kept packed, as the server says, is what it is", async () => {
    serve({ body: packed, headers: { "content-encoding": "gzip" } });
    await fetchIt({ gzip: true });
    expect(arrived().equals(text)).toBe(true);
  });
});

describe("file: addresses", () => {
  test("are copied, and verified as all others", async () => {
    sandbox.write({ "a b": BODY });
    const url = `file://${sandbox.path("a%20b")}`;
    expect(await fetchIt({ ...KNOWN, url })).toEqual({ ...KNOWN, transferred: 0 });
    expect(arrived().equals(BODY)).toBe(true);
    expect(left()).toEqual(["file"]);
    for (const want of [{ size: 1 }, { sha256: hash(OTHER) }]) {
      expect((await failure(fetchIt({ url, ...want }))).code).toBe("remote-damaged");
    }
    expect((await failure(fetchIt({ url: `${url}c` }))).code).toBe("remote-not-found");
    expect((await failure(fetchIt({ url: `file://${sandbox.dir}` }))).code).toBe("remote-error");
    expect((await failure(fetchIt({ url: "file:///dev/zero" }))).code).toBe("remote-error");
    expect(left()).toEqual(["file"]);
  });

  test("are unpacked", async () => {
    sandbox.write({ "x.gz": gzipSync(BODY) });
    await fetchIt({ url: `file://${sandbox.path("x.gz")}`, gzip: true });
    expect(arrived().equals(BODY)).toBe(true);
  });
});

describe("what is there already", () => {
  test("is not fetched again where its digest says so", async () => {
    sandbox.write({ "out/file": BODY });
    expect(await fetchIt(KNOWN)).toEqual({ ...KNOWN, transferred: 0 });
    expect(server.requests).toEqual([]);
  });

  test("and has another length or digest is replaced", async () => {
    serve();
    for (const old of [OTHER, Buffer.from("short")]) {
      sandbox.write({ "out/file": old });
      expect(await fetchIt(KNOWN)).toMatchObject({ transferred: BODY.length });
    }
  });
});

describe.each<[string, Want, Uint8Array]>([
  ["without a digest", {}, BODY],
  ["with one", KNOWN, BODY],
  ["packed", { gzip: true }, gzipSync(BODY)],
])("eight at once, %s", (_, want, body) => {
  test("fetch it once", async () => {
    serve({ body, always: { kind: "drip", bytes: 50_000, everyMs: 10 } });
    const results = await Promise.all(Array.from({ length: 8 }, () => fetchIt(want)));
    expect(results.map((one) => one.transferred).sort((a, b) => b - a)).toEqual([body.length, ...Array(7).fill(0)]);
    expect(new Set(results.map((one) => one.sha256))).toEqual(new Set([hash(body)]));
    expect(server.requests.length).toBe(1);
    expect(arrived().equals(BODY)).toBe(true);
    expect(left()).toEqual(["file"]);
  });
});

test("who waits is not failed by the one before", async () => {
  serve({ body: BODY, faults: [{ kind: "status", status: 404 }] });
  const results = await Promise.allSettled(Array.from({ length: 4 }, () => fetchIt()));
  expect(results.filter((one) => one.status === "rejected").length).toBe(1);
  expect(arrived().equals(BODY)).toBe(true);
  expect(server.requests.length).toBe(2);
  expect(left()).toEqual(["file"]);
});
