import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fetchDocument } from "../../src/remotes/http.ts";
import { InterruptedError } from "../../src/support/errors.ts";
import { type Fault, MisbehavingServer } from "../support/misbehaving-server.ts";
import { Sandbox } from "../support/sandbox.ts";
import { failure, testContext } from "./http-support.ts";

let server: MisbehavingServer;
beforeEach(async () => {
  server = await MisbehavingServer.start();
});
afterEach(() => server[Symbol.asyncDispose]());

const status = (code: number, more: Partial<Extract<Fault, { kind: "status" }>> = {}): Fault => ({
  kind: "status",
  status: code,
  ...more,
});

function fetchIt(path = "/doc", context = testContext()) {
  return fetchDocument({ url: server.url(path), what: "the list" }, context);
}

test("a document, with its status, headers and address", async () => {
  server.serve("/doc", { body: Buffer.from("hello"), etag: '"1"' });
  const answer = await fetchIt();
  expect(answer).toMatchObject({ status: 200, url: server.url("/doc") });
  expect(answer.headers.etag).toBe('"1"');
  expect(answer.body.toString()).toBe("hello");
  expect(server.requests[0]?.headers["user-agent"]).toBe("capstan");
});

describe("statuses", () => {
  test.each<[number, Readonly<Record<string, string>>, string, number]>([
    [404, {}, "remote-not-found", 1],
    [410, {}, "remote-not-found", 1],
    [401, {}, "remote-forbidden", 1],
    [403, {}, "remote-forbidden", 1],
    [403, { "x-ratelimit-remaining": "59" }, "remote-forbidden", 1],
    [403, { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "4000000000" }, "remote-rate-limit", 4],
    [403, { "retry-after": "3000" }, "remote-rate-limit", 1],
    [429, { "retry-after": "3000" }, "remote-rate-limit", 1],
    [429, {}, "remote-rate-limit", 4],
    [400, {}, "remote-error", 1],
    [418, {}, "remote-error", 1],
    [408, {}, "remote-error", 4],
    [425, {}, "remote-error", 4],
    [500, {}, "remote-error", 4],
    [502, {}, "remote-error", 4],
    [503, { "retry-after": "20" }, "remote-error", 4],
    [503, { "retry-after": "3000" }, "remote-error", 1],
    [304, {}, "", 1],
    [204, {}, "", 1],
  ])("%i %o is %s after %i requests", async (code, headers, error, requests) => {
    server.serve("/doc", { body: Buffer.alloc(0), always: status(code, { headers }) });
    if (error === "") expect((await fetchIt()).status).toBe(code);
    else expect(await failure(fetchIt())).toMatchObject({ code: error, hint: expect.stringContaining(".") });
    expect(server.requests.length).toBe(requests);
  });

  test("what helps is tried again, with longer and longer waits", async () => {
    const faults = [status(500), status(429), { kind: "reset", after: -1 } as const];
    server.serve("/doc", { body: Buffer.from("at last"), faults });
    const context = testContext();
    expect((await fetchIt("/doc", context)).body.toString()).toBe("at last");
    expect(context.sleeps).toEqual([250, 500, 1000]);
  });

  test("waits as long as the server asks, when that is not long", async () => {
    const soon = new Date(Date.now() + 30_000).toUTCString();
    const faults = [
      status(503, { headers: { "retry-after": "7" } }),
      status(503, { headers: { "retry-after": soon } }),
    ];
    server.serve("/doc", { body: Buffer.from("x"), faults });
    const context = testContext();
    await fetchIt("/doc", context);
    expect(context.sleeps[0]).toBe(7000);
    expect(context.sleeps[1]).toBeGreaterThan(25_000);
    expect(context.events).toContainEqual({
      kind: "step",
      text: expect.stringMatching(/^Waiting (2\d|30) s for the list$/),
    });
  });
});

describe("the rate limit of GitHub", () => {
  const limited = (reset: number, date: string) =>
    status(403, {
      headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(reset), date },
      body: '{"message":"API rate limit exceeded"}',
    });

  test("is told with the time it ends, by the server's clock, and what raises it", async () => {
    const now = new Date(2026, 4, 3, 14, 0, 0);
    // Its clock is an hour ahead of ours: what counts is the time that is left.
    const there = now.getTime() + 3_600_000;
    server.serve("/doc", {
      body: Buffer.alloc(0),
      always: limited(there / 1000 + 1800, new Date(there).toUTCString()),
    });
    const error = await failure(fetchIt("/doc", testContext({ now })));
    expect(error.code).toBe("remote-rate-limit");
    expect(error.message).toContain("until 14:30");
    expect(error.hint).toContain("GITHUB_TOKEN");
    expect(server.requests.length).toBe(1);
  });

  test("does not ask for a token where one was sent", async () => {
    const now = new Date(2026, 4, 3, 23, 50, 0);
    const always = limited(now.getTime() / 1000 + 1800, now.toUTCString());
    server.serve("/doc", { body: Buffer.alloc(0), always });
    const request = { url: server.url("/doc"), what: "it", headers: { Authorization: "Bearer x" } };
    const error = await failure(fetchDocument(request, testContext({ now })));
    expect(error.message).toContain("until 2026-05-04 00:20");
    expect(error.hint).not.toContain("GITHUB_TOKEN");
  });

  test("that ends soon is waited for", async () => {
    const now = new Date();
    const faults = [limited(Math.ceil(now.getTime() / 1000) + 20, now.toUTCString())];
    server.serve("/doc", { body: Buffer.from("x"), faults });
    const context = testContext();
    await fetchIt("/doc", context);
    expect(context.sleeps[0]).toBeGreaterThan(15_000);
  });
});

