import { afterEach, beforeEach, expect, test } from "vitest";
import { fetchDocument } from "../../src/remotes/http.ts";
import { MisbehavingServer } from "../support/misbehaving-server.ts";
import { failure, testContext } from "./http-support.ts";

let server: MisbehavingServer;
let other: MisbehavingServer;
beforeEach(async () => {
  server = await MisbehavingServer.start();
  other = await MisbehavingServer.start();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

const SECRETS = { authorization: "Bearer geheim", cookie: "a=geheim", "x-amz-security-token": "geheim" };

function redirect(from: string, to: string, status = 302): void {
  const always = { kind: "status", status, headers: { location: to }, body: "<a href>moved</a>" } as const;
  server.serve(from, { body: Buffer.alloc(0), always });
}

function fetchIt(path: string, headers: Readonly<Record<string, string>> = {}) {
  return fetchDocument({ url: server.url(path), what: "it", headers }, testContext());
}

test.each([301, 302, 303, 307, 308])(
  "%i is followed, relative or not, and headers stay with their host",
  async (status) => {
    server.serve("/folder/b", { body: Buffer.from("there") });
    redirect("/folder/a", "b", status);
    redirect("/start", server.url("/folder/a"), status);
    const answer = await fetchIt("/start", { ...SECRETS, accept: "text/plain" });
    expect([answer.body.toString(), answer.url]).toEqual(["there", server.url("/folder/b")]);
    expect(server.of("/folder/b")[0]?.headers).toMatchObject({ ...SECRETS, accept: "text/plain" });
  },
);

test("nothing that tells who asks goes to another host, nor comes back with a redirect from there", async () => {
  server.serve("/end", { body: Buffer.from("there") });
  other.serve("/back", {
    body: Buffer.alloc(0),
    always: { kind: "status", status: 302, headers: { location: server.url("/end") } },
  });
  redirect("/start", other.url("/back"));
  await fetchIt("/start", { ...SECRETS, "X-Api-Key": "geheim", Accept: "a/b", "If-None-Match": '"x"' });
  expect(JSON.stringify(server.of("/start")[0]?.headers)).toContain("geheim");
  for (const one of [...other.of("/back"), ...server.of("/end")]) {
    expect(JSON.stringify(one.headers)).not.toContain("geheim");
    expect(one.headers).toMatchObject({ accept: "a/b", "if-none-match": '"x"', "user-agent": "capstan" });
  }
  expect(other.requests.length).toBe(1);
});

test("a user in the address, or in that of a redirect, is not sent on", async () => {
  other.serve("/end", { body: Buffer.from("there") });
  redirect("/start", other.url("/end").replace("http://", "http://you:geheim@"));
  await fetchDocument({ url: server.url("/start").replace("http://", "http://me:pw@"), what: "it" }, testContext());
  expect(server.requests[0]?.headers.authorization).toBeDefined();
  expect(other.requests[0]?.headers.authorization).toBeUndefined();
});

test("loops and long chains end", async () => {
  redirect("/a", "/b");
  redirect("/b", "/a");
  expect(await failure(fetchIt("/a"))).toMatchObject({
    code: "remote-error",
    message: expect.stringMatching(/itself/),
  });
  expect(server.requests.length).toBe(2);
  for (let hop = 0; hop < 20; hop++) redirect(`/${hop}`, `/${hop + 1}`);
  expect((await failure(fetchIt("/0"))).message).toContain("more than 10");
  server.serve("/10", { body: Buffer.from("ten are fine") });
  expect((await fetchIt("/0")).body.toString()).toBe("ten are fine");
});

test.each(["file:///etc/passwd", "ftp://127.0.0.1/", "http://", "javascript:x"])("not to %s", async (target) => {
  redirect("/a", target);
  expect((await failure(fetchIt("/a"))).code).toBe("remote-error");
});

test("a redirect without a target is an error as it is", async () => {
  server.serve("/a", { body: Buffer.alloc(0), always: { kind: "status", status: 301, body: "moved" } });
  expect((await failure(fetchIt("/a"))).message).toContain("301: moved");
});

test("the body of a PUT goes along with 307, and not with 303", async () => {
  server.serve("/end", { body: Buffer.from("x") });
  const put = (path: string) =>
    fetchDocument({ url: server.url(path), method: "PUT", body: Buffer.from("sent"), what: "it" }, testContext());
  redirect("/a", "/end", 307);
  await put("/a");
  redirect("/b", "/end", 303);
  await put("/b");
  expect(server.of("/end").map((one) => [one.method, one.sent.toString()])).toEqual([
    ["PUT", "sent"],
    ["GET", ""],
  ]);
});
