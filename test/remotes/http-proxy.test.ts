import { afterEach, beforeEach, expect, test } from "vitest";
import { fetchDocument } from "../../src/remotes/http.ts";
import { ForwardProxy } from "../support/forward-proxy.ts";
import { MisbehavingServer } from "../support/misbehaving-server.ts";
import { failure, testContext } from "./http-support.ts";

let server: MisbehavingServer;
let proxy: ForwardProxy;
beforeEach(async () => {
  server = await MisbehavingServer.start();
  proxy = await ForwardProxy.start();
  server.serve("/doc", { body: Buffer.from("text") });
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function fetchWith(env: Readonly<Record<string, string>>, url = server.url("/doc")): Promise<string> {
  const answer = await fetchDocument({ url, what: "it" }, testContext({ env }));
  return answer.body.toString();
}

test.each(["HTTP_PROXY", "http_proxy"])("%s takes the whole address of http", async (name) => {
  expect(await fetchWith({ [name]: proxy.url() })).toBe("text");
  expect(proxy.seen).toEqual([{ line: `GET ${server.url("/doc")}`, authorization: undefined }]);
});

test("a proxy may be written without http://, and with a user", async () => {
  expect(await fetchWith({ HTTP_PROXY: proxy.url().replace("http://", "") })).toBe("text");
  expect(await fetchWith({ HTTP_PROXY: proxy.url("me:p%40ss@") })).toBe("text");
  expect(proxy.seen[1]?.authorization).toBe(`Basic ${Buffer.from("me:p@ss").toString("base64")}`);
  expect(server.requests.map((one) => one.headers["proxy-authorization"])).toEqual([undefined, undefined]);
});

test("names in small letters win, and empty they switch it off", async () => {
  await fetchWith({ HTTP_PROXY: proxy.url(), http_proxy: "" });
  await fetchWith({ HTTPS_PROXY: proxy.url() });
  expect(proxy.seen).toEqual([]);
});

test.each([
  ["127.0.0.1", false],
  ["example.com, 127.0.0.1", false],
  ["*", false],
  ["127.0.0.1:PORT", false],
  ["127.0.0.1:1", true],
  ["example.com", true],
])("NO_PROXY %s", async (list, isUsed) => {
  const value = list.replace("PORT", String(server.port));
  await fetchWith({ HTTP_PROXY: proxy.url(), NO_PROXY: value });
  await fetchWith({ HTTP_PROXY: proxy.url(), no_proxy: value });
  expect(proxy.seen.length).toBe(isUsed ? 2 : 0);
});

test("the process's own environment does not count", async () => {
  const before = process.env.HTTP_PROXY;
  process.env.HTTP_PROXY = proxy.url();
  try {
    await fetchWith({});
    await fetchWith({ NO_PROXY: "example.com" });
  } finally {
    if (before === undefined) delete process.env.HTTP_PROXY;
    else process.env.HTTP_PROXY = before;
  }
  expect(proxy.seen).toEqual([]);
});

test.each(["HTTPS_PROXY", "https_proxy"])("%s tunnels https, and certificates are checked behind it", async (name) => {
  // What the tunnel leads to speaks no TLS: that it is tried at all shows that nothing is sent in the clear.
  proxy.tunnelTo = server.port;
  const error = await failure(fetchWith({ [name]: proxy.url() }, "https://example.com/doc"));
  expect(error.code).toBe("remote-unreachable");
  expect(proxy.seen[0]?.line).toBe("CONNECT example.com:443");
  expect(server.requests).toEqual([]);
});

test("a proxy that refuses says so", async () => {
  proxy.refuses = 407;
  for (const url of ["https://example.com/doc", server.url("/doc")]) {
    const error = await failure(fetchWith({ HTTPS_PROXY: proxy.url(), HTTP_PROXY: proxy.url() }, url));
    expect(error).toMatchObject({
      code: "remote-unreachable",
      message: expect.stringContaining("the proxy refuses (407)"),
    });
    expect(error.hint).toContain("HTTP_PROXY");
  }
  expect(proxy.seen.length).toBe(2);
  proxy.refuses = 404;
  expect((await failure(fetchWith({ HTTP_PROXY: proxy.url() }))).code).toBe("remote-not-found");
});

test.each(["ftp://proxy:1", "http://", "::::", "http://user:geheim@"])("'%s' is no proxy", async (text) => {
  const error = await failure(fetchWith({ HTTP_PROXY: text }));
  expect(error).toMatchObject({ code: "bad-proxy", exitCode: 64 });
  expect(error.message).not.toContain("geheim");
});
