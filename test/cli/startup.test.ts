import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { repository, Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
const main = join(repository, "dist", "main.js");

/** A module hook that writes down every file that is loaded. */
const HOOKS = `
import { appendFileSync } from "node:fs";
export async function load(url, context, next) {
  appendFileSync(process.env.LOADED, url + "\\n");
  return next(url, context);
}
`;
const REGISTER = `
import { register } from "node:module";
register(process.env.HOOKS, import.meta.url);
`;

async function loaded(args: readonly string[]): Promise<string[]> {
  sandbox.write({ "hooks.mjs": HOOKS, "register.mjs": REGISTER, loaded: "" });
  const list = sandbox.path("loaded");
  const env = {
    NODE_OPTIONS: `--import=file://${sandbox.path("register.mjs")}`,
    HOOKS: `file://${sandbox.path("hooks.mjs")}`,
    LOADED: list,
  };
  await sandbox.ok(args, { env });
  return readFileSync(list, "utf8")
    .split("\n")
    .filter((url) => url.includes("/dist/"));
}

test("$ capstan --version loads the entry alone", async () => {
  expect((await loaded(["--version"])).map((url) => url.split("/dist/")[1])).toEqual(["main.js"]);
});

test("the entry is small and holds the rest behind one late import", () => {
  const text = readFileSync(main, "utf8");
  expect(statSync(main).size).toBeLessThan(2000);
  expect(text.match(/\bfrom\s*"\.[^"]*"/g)).toBeNull();
  expect(text.match(/import\("\.\/chunks\/[^"]+"\)/g)).toHaveLength(1);
});

test("a command loads neither the parts of others nor the YAML library", async () => {
  const files = await loaded(["runtime", "list"]);
  expect(files.some((url) => url.includes("runtime-list"))).toBe(true);
  for (const other of ["run-", "package-", "image-", "compose-"]) {
    expect(files.filter((url) => url.includes(`/chunks/${other}`))).toEqual([]);
  }
  const yaml = /YAMLParseError|class Lexer/;
  expect(files.filter((url) => yaml.test(readFileSync(new URL(url), "utf8")))).toEqual([]);
});
