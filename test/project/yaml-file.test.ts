import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatYaml, readYaml, readYamlFile, type YamlMap } from "../../src/project/yaml-file.ts";
import { failureOf, problemsOf } from "./failure.ts";

const name = "f.yaml";
const read = <T>(text: string | Uint8Array, take: (root: YamlMap) => T) => readYaml(text, { name }, take);
const nothing = () => undefined;

describe("values", () => {
  test.each([
    ["0.10"],
    ["1e5"],
    ["5e12345"],
    ["1234567890123456789012"],
    ["0755"],
    ["0x1F"],
    ["1_000"],
    ["190:20:30"],
    ["yes"],
    ["N"],
    ["null"],
    ["~"],
    ["true"],
    [".inf"],
    ["2017-09-14"],
    ["2017-09-14T18:08:16.123456789+02:00"],
    ["!!int 7", "7"],
    ["!!binary aGk=", "aGk="],
    ["=", "="],
  ])("D22: the scalar %s is its source text", (written, text = written) => {
    expect(read(`a: ${written}`, (root) => root.string("a"))).toBe(text);
    expect(read(`a: [${written}]`, (root) => root.strings("a"))).toEqual([text]);
    expect(read(`a:\n  k: ${written}`, (root) => root.stringMap("a").get("k"))).toBe(text);
  });

  test("D22: keys are their source text too", () => {
    const text = "env:\n  N: 1\n  0755: 2\n  1.50: 3\n  null: 4\n  ~: 5\n  2017-09-14: 6";
    expect([...read(text, (root) => root.stringMap("env")).keys()]).toEqual([
      "N",
      "0755",
      "1.50",
      "null",
      "~",
      "2017-09-14",
    ]);
  });

  test.each([
    ["a: 'it''s'", "it's"],
    ['a: "tab\\t\\u00e9"', "tab\té"],
    ["a: |\n  x\n   y\n", "x\n y\n"],
    ["a: >-\n  x\n  y\n", "x y"],
    ["a: x # comment", "x"],
    ["a: x#y", "x#y"],
    ["a: one\n  two", "one two"],
    ['a: ""', ""],
    ["a:", undefined],
    ["a: # nothing", undefined],
    ["b: 1", undefined],
  ])("%j is read as %j", (text, value) => {
    expect(readYaml(text, { name, unknownKeys: "ignore" }, (root) => root.string("a"))).toBe(value);
  });

  test("lists, with nothing after the key an empty one", () => {
    expect(read("a:\n- x\n- y z\n-   ''", (root) => root.strings("a"))).toEqual(["x", "y z", ""]);
    expect(read("a: []", (root) => root.strings("a"))).toEqual([]);
    expect(read("a:", (root) => root.strings("a"))).toEqual([]);
    expect(read("", (root) => root.strings("a"))).toEqual([]);
  });

  test("maps keep the order of the file, a key with nothing after it has an empty text", () => {
    expect([...read("a: {z: 1, b: , 10: x}", (root) => root.stringMap("a"))]).toEqual([
      ["z", "1"],
      ["b", ""],
      ["10", "x"],
    ]);
  });

  test("a byte order mark and CRLF are no part of the values", () => {
    const text = "\ufeffa: x\r\nb:\r\n- y\r\n- |\r\n  two\r\n  lines\r\n";
    expect(read(text, (root) => [root.string("a"), root.strings("b")])).toEqual(["x", ["y", "two\nlines\n"]]);
  });

  test("aliases and merge keys stand for what they name", () => {
    const text = "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\nc: &c text\nd: *c\ne:\n  '<<': plain";
    const found = read(text, (root) => [
      [...root.stringMap("a")],
      [...root.stringMap("b")].sort(),
      root.string("c"),
      root.string("d"),
      [...root.stringMap("e")],
    ]);
    expect(found).toEqual([
      [
        ["x", "1"],
        ["y", "2"],
      ],
      [
        ["x", "1"],
        ["y", "3"],
      ],
      "text",
      "text",
      [["<<", "plain"]],
    ]);
  });

  test.each([
    ["true", true],
    ["Yes", true],
    ["on", true],
    ["false", false],
    ["no", false],
    ["", undefined],
  ])("the flag %s", (text, value) => {
    expect(read(`a: ${text}`, (root) => root.flag("a"))).toBe(value);
  });
});

