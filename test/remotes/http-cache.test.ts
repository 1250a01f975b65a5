import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fetchCached } from "../../src/remotes/http.ts";
import { MisbehavingServer } from "../support/misbehaving-server.ts";
import { Sandbox } from "../support/sandbox.ts";
import { testContext } from "./http-support.ts";

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

async function fetchIt(headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const request = { url: server.url("/doc"), what: "it", cacheFolder: sandbox.path("cache"), headers };
  const answer = await fetchCached(request, testContext());
  expect([answer.status, answer.url]).toEqual([200, server.url("/doc")]);
  return `${answer.body} ${answer.headers.link ?? ""}`;
}

/** How many bytes of the document each request brought. */
function answered(): readonly number[] {
  return server.requests.map((one) => one.answered);
}

function entry(): string {
  const [name = "", ...others] = readdirSync(sandbox.path("cache"));
  expect(others).toEqual([]);
  expect(name).toMatch(/^[0-9a-f]{64}\.http$/);
  return sandbox.path("cache", name);
}

test.each([{ etag: '"1"' }, { etag: 'W/"1"' }, { lastModified: "Tue, 05 May 2026 10:00:00 GMT" }])(
  "what is the same still does not come again: %o",
  async (validator) => {
    const file = server.serve("/doc", { body: Buffer.from("text"), headers: { link: "<next>" }, ...validator });
    expect(await fetchIt()).toBe("text <next>");
    expect(await fetchIt({ authorization: "Bearer x" })).toBe("text <next>");
    expect(answered()).toEqual([4, 0]);
    Object.assign(file, { body: Buffer.from("other"), etag: '"2"', lastModified: undefined });
    expect(await fetchIt()).toBe("other <next>");
    expect(await fetchIt()).toBe("other <next>");
    expect(answered()).toEqual([4, 0, 5, 0]);
  },
);

test("what has no validator, or is not to be kept, is not", async () => {
  server.serve("/doc", { body: Buffer.from("text") });
  await fetchIt();
  server.serve("/doc", { body: Buffer.from("text"), etag: '"1"', headers: { "cache-control": "private, no-store" } });
  await fetchIt();
  expect(sandbox.files("cache")).toEqual([]);
});

test("the kept file is for its user alone", async () => {
  server.serve("/doc", { body: Buffer.from("text"), etag: '"1"' });
  await fetchIt();
  expect(statSync(entry()).mode & 0o777).toBe(0o600);
});

test("another kind of document of the same address is asked for anew", async () => {
  server.serve("/doc", { body: Buffer.from("text"), etag: '"1"' });
  await fetchIt({ Accept: "a/b" });
  await fetchIt({ accept: "c/d" });
  expect(answered()).toEqual([4, 4]);
});

test.each<[string, (path: string) => void]>([
  ["empty", (path) => truncateSync(path)],
  ["cut", (path) => truncateSync(path, statSync(path).size - 1)],
  ["longer", (path) => writeFileSync(path, "x", { flag: "a" })],
  ["changed", (path) => writeFileSync(path, readFileSync(path, "latin1").replace(/text$/, "tixt"))],
  ["of another address", (path) => writeFileSync(path, readFileSync(path, "latin1").replace("/doc", "/dog"))],
  ["no JSON", (path) => writeFileSync(path, "{\n")],
  ["JSON of something else", (path) => writeFileSync(path, "[1]\nx")],
  ["without a line", (path) => writeFileSync(path, "x".repeat(100))],
])("an entry that is %s is as none", async (_, damage) => {
  server.serve("/doc", { body: Buffer.from("text"), etag: '"1"' });
  await fetchIt();
  damage(entry());
  expect(await fetchIt()).toBe("text ");
  expect(await fetchIt()).toBe("text ");
  expect(answered()).toEqual([4, 4, 0]);
});

test("where nothing can be kept, it works without", async () => {
  server.serve("/doc", { body: Buffer.from("text"), etag: '"1"' });
  writeFileSync(sandbox.path("cache"), "a file, and no folder");
  expect(await fetchIt()).toBe("text ");
  expect(await fetchIt()).toBe("text ");
});