describe("error bodies are shown as one clean line at most", () => {
  test.each<[string, string, string | undefined]>([
    ["a page", "<!DOCTYPE html>\n<html><head><title>500 Oops\nhere</title></head><body>long</body>", "500 Oops here"],
    ["JSON", '{"message":"Bad \\u001b[31mcredentials"}', "Bad [31mcredentials"],
    [
      "XML of S3",
      '<?xml version="1.0"?><Error><Code>X</Code><Message>No such bucket</Message></Error>',
      "No such bucket",
    ],
    ["text", "first line\nsecond line", "first line"],
    ["long text", "x".repeat(5000), `${"x".repeat(160)}…`],
    ["a page without a title", "<html><body><p>hm</p></body></html>", undefined],
    ["nothing", "", undefined],
    ["bytes", "\0\x01\x02\x1b", undefined],
  ])("%s", async (_, body, line) => {
    server.serve("/doc", { body: Buffer.alloc(0), always: status(400, { body }) });
    const { message } = await failure(fetchIt());
    expect(message).toBe(
      `Fetching the list from ${server.url("/doc")}: it answers 400${line === undefined ? "" : `: ${line}`}`,
    );
  });
});

describe("bodies", () => {
  test.each<[string, Fault]>([
    ["cut", { kind: "cut", after: 3 }],
    ["cut before its first byte", { kind: "cut", after: 0 }],
    ["reset", { kind: "reset", after: 3 }],
    ["reset before the headers", { kind: "reset", after: -1 }],
    ["shorter than they say", { kind: "wrong-length", length: 50 }],
    ["that stop coming", { kind: "stall", after: 3 }],
    ["that never come", { kind: "stall", after: -1 }],
  ])("%s are fetched again", async (_, fault) => {
    server.serve("/doc", { body: Buffer.from("0123456789"), faults: [fault] });
    const context = testContext({ http: { headersTimeout: 200, bodyTimeout: 200, attempts: 2 } });
    expect((await fetchIt("/doc", context)).body.toString()).toBe("0123456789");
    server.serve("/doc", { body: Buffer.from("0123456789"), always: fault });
    expect(await failure(fetchIt("/doc", context))).toMatchObject({ code: "remote-unreachable", exitCode: 69 });
  });

  test("that drip for ever end", async () => {
    server.serve("/doc", { body: Buffer.alloc(5000), always: { kind: "drip", bytes: 1, everyMs: 20 } });
    const context = testContext({ http: { documentTimeout: 200, attempts: 2 } });
    expect((await failure(fetchIt("/doc", context))).message).toContain("it takes too long");
  });

  test.each([
    ["as they are", Buffer.alloc(5000), {}],
    ["chunked", Buffer.alloc(5000), { isChunked: true }],
    ["unpacked", gzipSync(Buffer.alloc(5_000_000)), { headers: { "content-encoding": "gzip" } }],
  ])("above the limit are refused, %s", async (_, body, more) => {
    server.serve("/doc", { body, ...more });
    const error = await failure(fetchDocument({ url: server.url("/doc"), what: "it", limit: 4999 }, testContext()));
    expect(error.code).toBe("remote-too-large");
    expect(server.requests.length).toBe(1);
  });

  test("come packed where the server likes", async () => {
    const text = "many words ".repeat(1000);
    server.serve("/doc", { body: gzipSync(text), headers: { "content-encoding": "gzip" } });
    const answer = await fetchIt();
    expect(server.requests[0]?.headers["accept-encoding"]).toBe("gzip");
    expect(answer.body.toString()).toBe(text);
    expect(answer.headers).not.toHaveProperty("content-length");
  });

  test("in damaged or unknown encodings are errors", async () => {
    server.serve("/doc", { body: Buffer.from("no gzip"), headers: { "content-encoding": "gzip" } });
    expect(await failure(fetchIt())).toMatchObject({ code: "remote-error" });
    server.serve("/doc", { body: Buffer.from("x"), headers: { "content-encoding": "br" } });
    expect(await failure(fetchIt())).toMatchObject({ code: "remote-error" });
  });

  test("of HEAD are empty, and of PUT are sent", async () => {
    server.serve("/doc", { body: Buffer.from("hello") });
    const head = await fetchDocument({ url: server.url("/doc"), method: "HEAD", what: "it" }, testContext());
    expect([head.body.length, head.headers["content-length"]]).toEqual([0, "5"]);
    using sandbox = new Sandbox();
    sandbox.write({ file: "from a file, and more" });
    server.serve("/up", { body: Buffer.alloc(0), faults: [status(503), status(503)] });
    const put = { url: server.url("/up"), method: "PUT", what: "it" } as const;
    await fetchDocument({ ...put, body: { path: sandbox.path("file"), size: 11 } }, testContext());
    await fetchDocument({ ...put, body: Buffer.from("bytes") }, testContext());
    expect(server.of("/up").map((one) => one.sent.toString())).toEqual([
      ...Array<string>(3).fill("from a file"),
      "bytes",
    ]);
  });
});