describe("problems", () => {
  test("all of a file are told at once, in its order, each with file:line:column", () => {
    const text = "name: [x]\ntitel: y\nlist: z\nsets:\n  one: 1\n  two: {colour: red}\nflag: maybe\n";
    const error = failureOf(() =>
      read(text, (root) => {
        root.flag("flag");
        root.required("title", "write a title");
        root.string("name");
        root.strings("list");
        for (const [, set] of root.maps("sets")) set.string("color");
      }),
    );
    expect(error).toMatchObject({ code: "bad-yaml", exitCode: 65 });
    expect(error.message).toBe("f.yaml:1:1: 'title' is missing: write a title");
    expect(error.details).toEqual([
      "f.yaml:1:1: 'title' is missing: write a title",
      "f.yaml:1:7: 'name' must be a text, and it is a list",
      "f.yaml:2:1: unknown key 'titel'. Did you mean 'title'?",
      "f.yaml:3:7: 'list' must be a list: write each item on a line of its own as '- item'",
      "f.yaml:5:8: 'one' must be a map: write 'key: value' lines under it",
      "f.yaml:6:9: unknown key 'colour'. Did you mean 'color'?",
      "f.yaml:7:7: 'flag' must be true or false",
    ]);
  });

  test("a single problem is the message alone", () => {
    const error = failureOf(() => read("xyz: 1", (root) => root.string("name")));
    expect(error.message).toBe("f.yaml:1:1: unknown key 'xyz'. Known here: name.");
    expect(error.details).toEqual([]);
  });

  test("a required key without a value is told at its line", () => {
    const error = failureOf(() =>
      read("a: 1\n  \nmain: # here\n", (root) => [root.string("a"), root.required("main", "a path")]),
    );
    expect(error.message).toBe("f.yaml:3:1: 'main' has no value yet: a path");
  });

  test("unknown keys are passed over where that is asked for", () => {
    expect(readYaml("arch: {x: [1]}\nname: n", { name, unknownKeys: "ignore" }, (root) => root.string("name"))).toBe(
      "n",
    );
  });

  test("checks speak at the value or the key that they are about", () => {
    const check = (text: string) => (text.includes("!") ? `no '!' in ${text}` : undefined);
    const text = "a: x!\nb: [ok, no!]\nc:\n  k!: v\n  k: v!";
    const found = problemsOf(() =>
      read(text, (root) => [
        root.string("a", check),
        root.strings("b", check),
        root.stringMap("c", { key: check, value: check }),
      ]),
    );
    expect(found.map((line) => line.split(" ")[0])).toEqual([
      "f.yaml:1:4:",
      "f.yaml:2:9:",
      "f.yaml:4:3:",
      "f.yaml:5:6:",
    ]);
  });

  test("hundreds of problems are cut to fifty, and keys are shown short and without control characters", () => {
    const many = Array.from({ length: 500 }, (_, index) => `key${index}: 1`).join("\n");
    const found = problemsOf(() => read(many, nothing));
    expect(found).toHaveLength(51);
    expect(found.at(-1)).toBe("f.yaml: 450 more problems");
    const long = failureOf(() => read(`"${"k".repeat(300)}": 1\n`, nothing)).message;
    expect(long.length).toBeLessThan(120);
    expect(failureOf(() => read('"\\e[31m": 1', nothing)).message).toContain("\\u{1b}[31m");
  });

  test("a key that stands twice hides no other problem; an alias that leads nowhere makes no further ones", () => {
    const known = (root: YamlMap) => [root.required("a", "write it"), root.required("b", "write it")];
    expect(failureOf(() => read("a: 1\na: 2\nc: 3\n", known)).details).toEqual([
      "f.yaml:1:1: 'b' is missing: write it",
      "f.yaml:2:1: the key 'a' stands here a second time",
      "f.yaml:3:1: unknown key 'c'. Did you mean 'a'?",
    ]);
    expect(failureOf(() => read("a: *x\nb: 1\n", known))).toMatchObject({
      message: "f.yaml:1:4: the alias '*x' has no anchor before it",
      details: [],
    });
  });

  test.each([
    ["a: 1\na: 2", "f.yaml:2:1: the key 'a' stands here a second time"],
    ["a:\n  b: 1\n  b: 1", "f.yaml:3:3: the key 'b' stands here a second time"],
    ["? [x]\n: 1", "f.yaml:1:3: a list cannot be a key"],
    ["a: *b", "f.yaml:1:4: the alias '*b' has no anchor before it"],
    ["a: &b [*b]", "f.yaml:1:8: the alias '*b' stands inside its own anchor"],
    ["<<: 1", "f.yaml:1:1: '<<' merges maps, and this is none"],
    ["- x", "f.yaml:1:1: the file must be a map of 'key: value' lines"],
    ["text", "f.yaml:1:1: the file must be a map of 'key: value' lines"],
    ['a: "\\ud800"', "f.yaml:1:4: 'a' holds half a character (a lone surrogate)"],
  ])("%j is refused", (text, message) => {
    expect(problemsOf(() => read(text, (root) => [root.string("a"), root.stringMap("a")]))).toContain(message);
  });

  test.each([
    ["a: b: c", "f.yaml:1:"],
    ["a: [1", "f.yaml:1:"],
    ["a: 1\n\tb: 2", "f.yaml:2:1: tabs are not allowed as indentation"],
    ['a: "open', "f.yaml:1:"],
    ["a: @x", "f.yaml:1:4"],
    ["a: 1\n---\nb: 2", "a second document"],
    ["a: 1\n...\n---\nb: 2", "a second document"],
  ])("the syntax of %j", (text, message) => {
    const error = failureOf(() => read(text, (root) => root.string("a")));
    expect(error.code).toBe("bad-yaml");
    expect(error.message).toContain(message);
  });
});

