import { describe, expect, test } from "vitest";
import { parseRunConfig, runtimeDependencies } from "../../src/project/run-config.ts";
import { describeRunSets } from "../../src/project/run-scripts.ts";
import { failureOf, problemsOf } from "./failure.ts";

const name = "meta/run.yaml";
const parse = (text: string) => parseRunConfig(text, { name });
const foreign = (text: string) => parseRunConfig(text, { name, foreign: true });
/** A run.yaml of one set, called `app`, of these lines. */
const set = (runtime: string, ...lines: readonly string[]) =>
  `runtime: ${runtime}\nconfig_set:\n  app:\n${lines.map((line) => `    ${line}\n`).join("")}`;
const values = (text: string) => Object.fromEntries(describeRunSets(parse(text))[0]?.values ?? []);

describe("the file", () => {
  test("sets in their order", () => {
    const config = parse("runtime: native\nconfig_set:\n  b:\n    bootcmd: /b\n  a:\n    bootcmd: /a -x\n");
    expect([...config.sets.keys()]).toEqual(["b", "a"]);
    expect(config.sets.get("a")).toEqual({ name: "a", where: "meta/run.yaml:6:5", run: "/a -x", bindings: [] });
    expect(config.defaults).toEqual([]);
  });

  test.each([
    ["config_set_default: b", ["b"]],
    ["config_set_default: a, b,a", ["a", "b", "a"]],
    ["config_set_default: elsewhere", ["elsewhere"]],
    ["config_set_default:", []],
    ["", []],
  ])("%j names the default", (line, expected) => {
    expect(parse(`runtime: native\nconfig_set: {a: {bootcmd: /a}, b: {bootcmd: /b}}\n${line}`).defaults).toEqual(
      expected,
    );
  });

  test("a single set of any name is the default", () => {
    expect(parse(set("native", "bootcmd: /app")).defaults).toEqual(["app"]);
  });

  test.each([
    ["", ["1:1: 'runtime' is missing", "1:1: there is no configuration set"]],
    ["runtime:\nconfig_set:", ["1:1: 'runtime' has no value yet", "2:1: there is no configuration set"]],
    [
      "runtime: nod\nconfig_set: {a: {main: /x}}",
      ["1:10: there is no runtime 'nod': choose one of native, node, java, python. Did you mean 'node'?"],
    ],
    [
      "runtime: native\nconfig_set: {a: {bootcmd: /x}}\nconfig_set_defualt: a",
      ["3:1: unknown key 'config_set_defualt'. Did you mean 'config_set_default'?"],
    ],
    ["runtime: native\nconfig_set: [a]", ["2:13: 'config_set' must be a map", "2:13: there is no configuration set"]],
    [
      "runtime: native\nconfig_set: {../../x: {bootcmd: /x}, a/b: {bootcmd: /x}, .c: {bootcmd: /x}}",
      ["2:14: '../../x' cannot name", "2:38: 'a/b' cannot name", "2:58: '.c' cannot name"],
    ],
    [
      "runtime: native\nconfig_set: {a: {bootcmd: /x}}\nconfig_set_default: a,",
      ["3:21: '' cannot name a configuration set"],
    ],
    [
      "runtime: native\nconfig_set: {a: {bootcmd: /x}, a: {bootcmd: /y}}",
      ["2:32: the key 'a' stands here a second time"],
    ],
    ["runtime: native\nconfig_set:\n  a:\n", ["3:3: 'bootcmd' is missing"]],
  ])("the problems of %j", (text, expected) => {
    const found = problemsOf(() => parse(text));
    expect(found).toHaveLength(expected.length);
    found.forEach((line, index) => {
      expect(line.startsWith(`meta/run.yaml:${expected[index]}`), line).toBe(true);
    });
  });

  test("problems of all sets are told at once", () => {
    const text =
      "runtime: node\nconfig_set:\n  a:\n    mian: /x\n  b:\n    main: /x\n    env: {A B: 1}\n  c:\n    base: nothing\n";
    const found = problemsOf(() => parse(text));
    expect(found.map((line) => line.replace(/: .*/, ""))).toEqual([
      "meta/run.yaml:4:5",
      "meta/run.yaml:4:5",
      "meta/run.yaml:7:11",
      "meta/run.yaml:9:11",
    ]);
  });

  test("D22: values that look like numbers, dates or truth values are texts", () => {
    const text = set(
      "node",
      "main: /x",
      "args: [0.10, 1e5, 0755, yes, null]",
      "env:",
      "  N: 1.50",
      "  DATE: 2017-09-14",
    );
    expect(values(text)).toEqual({
      N: ["1.50"],
      DATE: ["2017-09-14"],
      NODE_ARGS: ["--"],
      MAIN: ["/x"],
      ARGS: ["0.10", "1e5", "0755", "yes", "null"],
    });
  });

  test("unknown keys of packages from elsewhere are passed over", () => {
    const text = `${set("native", "bootcmd: /app", "memory: 1G")}future: {a: [b]}\n`;
    expect(foreign(text).sets.size).toBe(1);
    expect(problemsOf(() => parse(text))).toHaveLength(2);
  });
});

