import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findProgram } from "../support/machine.ts";
import { Sandbox, sha256 } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const numbers = [0, 1, 2, 3, 4, 5];

beforeAll(async () => {
  for (const number of numbers) {
    sandbox.project(`p${number}`, { which: `${number}\n`, data: Buffer.alloc(1_500_000, `${number}`) }, ["shared"]);
  }
  await sandbox.package("shared", { shared: "shared\n" });
});

afterAll(() => sandbox.remove());

const compose = (name: string, project: string) =>
  sandbox.run(["package", "compose", name, "-l", "builtin", "--run", "/x"], { cwd: sandbox.path(project) });

function checkWhole(name: string): void {
  if (findProgram("qemu-img") === undefined) return;
  execFileSync("qemu-img", ["check", "-q", sandbox.image(name)]);
}

test("D11: any number of composes at once, each its own image", async () => {
  const results = await Promise.all(numbers.map((number) => compose(`image-${number}`, `p${number}`)));
  expect(results.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual(numbers.map(() => 0));
  for (const number of numbers) {
    checkWhole(`image-${number}`);
    expect(await sandbox.ok(["image", "cat", `image-${number}`, "/which"])).toBe(`${number}\n`);
  }
  const shared = await sandbox.ok(["image", "cat", "image-0", "/shared"]);
  expect(shared).toBe("shared\n");
});

test("D11: of the same name at once, one of them is the image, whole", async () => {
  const results = await Promise.all(numbers.map((number) => compose("same", `p${number}`)));
  expect(results.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual(numbers.map(() => 0));
  checkWhole("same");
  const which = (await sandbox.ok(["image", "cat", "same", "/which"])).trim();
  expect(sha256(sandbox.image("same"))).toBe(sha256(sandbox.image(`image-${which}`)));
  expect(sandbox.files("store/repository/same")).toEqual([
    "index.yaml",
    "same.elf",
    "same.files",
    "same.qemu",
    "same.sources",
  ]);
});

test("while others look at it, and remove it, nobody sees half of it", async () => {
  const readers = Array.from({ length: 8 }, () => sandbox.run(["image", "cat", "same", "/which"]));
  const [, ...looked] = await Promise.all([compose("same", "p3"), ...readers]);
  for (const { code, stdout } of looked) expect([code, /^\d\n$/.test(stdout)]).toEqual([0, true]);
  const raced = await Promise.all([compose("same", "p4"), sandbox.run(["rmi", "same"]), compose("same", "p5")]);
  expect(raced.map(({ code }) => code)).toEqual([0, 0, 0]);
  const left = await sandbox.run(["image", "cat", "same", "/which"]);
  expect([`0 4\n`, `0 5\n`, "66 "]).toContain(`${left.code} ${left.stdout}`);
});

test("imports of one package at once leave one whole package", async () => {
  const results = await Promise.all(numbers.map(() => sandbox.run(["package", "import", sandbox.path("p1")])));
  expect(results.map(({ code }) => code)).toEqual(numbers.map(() => 0));
  expect(sandbox.files("store/packages")).toEqual(["p1.mpm", "p1.yaml", "shared.mpm", "shared.yaml"]);
  expect((await sandbox.json<{ content: unknown[] }>(["package", "describe", "p1", "-c"])).content).toHaveLength(2);
});