describe("hostile files", () => {
  const MiB = 1 << 20;
  const laughs = ["a: &a [x,x,x,x,x,x,x,x,x]"];
  for (const letter of "bcdefghij") {
    const before = String.fromCharCode(letter.charCodeAt(0) - 1);
    laughs.push(`${letter}: &${letter} [${Array(9).fill(`*${before}`).join(",")}]`);
  }
  const manyMaps = `x: &x\n${Array.from({ length: 5000 }, (_, i) => ` k${i}: 1\n`).join("")}y:\n${" - *x\n".repeat(5000)}`;

  test.each([
    ["billion laughs", laughs.join("\n"), "aliases repeat"],
    ["one map thousands of times", manyMaps, "aliases repeat"],
    ["flow lists nested deeply", "[".repeat(MiB), "levels deep"],
    ["flow maps nested deeply", "{a: ".repeat(MiB / 4), "levels deep"],
    ["block lists nested deeply", "- ".repeat(MiB / 2), "levels deep"],
    ["explicit keys nested deeply", "? ".repeat(MiB / 2), "levels deep"],
    [
      "block maps nested deeply",
      Array.from({ length: 1000 }, (_, i) => `${" ".repeat(i)}a:\n`).join(""),
      "levels deep",
    ],
    ["too many values", `[${"a,".repeat(MiB / 2 - 9)}]`, "far more values"],
    ["syntax errors without end", "]".repeat(40_000), "f.yaml:1:1"],
    ["blank lines without end", "\n".repeat(MiB), "far more values"],
  ])("%s: refused, and soon", (_title, text, message) => {
    const start = performance.now();
    const error = failureOf(() => read(text, nothing));
    expect(error.code).toBe("bad-yaml");
    expect(error.message).toContain(message);
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  test("more than 1 MiB is not looked at", () => {
    expect(failureOf(() => read("#".repeat(10 * MiB), nothing)).code).toBe("file-too-large");
    expect(read("#".repeat(MiB), nothing)).toBeUndefined();
  });

  test.each([
    ["Latin-1", Buffer.from("a: 1\nb: caf\xe9\n", "latin1"), "f.yaml:2: the text is not UTF-8"],
    ["UTF-16", Buffer.from("\ufeffa: 1", "utf16le"), "f.yaml:1: the text is not UTF-8"],
    ["an overlong form", Buffer.from([0x61, 0x3a, 0x20, 0xc0, 0xaf]), "f.yaml:1: the text is not UTF-8"],
    ["a NUL", Buffer.from("a: 1\nb: \0"), "f.yaml:2:4: a control character (U+0000)"],
    ["an escape character", Buffer.from("a: \x1b[31m"), "f.yaml:1:4: a control character (U+001B)"],
    ["a C1 control", Buffer.from("a: \u009b31m"), "f.yaml:1:4: a control character (U+009B)"],
  ])("%s is refused with its place", (_title, bytes, message) => {
    const error = failureOf(() => read(bytes, nothing));
    expect(error.code).toBe("bad-text");
    expect(error.message).toContain(message);
  });

  test("any text at all is read, or refused with a CapstanError", () => {
    const piece = fc.constantFrom(
      "a",
      ": ",
      "- ",
      "\n",
      "  ",
      "[",
      "]",
      "{",
      "}",
      ",",
      "&x ",
      "*x",
      "'",
      '"',
      "|",
      ">",
      "#",
      "!",
      "? ",
      "<<",
      "---\n",
      "%",
      "\t",
      "é",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        try {
          read(pieces.join(""), (root) => [root.string("a"), root.strings("b"), root.stringMap("c"), root.maps("d")]);
        } catch (error) {
          expect(error).toHaveProperty("code");
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("files of the host", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "capstan-yaml-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("a file is read, a missing one is undefined, a folder is told", () => {
    writeFileSync(join(folder, "x.yaml"), "a: 1\n");
    expect(readYamlFile(join(folder, "x.yaml"), { name }, (root) => root.string("a"))).toBe("1");
    expect(readYamlFile(join(folder, "none.yaml"), { name }, nothing)).toBeUndefined();
    expect(failureOf(() => readYamlFile(folder, { name }, nothing)).message).toContain(
      "Reading f.yaml: it is a directory",
    );
    expect(failureOf(() => readYamlFile(join(folder, "x.yaml", "y"), { name }, nothing)).code).toBe("os-enotdir");
    expect(failureOf(() => readYamlFile("/dev/zero", { name }, nothing)).code).toBe("not-a-file");
  });

  test("a large file is refused by its size", () => {
    writeFileSync(join(folder, "large.yaml"), Buffer.alloc(10 << 20, "#"));
    expect(failureOf(() => readYamlFile(join(folder, "large.yaml"), { name }, nothing)).code).toBe("file-too-large");
  });
});

describe("writing", () => {
  test("the order and style of the original", () => {
    const text = formatYaml([
      ["name", "demo"],
      ["version", "0.10"],
      ["title", undefined],
      ["author", ""],
      ["require", ["osv.cli", "0.1"]],
      [
        "binary",
        new Map([
          ["app", "/usr/bin/app.so"],
          ["0755", "no"],
        ]),
      ],
      ["none", []],
      ["created", { quoted: "2019-09-16T07:52:38-04:00" }],
    ]);
    expect(text).toBe(
      'name: demo\nversion: "0.10"\nrequire:\n- osv.cli\n- "0.1"\n' +
        'binary:\n  app: /usr/bin/app.so\n  "0755": "no"\ncreated: "2019-09-16T07:52:38-04:00"\n',
    );
    expect(formatYaml([])).toBe("");
  });

  test("what is written is read back, whatever the texts are", () => {
    const text = fc
      .string({ unit: "grapheme" })
      .filter((value) => value !== "" && !/\p{Surrogate}|[^\P{Cc}\n\t]/u.test(value));
    const keyText = text.filter((value) => value !== "<<");
    fc.assert(
      fc.property(text, fc.array(text), fc.array(fc.tuple(keyText, text)), (single, list, pairs) => {
        const map = new Map(pairs);
        const written = formatYaml([
          ["s", single],
          ["l", list],
          ["m", map],
        ]);
        const found = read(written, (root) => ({ s: root.string("s"), l: root.strings("l"), m: root.stringMap("m") }));
        expect(found).toEqual({ s: single, l: list, m: map });
      }),
    );
  });
});
