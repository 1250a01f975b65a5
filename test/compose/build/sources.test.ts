import { mkdirSync, symlinkSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { findSources } from "../../../src/compose/build/sources.ts";
import { failureOf } from "../../project/failure.ts";
import { Sandbox } from "../../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const find = (source: string, folder: string) =>
  findSources({ source, target: "/t", where: "Capstanfile:1:1" }, sandbox.path(folder), new AbortController().signal);
const targets = (source: string, folder: string) => find(source, folder).map(({ target }) => target);

describe("folders in any depth", () => {
  test.each([
    ["**/x", ["/t/a/x", "/t/x"]],
    ["**/**/x", ["/t/a/x", "/t/x"]],
    ["a/**/x", ["/t/x"]],
    ["**/a/x", ["/t/a/x"]],
    ["*/**/*", ["/t/a/x"]],
  ])("%s", (source, expected) => {
    sandbox.write({ "some/x": "", "some/a/x": "" });
    expect(targets(source, "some")).toEqual(expected);
  });

  test("are looked at once, however many ways lead to them", () => {
    mkdirSync(sandbox.path("deep", ..."abcdefghijklmnopqrstuvw"), { recursive: true });
    sandbox.write({ "deep/a/b/x": "" });
    expect(targets(`${"**/".repeat(20)}x`, "deep")).toEqual(["/t/a/b/x"]);
    expect(failureOf(() => find(`${"**/*/".repeat(12)}nothing`, "deep"))).toMatchObject({ code: "no-such-file" });
  });
});

test("links that lead upwards are not followed without an end", () => {
  // Few enough that no path of them has more links than the system follows at once.
  mkdirSync(sandbox.path("loops"));
  for (const name of ["a", "b", "c"]) symlinkSync(".", sandbox.path("loops", name));
  expect(failureOf(() => find("*/".repeat(12), "loops"))).toMatchObject({ code: "too-many-links" });
});