describe("native", () => {
  test("a command of several lines is kept as it is", () => {
    const config = parse(set("native", "bootcmd: |", "  /first a", "  /second b;/third"));
    expect(config.sets.get("app")?.run).toBe("/first a\n/second b;/third\n");
  });

  test.each([
    ['bootcmd: /app --name="two words"', "5:14"],
    ["bootcmd: '/app ''two words'''", "single quotes"],
    ["bootcmd: --rootfs=zfs /app", "no option '--rootfs=zfs'"],
    ["bootcmd: /app ä", "not ASCII"],
    ["bootcmd: /app $A/b", "'$'"],
  ])("%s would be another command for OSv: refused", (line, text) => {
    const message = failureOf(() => parse(set("native", line))).message;
    expect(message).toContain(text === "5:14" ? "only around a whole word" : text);
    expect(message.startsWith("meta/run.yaml:4:14: ")).toBe(true);
    expect(foreign(set("native", line)).sets.size).toBe(1);
  });

  test("a base comes before a command, as in the original", () => {
    const config = parse(set("native", "bootcmd: /ignored", "base: osv.cli:cli"));
    expect(config.sets.get("app")?.run).toMatchObject({ package: "osv.cli", set: "cli", chosen: true });
  });
});

describe("node and python", () => {
  test.each([
    ["node", "node-4.4.5", "NODE_ARGS", "--"],
    ["python", "python-2.7", "PYTHON_ARGS", "-O"],
  ])("%s: defaults", (runtime, packageName, variable, value) => {
    const config = parse(set(runtime, "main: /x"));
    expect(config.sets.get("app")?.run).toMatchObject({ package: packageName, set: runtime, chosen: false });
    expect(values(set(runtime, "main: /x"))).toEqual({ [variable]: [value], MAIN: ["/x"] });
    expect(runtimeDependencies(config)).toEqual([packageName]);
  });

  test("all keys", () => {
    const text = set("python", "main: /x.py", "args:", "- one", "- two words", "python_args: [-v, -s]", "env: {A: 1}");
    expect(values(text)).toEqual({ A: ["1"], PYTHON_ARGS: ["-v", "-s"], MAIN: ["/x.py"], ARGS: ["one", "two words"] });
  });

  test("env comes before the keys, as in the original", () => {
    expect(values(set("node", "main: /x", "env: {MAIN: /y, NODE_ARGS: -i}"))).toEqual({
      MAIN: ["/y"],
      NODE_ARGS: ["-i"],
    });
  });

  test("the interactive shell", () => {
    expect(values(set("node", "shell: true"))).toEqual({ NODE_ARGS: ["--"], MAIN: [], ARGS: [] });
    expect(values(set("python", "shell: yes"))).toEqual({ PYTHON_ARGS: ["-O"], MAIN: ["-"], ARGS: [] });
    expect(values(set("node", "shell: false", "main: /x"))).toEqual({ NODE_ARGS: ["--"], MAIN: ["/x"] });
    const clash = problemsOf(() => parse(set("node", "shell: true", "main: /x", "args: [a]", "env: {ARGS: b}")));
    expect(clash).toHaveLength(3);
  });

  test("a base of the user is honoured", () => {
    const text = set("node", "base: node-6.10.2:node", "main: /x");
    const config = parse(text);
    expect(config.sets.get("app")?.run).toMatchObject({
      package: "node-6.10.2",
      set: "node",
      where: "meta/run.yaml:4:11",
    });
    expect(runtimeDependencies(config)).toEqual([]);
    expect(values(text)).toEqual({ NODE_ARGS: ["--"], MAIN: ["/x"] });
    expect(values(set("python", "base: other:set"))).toEqual({});
  });

  test.each(["base: node", "base: ':x'", "base: 'x:'", "base: a/b:c", "base: a:b:c"])("%s is refused", (line) => {
    expect(failureOf(() => parse(set("node", line))).message).toContain("meta/run.yaml:4:11: ");
  });
});

