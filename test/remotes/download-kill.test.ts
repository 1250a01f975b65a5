import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildHarness, runHarness } from "../support/download-harness.ts";
import { MisbehavingServer } from "../support/misbehaving-server.ts";
import { Sandbox } from "../support/sandbox.ts";

let server: MisbehavingServer;
let sandbox: Sandbox;
let harness: string;
beforeAll(async () => {
  server = await MisbehavingServer.start();
  sandbox = new Sandbox();
  harness = await buildHarness(sandbox);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  sandbox.remove();
});

const BODY = randomBytes(4_000_000);
const PACKED = gzipSync(BODY, { level: 1 });
const SLOWLY = { kind: "drip", bytes: 100_000, everyMs: 3 } as const;

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

describe.each([
  { name: "known", body: BODY, gzip: false, isKnown: true },
  { name: "unknown", body: BODY, gzip: false, isKnown: false },
  { name: "packed", body: PACKED, gzip: true, isKnown: true },
])("a $name file", ({ name, body, gzip, isKnown }) => {
  const path = () => sandbox.path(name, "file");
  const request = () => ({
    file: {
      url: server.url(`/${name}`),
      gzip,
      ...(isKnown ? { sha256: sha256(body), size: body.length } : {}),
    },
    path: path(),
    what: name,
  });
  const answered = () => server.of(`/${name}`).reduce((sum, one) => sum + one.answered, 0);
  const checkPlace = () => {
    if (existsSync(path())) expect(sha256(readFileSync(path()))).toBe(sha256(BODY));
  };

  test("is whole or not there, wherever the process is killed, and the next one completes it", async () => {
    server.serve(`/${name}`, { body, etag: '"1"', always: SLOWLY });
    for (let kill = 0; kill < 8; kill++) {
      // A new start now and then, so that its first steps are hit as well as its last.
      if (kill % 4 === 0) rmSync(sandbox.path(name), { recursive: true, force: true });
      const before = answered();
      const { child, done } = runHarness(harness, { request: request() });
      const enough = before + Math.floor((Math.random() * body.length) / 3);
      while (child.exitCode === null && answered() < enough) await setTimeout(1);
      await setTimeout(Math.random() * 5);
      child.kill("SIGKILL");
      await done;
      checkPlace();
    }
    server.requests.length = 0;
    const { done } = runHarness(harness, { request: request() });
    expect(await done).toMatchObject({ result: { size: body.length, sha256: sha256(body) } });
    expect(existsSync(path())).toBe(true);
    checkPlace();
    // Those who were killed have left nothing but what a later one takes up, or is named for them.
    const left = sandbox.files(name).filter((one) => !/^\.file\..*\.part$/.test(one) && !one.startsWith(".file.part"));
    expect(left).toEqual(["file"]);
  });
});

test("eight processes at once fetch a file once, though the first is killed", async () => {
  server.serve("/shared", { body: BODY, etag: '"1"', always: { ...SLOWLY, everyMs: 10 } });
  const request = {
    file: { url: server.url("/shared"), gzip: false },
    path: sandbox.path("shared", "file"),
    what: "it",
  };
  const first = runHarness(harness, { request });
  await expect.poll(() => server.of("/shared").length, { timeout: 20_000 }).toBe(1);
  const others = Array.from({ length: 7 }, () => runHarness(harness, { request }));
  await setTimeout(200);
  first.child.kill("SIGKILL");
  const results = (await Promise.all(others.map((one) => one.done))) as { result: { transferred: number } }[];
  expect(results.map((one) => ({ ...one.result, transferred: 0 }))).toEqual(
    Array(7).fill({ size: BODY.length, sha256: sha256(BODY), transferred: 0 }),
  );
  expect(results.filter((one) => one.result.transferred > 0).length).toBeLessThanOrEqual(1);
  expect(sandbox.files("shared").filter((one) => !one.startsWith("."))).toEqual(["file"]);
});
