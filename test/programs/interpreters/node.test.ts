import { symlinkSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { requiresOf } from "../../../src/programs/interpreters/node/requires.ts";
import { ELF, partsOf, World } from "./world.ts";

const world = new World().system({ "usr/bin/node": ELF }).user({
  "alone/a.js": "console.log(1)",
  "many/src/a.mjs":
    'import x from "./b.js";\nexport * from "../lib/c.mjs";\nimport "node:fs";\nimport { y } from "http";',
  "many/src/b.js": "require('./d'); require(`./data.json`); require('./gone')",
  "many/src/d/index.js": "",
  "many/src/data.json": "{}",
  "many/lib/c.mjs": "await import('./c.mjs')",
  "many/package.json": '{"type":"module"}',
  "page/a.js": 'readFile(path.join(__dirname, "index.html")); serve("public"); open("/etc/passwd")',
  "page/index.html": "",
  "page/public/x.css": "",
  "bare/src/a.js": 'require("express/lib/x"); require("@a/b"); require("gone"); require("@c/d/e")',
  "bare/node_modules/express/index.js": "",
  "bare/node_modules/express/index.js.map": "12345",
  "bare/node_modules/express/index.d.ts": "12",
  "bare/node_modules/@a/b/index.js": "",
  "project/package.json": '{"name":"x","scripts":{"start":"PORT=80 node --no-warnings srv.js -v"}}',
  "project/srv.js": 'require("kept"); require("not-installed")',
  "project/.git/config": "",
  "project/README.md": "1",
  "project/node_modules/kept/x.js": "",
  "project/node_modules/kept/LICENSE.md": "12",
  "project/node_modules/tool/x.js": "123",
  "project/node_modules/tool/deep/y.js": "4",
  "project/node_modules/.package-lock.json":
    '{"packages":{"":{"dev":true},"node_modules/tool":{"dev":true},"node_modules/kept":{}}}',
  "ws/node_modules/dep/package.json": '{"dependencies":{"deeper":"1","@s/c":"1","b":"1"}}',
  "ws/node_modules/dep/index.d.ts": "1",
  "ws/node_modules/deeper/package.json": '{"dependencies":{"dep":"1"}}',
  "ws/node_modules/deeper/node_modules/own/x.js": "",
  "ws/node_modules/@s/c/package.json": "{",
  "ws/node_modules/listed/x.js": "",
  "ws/node_modules/both/x.js": "",
  "ws/node_modules/tool/x.js": "",
  "ws/node_modules/pre/register.js": "",
  "ws/packages/b/package.json": "{}",
  "ws/packages/a/package.json":
    '{"name":"a","scripts":{"start":"node -r ./pre --import=../first.js -r pre/register i.js"},"dependencies":{"listed":"1","../../x":"1"}}',
  "ws/packages/a/i.js": 'require("dep/x"); require("both"); require("a"); require("gone")',
  "ws/packages/first.js": 'require("../lib/x.json")',
  "ws/lib/x.json": "1",
  "ws/packages/a/pre.js": 'require("absent")',
  "ws/packages/a/node_modules/both/x.js": "",
  "broken/package.json": "{}",
  "broken/index.js": "",
  "broken/node_modules/.package-lock.json": "{",
});
symlinkSync("../packages/a", `${world.home}/ws/node_modules/a`);
symlinkSync("../packages/b", `${world.home}/ws/node_modules/b`);
afterAll(() => world.remove());

test.each<[path: string, args: readonly string[], parts: readonly string[]]>([
  ["alone/a.js", ["/app/a.js"], ["file /app/a.js < ~/alone/a.js"]],
  [
    "many/src/a.mjs",
    ["/app/src/a.mjs"],
    [
      ...["src/a.mjs", "src/b.js", "lib/c.mjs", "src/d/index.js", "src/data.json", "package.json"].map(
        (path) => `file /app/${path} < ~/many/${path}`,
      ),
    ],
  ],
  [
    "page/a.js",
    ["/app/a.js"],
    ["file /app/index.html < ~/page/index.html", "folder /app/public < ~/page/public", "file /app/a.js < ~/page/a.js"],
  ],
  [
    "bare/src/a.js",
    ["/app/src/a.js"],
    ["folder /app/node_modules < ~/bare/node_modules", "file /app/src/a.js < ~/bare/src/a.js"],
  ],
  ["project", ["--no-warnings", "/app/srv.js", "-v"], ["folder /app < ~/project"]],
])("%s", async (path, args, parts) => {
  const application = await world.application(path);
  expect(partsOf(application, world)).toEqual(parts);
  expect(application).toMatchObject({ args, executable: { source: "/usr/bin/node", target: "/usr/bin/node" } });
  expect(application.prefersLinux).toMatch(/proc\/self\/maps/);
});

describe("a project of a workspace", () => {
  test("has the packages of the folders above it, and what those need", async () => {
    const application = await world.application("ws/packages/a");
    const above = ["dep", "pre", "listed", "deeper", "@s/c", "b"];
    expect(partsOf(application, world)).toEqual([
      ...above.map((name) => `folder /node_modules/${name} < ~/ws/node_modules/${name}`),
      "folder /app < ~/ws/packages/a",
      "file /first.js < ~/ws/packages/first.js",
      "file /lib/x.json < ~/ws/lib/x.json",
    ]);
    expect(application.notes).toEqual([
      "The packages gone, absent are in no node_modules folder: run npm install first.",
    ]);
    expect(application.trimmed).toEqual([{ what: "type declarations", files: 1, bytes: 1 }]);
  });

  test("has the files that are loaded first by their places in the image", async () => {
    const { args } = await world.application("ws/packages/a");
    expect(args).toEqual(["-r", "/app/pre", "--import=/first.js", "-r", "pre/register", "/app/i.js"]);
  });
});

test("a start script that is not followed is told", async () => {
  world.user({ "next/package.json": '{"scripts":{"start":"next start"}}', "next/server.js": "" });
  expect((await world.application("next")).notes).toEqual([
    "npm start runs 'next start', which is not of the form 'node FILE': server.js is started instead.",
  ]);
});

describe("node as the program", () => {
  test.each<[userArgs: readonly string[], cwd: string, parts: readonly string[]]>([
    [["a.js"], "alone", ["file /a.js < ~/alone/a.js"]],
    [
      ["--no-warnings", "-r", "./lib/c.mjs", "./src/b.js", "x"],
      "many",
      ["src/d/index.js", "src/data.json", "package.json", "lib/c.mjs", "src/b.js"].map(
        (path) => `file /${path} < ~/many/${path}`,
      ),
    ],
    [["a"], "bare/src", ["folder /node_modules < ~/bare/node_modules", "file /a.js < ~/bare/src/a.js"]],
    [["-e", "1", "a.js"], "alone", ["file /a.js < ~/alone/a.js"]],
    [["--version"], "alone", []],
    [["gone.js"], "alone", []],
  ])("%j in %s", async (userArgs, cwd, parts) => {
    const application = await world.application("/usr/bin/node", { userArgs, cwd: `${world.home}/${cwd}` });
    expect(partsOf(application, world)).toEqual(parts);
    expect(application).toMatchObject({ args: [] });
    expect(application.workingDirectory).toBeUndefined();
  });

  test("what a script loads keeps its path where the script is named by its whole path", async () => {
    const path = `${world.home}/many/src/b.js`;
    const { parts } = await world.application("/usr/bin/node", { userArgs: [path] });
    expect(parts.map(({ target }) => target).filter((target) => target !== path)).toEqual(
      ["src/d/index.js", "src/data.json", "package.json"].map((name) => `${world.home}/many/${name}`),
    );
  });
});

test("variables of the start script count", async () => {
  expect(Object.fromEntries((await world.application("project")).env)).toEqual({ NODE_ENV: "production", PORT: "80" });
});

test.each([
  ["bare/src/a.js", "The packages gone, @c/d are in no node_modules folder: run npm install first."],
  ["project", "The package not-installed is in no node_modules folder: run npm install first."],
])("packages of %s that are not installed", async (path, note) => {
  expect((await world.application(path)).notes).toEqual([note]);
});

describe("trimming", () => {
  test("leaves out what npm marks as for development", async () => {
    const application = await world.application("project");
    expect(application.trimmed).toEqual([
      { what: "version control", files: 1, bytes: 0 },
      { what: "packages for development only", files: 2, bytes: 4 },
      { what: "documentation of packages", files: 1, bytes: 2 },
    ]);
    const [folder] = application.parts;
    const skip = folder?.kind === "folder" ? folder.skip : undefined;
    const skipped = ["node_modules/tool", "node_modules/kept", "node_modules", ".git", "srv.js", "README.md"].filter(
      (path) => skip?.(path, !/\./.test(path.slice(1))),
    );
    expect(skipped).toEqual(["node_modules/tool", ".git"]);
  });

  test("of packages beside a script", async () => {
    expect((await world.application("bare/src/a.js")).trimmed).toEqual([
      { what: "source maps", files: 1, bytes: 5 },
      { what: "type declarations", files: 1, bytes: 2 },
    ]);
  });

  test("can be turned off", async () => {
    const application = await world.application("project", { trim: false });
    expect(application.trimmed).toEqual([]);
    expect(application.parts[0]).not.toHaveProperty("skip");
  });

  test("does without a lock file that can be read", async () => {
    expect((await world.application("broken")).trimmed).toEqual([]);
  });
});

test.each<[source: string, relative: readonly string[], bare: readonly string[]]>([
  ['const a = require("./a"), b = require( "b" )', ["./a"], ["b"]],
  ["import a from 'a'; import './b.js'; import * as c from \"@c/d\"", ["./b.js"], ["a", "@c/d"]],
  ["import {\n  a,\n  b,\n} from '../x.js'", ["../x.js"], []],
  ["export { a } from './a.js'\nexport * from 'b'", ["./a.js"], ["b"]],
  ["import('./lazy.js'); import(name); require.resolve('./r')", ["./lazy.js", "./r"], []],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source that is read.
  ["require('node:fs'); require('https://x'); require(`./${a}`); require('/abs')", [], []],
  ["import '#own'", [], ["#own"]],
])("%j loads", (source, relative, bare) => {
  const found = requiresOf(source);
  expect([found.relative.toSorted(), found.bare.toSorted()]).toEqual([relative.toSorted(), bare.toSorted()]);
});