describe("java", () => {
  test("defaults", () => {
    expect(values(set("java", "main: org.example.Hello"))).toEqual({
      CLASSPATH: ["/"],
      JVM_ARGS: ["-Dx=y"],
      MAIN: ["org.example.Hello"],
    });
    expect(runtimeDependencies(parse(set("java", "main: A")))).toEqual(["openjdk8-zulu-compact1"]);
  });

  test("all keys", () => {
    const text = set(
      "java",
      "main: A",
      "args: [x]",
      "classpath: [/, /src]",
      "xms: 128m",
      "xmx: 512m",
      "jvm_args: [-Da=b, -Dc=d]",
    );
    expect(values(text)).toEqual({
      XMS: ["128m"],
      XMX: ["512m"],
      CLASSPATH: ["/:/src"],
      JVM_ARGS: ["-Da=b", "-Dc=d"],
      MAIN: ["A"],
      ARGS: ["x"],
    });
  });

  test.each([
    [["main: /a.jar"], ["-jar"]],
    [
      ["main: /a.jar", "jvm_args: [-Da=b]"],
      ["-Da=b", "-jar"],
    ],
    [["main: /a.jar", "jvm_args: [-jar]"], ["-jar"]],
  ])("%j runs a .jar", (lines, expected) => {
    expect(values(set("java", ...lines)).JVM_ARGS).toEqual(expected);
  });

  test("a base that is no openjdk gets no defaults", () => {
    expect(values(set("java", "base: apache.spark-2.1.1:worker"))).toEqual({});
    expect(values(set("java", "base: openjdk7:java", "main: A"))).toEqual({
      CLASSPATH: ["/"],
      JVM_ARGS: ["-Dx=y"],
      MAIN: ["A"],
    });
  });
});

describe("templates of the original that are not filled in", () => {
  test.each([
    [set("native", "bootcmd: <command>"), "4:14"],
    [set("node", "main: <filepath>"), "4:11"],
    [set("node", "main: /x", "args:", "   - <list>"), "6:10"],
    [set("node", "main: /x", "env:", "   <key>: <value>"), "6:8"],
    [set("node", "main: /x", 'base: "<package-name>:<config_set>"'), "5:11"],
  ])("%j: the line is named", (text, place) => {
    const [first] = problemsOf(() => parse(text));
    expect(first).toContain(`meta/run.yaml:${place}: `);
  });
});

test.each(["native", "node", "java", "python"])(
  "%s: words that OSv cannot be given are told with their place",
  (runtime) => {
    const lines = runtime === "native" ? ["bootcmd: /x", "env: {A: é}"] : ["main: /x", "args: [ok, é]"];
    expect(failureOf(() => parse(set(runtime, ...lines))).message).toMatch(
      /^meta\/run\.yaml:5:1\d: OSv's commands are ASCII/,
    );
  },
);
