import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { candidateOf, detect } from "../../src/cli/init/detect.ts";
import { CapstanError } from "../../src/support/errors.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
let count = 0;

function newFolder(): string {
  const folder = sandbox.path(`folder-${++count}`);
  mkdirSync(folder);
  return folder;
}

const KINDS: readonly (readonly [string, (path: string) => void])[] = [
  ["a named pipe", (path) => execFileSync("mkfifo", [path])],
  ["a folder", (path) => mkdirSync(path)],
  ["a link to nothing", (path) => symlinkSync("nothing", path)],
  ["a link to itself", (path) => symlinkSync(path, path)],
  ["a link upwards", (path) => symlinkSync("..", path)],
  ["a device", (path) => symlinkSync("/dev/zero", path)],
  ["an empty file", (path) => writeFileSync(path, "", { mode: 0o755 })],
  ["no text", (path) => writeFileSync(path, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0xff, 0, 0xff]), { mode: 0o755 })],
  [
    "a vast file",
    (path) => {
      writeFileSync(path, "", { mode: 0o755 });
      truncateSync(path, 2 ** 40);
    },
  ],
];
const NAMES = [
  "package.json",
  "Cargo.toml",
  "go.mod",
  "main.go",
  "cmd",
  "pom.xml",
  "build",
  "build/libs",
  "bin",
].concat(["app.py", "__main__.py", "x.jar", "index.html", "public", "program"]);

describe.each(KINDS)("%s", (_, make) => {
  test.each(NAMES)("in place of %s is passed over, or refused", (name) => {
    const folder = newFolder();
    for (const beside of ["go.mod", "build.gradle"])
      if (beside !== name) sandbox.write({ [beside]: "module x\n" }, folder);
    const path = `${folder}/${name}`;
    mkdirSync(dirname(path), { recursive: true });
    make(path);
    for (const look of [
      () => detect(folder).map((one) => one.describe()),
      () => candidateOf(name, folder).describe(),
    ]) {
      try {
        look();
      } catch (error) {
        expect(error).toBeInstanceOf(CapstanError);
      }
    }
  });
});

describe("a Go project", () => {
  const builds = (folder: string) => detect(folder).map((one) => one.describe().build);

  test("is told by its sources, however large the generated ones are", () => {
    const folder = newFolder();
    const generated = `package main\nvar data = "${"x".repeat(2 << 20)}"\n`;
    sandbox.write({ "go.mod": "module a.b/serve\n", "assets.go": generated }, folder);
    mkdirSync(`${folder}/testdata.go`);
    expect(builds(folder)).toEqual(["go build -buildmode=pie -o build/serve ."]);
  });

  test("names nothing that a shell would run", () => {
    const folder = newFolder();
    const names = ["x; touch y", "$(touch z)", "-o", "fine", "with blank"];
    sandbox.write(Object.fromEntries(names.map((name) => [`cmd/${name}/main.go`, "package main\n"])), folder);
    sandbox.write({ "go.mod": "module a.b/`touch-x`\n", "cmd/README.md": "" }, folder);
    expect(builds(folder)).toEqual(["go build -buildmode=pie -o build/fine ./cmd/fine"]);
    const plain = newFolder();
    sandbox.write({ "go.mod": "module a.b/$(id)\n", "main.go": "package main\n" }, plain);
    expect(builds(plain)).toEqual([`go build -buildmode=pie -o build/folder-${count} .`]);
  });
});

test("a POM whose elements are never closed is read in time", () => {
  const folder = newFolder();
  const own = "<artifactId>srv</artifactId><version>1</version>";
  sandbox.write({ "pom.xml": `<parent><artifactId>p</artifactId></parent>${own}${"<build>".repeat(140_000)}` }, folder);
  expect(detect(folder).map((one) => one.describe().program)).toEqual(["target/srv-1.jar"]);
});
