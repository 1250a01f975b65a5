import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type Health,
  type HealthCheck,
  healthRecord,
  parseHealthRecord,
  watchHealth,
} from "../../src/instances/health.ts";

const check: HealthCheck = {
  probe: { kind: "tcp", port: 80 },
  intervalMs: 10_000,
  timeoutMs: 3000,
  retries: 2,
  startMs: 0,
};

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
});

afterEach(() => {
  vi.useRealTimers();
});

/** Watches with results that come one after the other; "-" takes for ever. The last one is repeated. */
function watch(results: string, changes: Partial<HealthCheck> = {}) {
  const seen: Health[] = [];
  let round = 0;
  const stop = watchHealth({
    check: { ...check, ...changes },
    now: () => new Date(Date.now()),
    onChange: (health) => seen.push(health),
    attempt: async (signal) => {
      const result = results[Math.min(round++, results.length - 1)];
      if (result === "!") throw new Error("no such thing");
      if (result === "-") {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return { ok: false, output: "late" };
      }
      return { ok: result === "+", output: result ?? "" };
    },
  });
  return { stop, seen, states: () => seen.map(({ status, failures }) => `${status} ${failures}`), rounds: () => round };
}

describe("watching the health", () => {
  test.each([
    ["++", 15_000, {}, ["starting 0", "healthy 0", "healthy 0"]],
    ["x+", 15_000, {}, ["starting 0", "starting 1", "healthy 0"]],
    ["xx+", 25_000, {}, ["starting 0", "starting 1", "unhealthy 2", "healthy 0"]],
    ["+xxx", 35_000, {}, ["starting 0", "healthy 0", "healthy 1", "unhealthy 2", "unhealthy 3"]],
    ["+x+x", 35_000, {}, ["starting 0", "healthy 0", "healthy 1", "healthy 0", "healthy 1"]],
    ["+x", 1500, { intervalMs: 100, retries: 1 }, expect.arrayContaining(["healthy 0", "unhealthy 1"])],
    [
      "xxx+x",
      15_500,
      { startMs: 3500 },
      ["starting 0", "starting 0", "starting 0", "starting 0", "healthy 0", "healthy 1"],
    ],
    ["x", 15_500, { startMs: 1500 }, ["starting 0", "starting 0", "starting 1", "unhealthy 2"]],
    ["!", 1500, { retries: 1 }, ["starting 0", "unhealthy 1"]],
  ] as const)("%s in %i ms, %j", async (results, time, changes, expected) => {
    const { states, stop } = watch(results, changes);
    await vi.advanceTimersByTimeAsync(time);
    stop();
    expect(states()).toEqual(expected);
  });

  test("tells what was seen, and when", async () => {
    const { seen, stop } = watch("!+");
    await vi.advanceTimersByTimeAsync(11_500);
    stop();
    expect(seen).toEqual([
      { status: "starting", failures: 0, checked: 0 },
      { status: "starting", failures: 1, lastOutput: "no such thing", checked: 1000 },
      { status: "healthy", failures: 0, lastOutput: "+", checked: 11_000 },
    ]);
  });

  test("a check that takes too long is given up", async () => {
    const { seen, stop } = watch("-", { retries: 1 });
    await vi.advanceTimersByTimeAsync(4000);
    stop();
    expect(seen.at(-1)).toEqual({ status: "unhealthy", failures: 1, lastOutput: "late", checked: 4000 });
  });

  test.each([
    ["between two checks", "+", 5000, 1],
    ["in the midst of one", "-", 2000, 1],
  ])("stops %s", async (_, results, time, rounds) => {
    const watched = watch(results);
    await vi.advanceTimersByTimeAsync(time);
    watched.stop();
    const before = watched.states();
    await vi.advanceTimersByTimeAsync(100_000);
    expect(watched.states()).toEqual(before);
    expect(watched.rounds()).toBe(rounds);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a check in osv.config", () => {
  test("is read as it was written", () => {
    expect(parseHealthRecord(JSON.parse(JSON.stringify(healthRecord(check))))).toEqual(check);
  });

  test.each([
    [undefined, undefined],
    ["tcp:80", undefined],
    [{ probe: 80 }, undefined],
    [{ probe: "tcp:80" }, { intervalMs: 30_000, timeoutMs: 30_000, retries: 3, startMs: 0 }],
    [
      { probe: "tcp:80", intervalMs: 0, retries: -1, timeoutMs: "1", startMs: 1e300 },
      { intervalMs: 1, timeoutMs: 30_000, retries: 3, startMs: 0 },
    ],
  ])("%j", (record, expected) => {
    const found = parseHealthRecord(record);
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toEqual({ probe: { kind: "tcp", port: 80 }, ...expected });
  });

  test("with a probe that is none, is refused", () => {
    expect(() => parseHealthRecord({ probe: "log:(" })).toThrow(expect.objectContaining({ code: "bad-probe" }));
  });
});
