import { execFileSync } from "node:child_process";
import { chmodSync } from "node:fs";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { jsonFault } from "../../src/programs/recognise/json-position.ts";
import { recognise } from "../../src/programs/recognise.ts";
import { CapstanError } from "../../src/support/errors.ts";
import { buildElf } from "../elf/build-elf.ts";
import { lacksProgram, testUnless } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";
import { jarFile } from "./zip-file.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const PROGRAM = buildElf({ type: 2, interpreter: "/lib64/ld-linux-x86-64.so.2" });

describe("files", () => {
  test.each<[name: string, content: string | Uint8Array, expected: object]>([
    ["program", PROGRAM, { kind: "elf", interpreter: undefined }],
    // What it is decides, not what it is called.
    ["program.py", PROGRAM, { kind: "elf", interpreter: undefined }],
    ["a.py", "print(1)\n", { kind: "python-script", interpreter: "python3" }],
    ["a.PY", "print(1)\n", { kind: "python-script", interpreter: "python3" }],
    ["a.pyz", "PK\x03\x04", { kind: "python-script", interpreter: "python3" }],
    ["a.js", "1", { kind: "node-script", interpreter: "node" }],
    ["a.mjs", "1", { kind: "node-script", interpreter: "node" }],
    ["a.cjs", "1", { kind: "node-script", interpreter: "node" }],
    ["a.php", "<?php", { kind: "php-script", interpreter: "php" }],
    ["a.rb", "1", { kind: "ruby-script", interpreter: "ruby" }],
    ["a.pl", "1", { kind: "perl-script", interpreter: "perl" }],
    ["a.lua", "1", { kind: "lua-script", interpreter: "lua" }],
    ["a.tcl", "1", { kind: "tcl-script", interpreter: "tclsh" }],
    ["a.sh", "ls", { kind: "shell-script", interpreter: "sh" }],
    ["a.jar", jarFile("Main-Class: A\n"), { kind: "jar", interpreter: "java" }],
    ["b.jar", jarFile("Main-Class: A\n", { before: "#!/bin/sh\nexec java -jar $0\n" }), { kind: "jar" }],
    ["A.class", Buffer.from([0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 61]), { kind: "java-class", interpreter: "java" }],
  ])("%s", (name, content, expected) => {
    expect(recognise(write(name, content))).toMatchObject({ ...expected, path: sandbox.path(name) });
  });

  test.each<[line: string, kind: string, interpreter: string, args: readonly string[]]>([
    ["#!/usr/bin/python3", "python-script", "/usr/bin/python3", []],
    ["#! /usr/bin/python3.11 -u", "python-script", "/usr/bin/python3.11", ["-u"]],
    ["#!/usr/bin/env python3", "python-script", "python3", []],
    [
      "#!/usr/bin/env -S node --no-warnings --max-old-space-size=64",
      "node-script",
      "node",
      ["--no-warnings", "--max-old-space-size=64"],
    ],
    ["#!/usr/bin/env --split-string=node -r './a b.js'", "node-script", "node", ["-r", "./a b.js"]],
    ["#!/usr/bin/env -i -u HOME A=1 perl -w", "perl-script", "perl", ["-w"]],
    ["#!/bin/sh\r", "shell-script", "/bin/sh", []],
    ["#!/bin/bash -e", "shell-script", "/bin/bash", ["-e"]],
    ["#!/usr/bin/lua5.4", "lua-script", "/usr/bin/lua5.4", []],
    ["#!/usr/bin/tclsh8.6", "tcl-script", "/usr/bin/tclsh8.6", []],
    ["#!/usr/bin/awk -f", "other-script", "/usr/bin/awk", ["-f"]],
    // Nothing behind it names a program: the ending of the file counts.
    ["#!", "ruby-script", "ruby", []],
    ["#!/usr/bin/env", "ruby-script", "ruby", []],
  ])("%s", (line, kind, interpreter, args) => {
    expect(recognise(write("script.rb", `${line}\nwords\n`))).toMatchObject({
      kind,
      interpreter,
      interpreterArgs: args,
    });
  });

  test("a #! line without an end, and what it sets", () => {
    expect(recognise(write("x", "#!/usr/bin/env A=1 B='x y' ruby"))).toMatchObject({
      interpreter: "ruby",
      env: new Map([
        ["A", "1"],
        ["B", "x y"],
      ]),
    });
  });

  test.each<[name: string, content: string | Uint8Array, message: RegExp, hint: RegExp]>([
    ["empty", "", /is empty/, /program or a script/],
    ["a.exe", "MZ\x90\0", /Windows program/, /for Linux/],
    ["mac", Buffer.from([0xcf, 0xfa, 0xed, 0xfe, 7, 0]), /macOS program/, /for Linux/],
    ["fat", Buffer.from([0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 2]), /macOS program/, /for Linux/],
    ["a.wasm", "\0asm\x01\0\0\0", /WebAssembly/, /wasmtime/],
    ["a.deb", "!<arch>\ndebian-binary   ", /Debian package/, /--sysroot/],
    ["a.a", "!<arch>\nx.o/", /static library/, /Link it/],
    ["a.zip", "PK\x03\x04\x14\0", /zip archive/, /Unpack/],
    ["a.war", "PK\x03\x04\x14\0", /zip archive/, /\.jar/],
    ["a.tar.gz", Buffer.from([0x1f, 0x8b, 8]), /gzip/, /Unpack/],
    ["a.tar", Buffer.concat([Buffer.alloc(257), Buffer.from("ustar\0")]), /tar archive/, /Unpack/],
    ["a.qcow2", "QFI\xfb", /disk image/, /capstan import/],
    ["a.ts", "let a: string", /TypeScript/, /Build it first/],
    ["a.tsx", "let a", /TypeScript/, /Build it first/],
    ["a.c", "int main;", /C source/, /Build it first/],
    ["a.rs", "fn main", /Rust source/, /cargo build/],
    ["a.go", "package main", /Go source/, /-buildmode=pie/],
    ["A.java", "class A", /Java source/, /javac/],
    ["a.html", "<html>", /web page/, /web server/],
    ["Dockerfile", "FROM x", /container image/, /that the container starts/],
    ["notes", "some words\n", /neither a program nor a script/, /'#!'/],
    ["a.o", buildElf({ type: 1, dynamic: false }), /object file/, /Link it/],
    ["core", buildElf({ type: 4, dynamic: false }), /crashed/, /program itself/],
    ["libx.so.1", buildElf({ soname: "libx.so.1" }), /shared library/, /--with/],
    ["a.jar", "nothing", /no zip archive/, /again/],
    ["b.jar", jarFile("Created-By: me\n\nMain-Class: InAnotherSection\n"), /Main-Class/, /-cp/],
  ])("%s is refused", (name, content, message, hint) => {
    expect(refusalOf(write(name, content))).toMatchObject({
      code: "not-runnable",
      exitCode: 65,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });

  test("a shared object with a main is a program: OSv starts it", () => {
    const symbols = [{ name: "main", binding: 1, type: 2, section: 1 }];
    expect(recognise(write("app.so", buildElf({ symbols, hash: "sysv" })))).toMatchObject({ kind: "elf" });
  });

  test("an ELF file that is cut off is an error that says so", () => {
    expect(refusalOf(write("cut", PROGRAM.subarray(0, 40)))).toMatchObject({ code: "bad-elf" });
  });

  test("what is not there, or may not be read", () => {
    expect(refusalOf(sandbox.path("nothing"))).toMatchObject({ code: "os-enoent", exitCode: 66 });
    expect(refusalOf("/dev/null")).toMatchObject({ code: "not-runnable", message: expect.stringMatching(/a device/) });
  });

  testUnless(lacksProgram("mkfifo"))("a named pipe is not waited for", () => {
    execFileSync("mkfifo", [sandbox.path("pipe")]);
    expect(refusalOf(sandbox.path("pipe"))).toMatchObject({
      code: "not-runnable",
      message: expect.stringMatching(/pipe/),
    });
  });

  test("any bytes are recognised or refused", () => {
    const heads = ["", "#!", "#!/usr/bin/env ", "\x7fELF", "PK\x03\x04", "\xca\xfe\xba\xbe"].map((head) =>
      Buffer.from(head, "latin1"),
    );
    const names = fc.constantFrom("x", "x.jar", "x.class", "x.py", "x.so");
    fc.assert(
      fc.property(fc.constantFrom(...heads), fc.uint8Array({ maxLength: 300 }), names, (head, rest, name) => {
        const path = write(`any/${name}`, Buffer.concat([head, rest]));
        try {
          recognise(path);
        } catch (error) {
          expect(error).toBeInstanceOf(CapstanError);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("folders", () => {
  test.each<[title: string, files: Readonly<Record<string, string>>, expected: object]>([
    [
      "what npm start starts",
      project({ scripts: { start: "node srv.js --port 80" }, main: "index.js" }, "srv.js", "index.js"),
      { main: "srv.js", mainArgs: ["--port", "80"] },
    ],
    [
      "options of node",
      project({ scripts: { start: "node -r ./x.js --no-warnings ./src/a.js" } }, "src/a.js"),
      { main: "src/a.js", interpreterArgs: ["-r", "./x.js", "--no-warnings"] },
    ],
    [
      "variables",
      project({ scripts: { start: "cross-env PORT=80 NAME='a b' node a" } }, "a.js"),
      {
        main: "a.js",
        env: new Map([
          ["PORT", "80"],
          ["NAME", "a b"],
        ]),
      },
    ],
    [
      "watching is for developing",
      project({ scripts: { start: "node --watch a.js" } }, "a.js"),
      { main: "a.js", interpreterArgs: [] },
    ],
    [
      "another command leaves it to main",
      project({ scripts: { start: "next start" }, main: "./lib" }, "lib/index.js"),
      {
        main: "lib/index.js",
        notes: ["npm start runs 'next start', which is not of the form 'node FILE': lib/index.js is started instead."],
      },
    ],
    [
      "a shell's line leaves it to main",
      project({ scripts: { start: "node a.js && node b.js" }, main: "c" }, "a.js", "b.js", "c.js"),
      { main: "c.js" },
    ],
    [
      "a line of a shell with options leaves it to index.js",
      project({ scripts: { start: "node -r ./pre.js ./index.js && echo done" } }, "pre.js", "index.js"),
      { main: "index.js", interpreterArgs: [], notes: [expect.stringMatching(/ && echo done'.*: index\.js is/)] },
    ],
    [
      "what is loaded before",
      project({ scripts: { start: "node --require ./pre.js --import=dotenv/config a.js -r b" } }, "a.js"),
      {
        main: "a.js",
        interpreterArgs: ["--require", "./pre.js", "--import=dotenv/config"],
        mainArgs: ["-r", "b"],
      },
    ],
    ["a main without its ending", project({ main: "app" }, "app.js"), { main: "app.js" }],
    ["a main that is not there, where index.js is", project({ main: "gone.js" }, "index.js"), { main: "index.js" }],
    ["a single program", project({ bin: { one: "./cli.js" } }, "cli.js"), { main: "cli.js" }],
    ["a program without ending", project({ bin: "bin/tool" }, "bin/tool"), { main: "bin/tool" }],
    ["index.js", project({}, "index.js", "server.js"), { main: "index.js" }],
    ["server.js", project({ main: 7 }, "server.js"), { main: "server.js" }],
    ["a byte order mark", { "package.json": "\ufeff{}", "index.js": "" }, { main: "index.js" }],
    ["a Python folder", { "__main__.py": "" }, { kind: "python-package", main: undefined, interpreter: "python3" }],
    ["a Python package", { "__main__.py": "", "__init__.py": "" }, { kind: "python-package", main: "package" }],
  ])("%s", (title, files, expected) => {
    const folder = write(`${title.replaceAll(" ", "-")}/package`, files);
    const kind = "package.json" in files ? { kind: "node-project", interpreter: "node" } : {};
    expect(recognise(folder)).toMatchObject({ ...kind, ...expected, path: folder });
  });

  test.each<[title: string, files: Readonly<Record<string, string>>, code: string, message: RegExp]>([
    [
      "no file to start",
      project({ scripts: { start: "node gone.js" } }, "index.js"),
      "not-runnable",
      /starts 'gone\.js'/,
    ],
    [
      "two programs",
      project({ bin: { a: "a.js", b: "b.js" } }, "a.js", "b.js"),
      "not-runnable",
      /does not say what to start/,
    ],
    ["outside of the folder", project({ main: "../../etc/x.js" }), "not-runnable", /no such file/],
    ["an absolute path", project({ scripts: { start: "node /etc/x.js" } }), "not-runnable", /no such file/],
    ["TypeScript", project({ main: "index.ts" }, "index.ts"), "not-runnable", /no such file/],
    [
      "a bundler's command alone",
      project({ scripts: { start: "vite" } }),
      "not-runnable",
      /not of the form 'node FILE'/,
    ],
    ["a list", { "package.json": "[]" }, "bad-package-json", /no JSON object/],
    [
      "no JSON",
      { "package.json": '{\n  "name": "x",\n  "main": "a",\n}' },
      "bad-package-json",
      /package\.json:4:1 is not valid JSON/,
    ],
    ["half", { "package.json": '{"a": [1, 2' }, "bad-package-json", /package\.json:1:12 /],
    ["a Capstan project", { "meta/package.yaml": "name: x", "package.json": "{}" }, "not-runnable", /Capstan project/],
    ["jars", { "b.jar": "", "a.jar": "" }, "not-runnable", /Java archives/],
    ["scripts", { "main.py": "" }, "not-runnable", /scripts/],
    ["Cargo", { "Cargo.toml": "" }, "not-runnable", /Rust project/],
    ["Maven", { "pom.xml": "" }, "not-runnable", /Maven/],
    ["Django", { "manage.py": "", "pyproject.toml": "" }, "not-runnable", /Django/],
    ["pages", { "index.html": "" }, "not-runnable", /web pages/],
    ["anything else", { "notes.txt": "" }, "not-runnable", /without package\.json/],
  ])("%s is refused", (title, files, code, message) => {
    const folder = write(`refused/${title.replaceAll(" ", "-")}`, files);
    expect(refusalOf(folder)).toMatchObject({
      code,
      message: expect.stringMatching(message),
      hint: expect.any(String),
    });
  });

  test("a file called meta is no project", () => {
    expect(recognise(write("meta-file", { meta: "", "__main__.py": "" }))).toMatchObject({ kind: "python-package" });
  });

  test("an empty folder", () => {
    write("hollow/x", "");
    const folder = sandbox.path("hollow-in");
    execFileSync("mkdir", ["-p", folder]);
    chmodSync(folder, 0o755);
    expect(refusalOf(folder)).toMatchObject({ code: "not-runnable", message: expect.stringMatching(/empty folder/) });
  });
});

describe("the place of a fault in JSON", () => {
  const mutated = fc
    .tuple(
      fc.json(),
      fc.nat(),
      fc.constantFrom("", ",", "]", "}", '"', "\\", "1", " ", "\n", ":", "e", "\u0001", "tru"),
    )
    .map(
      ([json, at, put]) =>
        json.slice(0, at % (json.length + 1)) + put + json.slice((at % (json.length + 1)) + (at % 2)),
    );

  test("is there exactly where JSON.parse throws", () => {
    fc.assert(
      fc.property(fc.oneof(mutated, fc.string(), fc.json()), (text) => {
        expect(jsonFault(text) === undefined).toBe(parses(text));
      }),
      { numRuns: 2000 },
    );
  });

  test.each<[text: string, line: number, column: number]>([
    ["", 1, 1],
    ["{\n\t'a': 1}", 2, 2],
    ['{"a" 1}', 1, 6],
    ["[1 2]", 1, 4],
    ["{} x", 1, 4],
    ['["a\nb"]', 1, 2],
    ["[".repeat(200_000), 1, 200_001],
  ])("%.20s", (text, line, column) => {
    expect(jsonFault(text)).toEqual({ line, column });
  });
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function project(json: object, ...files: readonly string[]): Record<string, string> {
  return { "package.json": JSON.stringify(json), ...Object.fromEntries(files.map((file) => [file, "1"])) };
}

function write(name: string, content: string | Uint8Array | Readonly<Record<string, string>>): string {
  const path = sandbox.path(name);
  if (typeof content === "string" || content instanceof Uint8Array) {
    // Text stands for bytes: one character a byte.
    sandbox.write({ [name]: typeof content === "string" ? Buffer.from(content, "latin1") : content });
  } else sandbox.write(content, path);
  return path;
}

function refusalOf(path: string): unknown {
  try {
    return recognise(path);
  } catch (error) {
    return error;
  }
}