describe("what cannot be reached", () => {
  test("a port where nobody listens", async () => {
    const url = server.url("/doc");
    await server[Symbol.asyncDispose]();
    const context = testContext();
    const error = await failure(fetchDocument({ url, what: "it" }, context));
    expect(error).toMatchObject({ code: "remote-unreachable", message: expect.stringContaining("refused") });
    expect(context.sleeps.length).toBe(3);
    server = await MisbehavingServer.start();
  });

  test("something that is not HTTP", async () => {
    server.serve("/doc", { body: Buffer.alloc(0), always: { kind: "garbage", text: "SSH-2.0-OpenSSH_9.2\r\n" } });
    expect((await failure(fetchIt())).code).toBe("remote-unreachable");
  });

  test.each(["ftp://127.0.0.1/x", "not an address", "javascript:1", "http://"])("%s", async (url) => {
    expect((await failure(fetchDocument({ url, what: "it" }, testContext()))).code).toBe("remote-error");
  });

  test("headers that cannot be sent", async () => {
    const request = { url: server.url("/doc"), what: "it", headers: { authorization: "Bearer secret\nX: y" } };
    const error = await failure(fetchDocument(request, testContext()));
    expect(error.code).toBe("remote-unreachable");
    expect(error.message).not.toContain("secret");
  });
});

describe("a stop that was asked for", () => {
  test.each<[string, Fault]>([
    ["before the headers", { kind: "stall", after: -1 }],
    ["in the body", { kind: "stall", after: 3 }],
  ])("%s", async (_, always) => {
    server.serve("/doc", { body: Buffer.alloc(10), always });
    const controller = new AbortController();
    const work = failure(fetchIt("/doc", testContext({ signal: controller.signal })));
    await expect.poll(() => server.requests.length).toBe(1);
    controller.abort(new InterruptedError(143));
    expect(await work).toMatchObject({ code: "interrupted", exitCode: 143 });
  });

  test("in the wait for another attempt", async () => {
    server.serve("/doc", { body: Buffer.alloc(10), always: status(503, { headers: { "retry-after": "30" } }) });
    const controller = new AbortController();
    const context = testContext({ signal: controller.signal });
    const work = failure(fetchIt("/doc", { ...context, http: {} }));
    await expect.poll(() => context.events.length).toBe(1);
    controller.abort();
    expect(await work).toBeInstanceOf(InterruptedError);
  });
});

test("an address shows neither password nor signature, and its user is sent", async () => {
  server.serve("/doc", { body: Buffer.alloc(0), always: status(404) });
  const url = server.url("/doc?X-Amz-Signature=geheim").replace("http://", "http://me:pass%40word@");
  const error = await failure(fetchDocument({ url, what: "it" }, testContext()));
  expect(error.message).not.toMatch(/geheim|pass|me:/);
  expect(server.requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from("me:pass@word").toString("base64")}`);
});

test("many at once", async () => {
  server.serve("/doc", { body: Buffer.from("x") });
  const context = testContext();
  const answers = await Promise.all(Array.from({ length: 60 }, () => fetchIt("/doc", context)));
  expect(answers.every((one) => one.status === 200)).toBe(true);
});

describe("file: addresses", () => {
  test("answer as a server does", async () => {
    using sandbox = new Sandbox();
    sandbox.write({ "a b.txt": "text" });
    const get = (name: string, more = {}) =>
      fetchDocument({ url: `file://${sandbox.dir}/${name}`, what: "it", ...more }, testContext());
    expect((await get("a%20b.txt")).body.toString()).toBe("text");
    expect((await get("a%20b.txt", { method: "HEAD" })).headers["content-length"]).toBe("4");
    expect((await failure(get("missing"))).code).toBe("remote-not-found");
    expect((await failure(get("a%20b.txt/below"))).code).toBe("remote-not-found");
    expect((await failure(get(""))).code).toBe("remote-error");
    expect((await failure(get("a%20b.txt", { limit: 3 }))).code).toBe("remote-too-large");
    expect((await failure(get("a%20b.txt", { method: "PUT" }))).code).toBe("remote-error");
    expect((await failure(fetchDocument({ url: "file://host/x", what: "it" }, testContext()))).code).toBe(
      "remote-error",
    );
    expect((await failure(fetchDocument({ url: "file:///dev/zero", what: "it" }, testContext()))).code).toBe(
      "remote-error",
    );
  });
});
