import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type OpenAnswer, openAnswer } from "../../src/remotes/http-exchange.ts";
import { MisbehavingServer } from "../support/misbehaving-server.ts";
import { testContext } from "./http-support.ts";

let server: MisbehavingServer;
beforeEach(async () => {
  server = await MisbehavingServer.start();
});
afterEach(() => server[Symbol.asyncDispose]());

const BODY = randomBytes(6_000_000);

function open(): Promise<OpenAnswer> {
  const context = testContext();
  const exchange = { url: server.url("/a"), method: "GET", headers: {}, what: "it", signal: context.signal } as const;
  return openAnswer(exchange, context);
}

test.each([0, 1, 10])(
  "a reader that takes %i ms for a chunk gets all of them, in their order",
  async (milliseconds) => {
    server.serve("/a", { body: BODY });
    const answer = await open();
    // By now the server has sent what fits, and holds back.
    await setTimeout(100);
    const chunks: Buffer[] = [];
    for await (const chunk of answer.body) {
      chunks.push(chunk);
      if (milliseconds > 0) await setTimeout(milliseconds);
    }
    expect(Buffer.concat(chunks).equals(BODY)).toBe(true);
  },
);

test.each([520_000, 560_000, 590_000, 620_000, 700_000])(
  "the end of %i bytes that came while it held back is not lost",
  async (size) => {
    server.serve("/a", { body: BODY.subarray(0, size) });
    const answer = await open();
    await setTimeout(50);
    let length = 0;
    for await (const chunk of answer.body) length += chunk.length;
    expect(length).toBe(size);
  },
);

test("what nobody reads is not taken in", async () => {
  server.serve("/a", { body: Buffer.alloc(100_000_000) });
  const answer = await open();
  await setTimeout(300);
  expect(server.received()).toBeLessThan(50_000_000);
  answer.body.destroy();
});

test("what came before the connection broke is delivered before the error", async () => {
  server.serve("/a", { body: BODY, always: { kind: "cut", after: 2_000_000 } });
  const answer = await open();
  await setTimeout(50);
  let length = 0;
  const read = async () => {
    for await (const chunk of answer.body) {
      length += chunk.length;
      await setTimeout(1);
    }
  };
  await expect(read()).rejects.toThrow();
  expect(length).toBe(2_000_000);
});

test("a body that is destroyed, or not read to its end, frees its connection", async () => {
  server.serve("/a", { body: BODY, always: { kind: "stall", after: 1000 } });
  for (let count = 0; count < 5; count++) (await open()).body.destroy();
  for await (const _ of (await open()).body) break;
  await expect.poll(() => server.connections()).toBe(0);
});
