import { describe, expect, test } from "vitest";
import {
  formatRestartPolicy,
  parseRestartPolicy,
  pauseBeforeRestart,
  wantsRestart,
} from "../../src/instances/restart-policy.ts";

describe("restart policies", () => {
  test.each([
    ["no", { kind: "no" }],
    ["always", { kind: "always" }],
    ["on-failure", { kind: "on-failure", most: undefined }],
    ["on-failure:3", { kind: "on-failure", most: 3 }],
  ])("%s is read, and written as it was", (text, policy) => {
    expect(parseRestartPolicy(text)).toEqual(policy);
    expect(formatRestartPolicy(parseRestartPolicy(text))).toBe(text);
  });

  test.each([
    "",
    "yes",
    "unless-stopped",
    "on-failure:",
    "on-failure:-1",
    "on-failure:x",
    "always:3",
    "on-failure:1234567",
  ])("'%s' is refused", (text) => {
    expect(() => parseRestartPolicy(text)).toThrow(
      expect.objectContaining({ code: "bad-restart-policy", exitCode: 64 }),
    );
  });

  test.each([
    ["no", true, 0, false],
    ["always", false, 0, true],
    ["always", true, 100, true],
    ["on-failure", false, 0, false],
    ["on-failure", true, 100, true],
    ["on-failure:2", true, 1, true],
    ["on-failure:2", true, 2, false],
    ["on-failure:0", true, 0, false],
  ])("%s: a guest that failed (%s) after %d restarts is started again: %s", (text, failed, earlier, again) => {
    expect(wantsRestart(parseRestartPolicy(text), failed, earlier)).toBe(again);
  });

  test("pauses grow to a minute, and no further", () => {
    const pauses = Array.from({ length: 2000 }, (_, earlier) => pauseBeforeRestart(earlier));
    expect(pauses.slice(0, 3)).toEqual([100, 200, 400]);
    expect(pauses.every((pause, index) => index === 0 || pause >= (pauses[index - 1] ?? 0))).toBe(true);
    expect(pauses.at(-1)).toBe(60_000);
  });
});
