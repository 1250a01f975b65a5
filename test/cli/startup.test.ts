import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { afterAll, expect, test } from "vitest";
import { repository, Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
const dist = join(repository, "dist");
const [script = ""] = readdirSync(dist).filter((name) => /^edge-\w+\.cjs$/.test(name));

test("the entry is small, and loads nothing else before it has looked at the arguments", () => {
  const text = readFileSync(join(dist, "main.js"), "utf8");
  expect(statSync(join(dist, "main.js")).size).toBeLessThan(4000);
  expect(text.match(/(?:\bfrom|import|import\()\s*"\.[^"]*"/g)).toBeNull();
  expect(text).toContain(`"${script}"`);
});

/** A copy of what is installed, in a folder that may be changed. */
function install(name: string): string {
  const folder = sandbox.path(name, "dist");
  mkdirSync(folder, { recursive: true });
  for (const file of ["main.js", script, `${script}.cache`]) copyFileSync(join(dist, file), join(folder, file));
  writeFileSync(sandbox.path(name, "package.json"), '{ "type": "module" }');
  symlinkSync(join(repository, "guest"), sandbox.path(name, "guest"));
  return folder;
}

function list(folder: string): void {
  const env = { ...process.env, CAPSTAN_ROOT: sandbox.path("root") };
  const { status, stderr } = spawnSync(process.execPath, [join(folder, "main.js"), "images"], {
    env,
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}

test("the code that was compiled at the build is taken, and not written again", () => {
  const folder = install("kept");
  const before = statSync(join(folder, `${script}.cache`));
  list(folder);
  expect(statSync(join(folder, `${script}.cache`))).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
});

test.each<[string, (cache: string) => void]>([
  ["lost", (cache) => rmSync(cache)],
  ["empty", (cache) => writeFileSync(cache, "")],
  ["cut", (cache) => writeFileSync(cache, readFileSync(cache).subarray(0, 100_000))],
  // The first word is V8's own mark, which holds its version.
  [
    "of another Node",
    (cache) => writeFileSync(cache, Buffer.concat([Buffer.alloc(8), readFileSync(cache).subarray(8)])),
  ],
])("compiled code that is %s is made anew by the first command", (name, spoil) => {
  const folder = install(name);
  const cache = join(folder, `${script}.cache`);
  spoil(cache);
  list(folder);
  const { ino, size } = statSync(cache);
  expect(size).toBeGreaterThan(200_000);
  list(folder);
  expect(statSync(cache).ino).toBe(ino);
  expect(readdirSync(folder).sort()).toEqual([script, `${script}.cache`, "main.js"].sort());
});

/** The files of src/, and the libraries, that a file needs before its first line runs. */
function needed(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  if (!path.endsWith(".ts")) return seen;
  const text = readFileSync(path, "utf8");
  for (const [, what = "", from = ""] of text.matchAll(/^(?:import|export)\s([^;]*?)\sfrom "([^"]+)";/gm)) {
    const names = what.replace(/^\{|\}$/g, "").split(",");
    if (what.startsWith("type ") || names.every((name) => /^\s*(type\s|$)/.test(name))) continue;
    if (from.startsWith(".")) needed(join(dirname(path), from), seen);
    else if (!from.startsWith("node:")) seen.add(from);
  }
  return seen;
}

const neededBy = (path: string) => [...needed(join(repository, "src", path))].map((file) => relative(repository, file));

test("what is common to all commands needs no library and none of the commands", () => {
  const files = neededBy("cli/edge.ts");
  expect(files).toContain("src/cli/parse.ts");
  expect(files.filter((file) => !/^src\/(cli\/(?!commands)|support)/.test(file))).toEqual([]);
});

test("every command is loaded by itself", () => {
  for (const name of readdirSync(join(repository, "src", "cli", "commands"))) {
    const own = `cli/commands/${name}`;
    expect(neededBy(own).filter((file) => file.startsWith("src/cli/commands/") && file !== `src/${own}`)).toEqual([]);
  }
});

test("to run an image takes nothing of composing, checking and fetching", () => {
  const rooms = new Set(neededBy("cli/commands/run.ts").map((file) => file.split("/")[1]));
  expect(rooms).toContain("instances");
  for (const room of ["compose", "check", "remotes", "packages", "linker", "elf", "exports"])
    expect(rooms).not.toContain(room);
});

test("the YAML library is only loaded where YAML is read", () => {
  expect(neededBy("cli/commands/runtime-list.ts").filter((file) => file.includes("yaml"))).toEqual([]);
  expect(neededBy("cli/commands/compose.ts").some((file) => file.includes("yaml"))).toBe(true);
});
