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
  "broken/package.json": "{}",
  "broken/index.js": "",
  "broken/node_modules/.package-lock.json": "{",
});
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
