import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Sandbox } from "../support/sandbox.ts";

// What the published packages of the runtimes look like.
const NODE = "runtime: native\nconfig_set:\n  node:\n    bootcmd: /libnode.so $NODE_ARGS $MAIN $ARGS\n";
const PYTHON =
  "runtime: native\nconfig_set:\n  python:\n    bootcmd: /python $PYTHON_ARGS $MAIN $ARGS\n    env:\n      PYTHONHOME: /pyenv\n";
const JAVA =
  "runtime: native\nconfig_set:\n  java:\n    bootcmd: /java.so -Xms$XMS -Xmx$XMX -cp $CLASSPATH $JVM_ARGS $MAIN $ARGS\n    env:\n      XMS: 512m\n      XMX: 512m\n";

const sandbox = new Sandbox();

beforeAll(async () => {
  await sandbox.package("node-4.4.5", { "libnode.so": "node", "meta/run.yaml": NODE });
  await sandbox.package("python-2.7", { python: "python", "meta/run.yaml": PYTHON });
  await sandbox.package("openjdk8-zulu-compact1", { "java.so": "java", "meta/run.yaml": JAVA });
});

afterAll(() => sandbox.remove());

/** Composes a project with that meta/run.yaml, and reads a script out of the image. */
async function script(name: string, runYaml: string, set: string, require: readonly string[] = []): Promise<string> {
  const cwd = sandbox.project(name, { "meta/run.yaml": runYaml }, require);
  await sandbox.ok(["package", "compose", name, "-l", "builtin"], { cwd });
  return sandbox.ok(["image", "cat", name, `/run/${set}`]);
}

const yaml = (runtime: string, ...lines: readonly string[]) =>
  `runtime: ${runtime}\nconfig_set:\n  default:\n${lines.map((line) => `    ${line}\n`).join("")}`;

test.each<[string, string, string]>([
  ["native", yaml("native", 'bootcmd: /app "two words"', "env: {A: 1}"), '--env=A?=1 /app "two words"'],
  [
    "node",
    yaml("node", "main: /server.js", "args: [two words, 80]"),
    '--env=NODE_ARGS?=-- --env=MAIN?=/server.js /libnode.so $NODE_ARGS $MAIN "two words" 80',
  ],
  [
    "python",
    yaml("python", "main: /hello.py", "args: [one]"),
    "--env=PYTHON_ARGS?=-O --env=MAIN?=/hello.py --env=ARGS?=one --env=PYTHONHOME?=/pyenv /python $PYTHON_ARGS $MAIN $ARGS",
  ],
  [
    "java",
    yaml("java", "main: org.example.Hello", "xmx: 1g", "args: [a, b c]"),
    "--env=XMX?=1g --env=CLASSPATH?=/ --env=JVM_ARGS?=-Dx=y --env=MAIN?=org.example.Hello --env=XMS?=512m " +
      '/java.so -Xms$XMS -Xmx$XMX -cp $CLASSPATH $JVM_ARGS $MAIN a "b c"',
  ],
])("a project of the runtime %s", async (runtime, text, expected) => {
  expect(await script(`own-${runtime}`, text, "default")).toBe(expected);
  const rows = await sandbox.json<{ path: string }[]>(["image", "ls", `own-${runtime}`]);
  const files = rows.map(({ path }) => path);
  expect(files).not.toContain("meta");
  const program = { native: "run", node: "libnode.so", python: "python", java: "java.so" }[runtime];
  expect(files).toContain(program);
});

test.each(["native", "node", "python", "java"])("a base of one's own is honoured for %s", async (runtime) => {
  await sandbox.package(`mine-${runtime}`, {
    "meta/run.yaml":
      "runtime: native\nconfig_set:\n  fast:\n    bootcmd: /mine --fast $MAIN\n    env: {MAIN: /none, LEVEL: 3}\n",
  });
  const text = yaml(runtime, `base: mine-${runtime}:fast`, "env: {MAIN: /my/main}");
  expect(await script(`based-${runtime}`, text, "default", [`mine-${runtime}`])).toBe(
    "--env=MAIN?=/my/main --env=LEVEL?=3 /mine --fast $MAIN",
  );
});

test("a base of a base, across packages, and in one's own project", async () => {
  await sandbox.package("below", {
    "meta/run.yaml": yaml("native", "bootcmd: /below $WHO", "env: {WHO: below, B: 1}"),
  });
  await sandbox.package("between", { "meta/run.yaml": yaml("native", "base: below:default", "env: {WHO: between}") }, [
    "below",
  ]);
  const text = `${yaml("native", "base: between:default", "env: {C: 2}")}  again:\n    base: above:default\n`;
  const cwd = sandbox.project("above", { "meta/run.yaml": text }, ["between"]);
  await sandbox.ok(["package", "compose", "above", "-l", "builtin", "--boot", "again"], { cwd });
  const cat = (set: string) => sandbox.ok(["image", "cat", "above", `/run/${set}`]);
  expect(await cat("default")).toBe("--env=C?=2 --env=WHO?=between --env=B?=1 /below $WHO");
  expect(await cat("again")).toBe(await cat("default"));
});

describe("configuration sets", () => {
  test("of all packages are in the image, the project's over those of its packages", async () => {
    const sets = (...pairs: readonly (readonly [string, string])[]) =>
      `runtime: native\nconfig_set:\n${pairs.map(([set, command]) => `  ${set}:\n    bootcmd: ${command}\n`).join("")}`;
    await sandbox.package("first", {
      "meta/run.yaml": sets(["one", "/first/one"], ["two", "/first/two"], ["three", "/first/three"]),
    });
    await sandbox.package("second", { "meta/run.yaml": sets(["two", "/second/two"], ["three", "/second/three"]) }, [
      "first",
    ]);
    const cwd = sandbox.project("sets", { "meta/run.yaml": sets(["three", "/own/three"]) }, ["second"]);
    const { stderr, code } = await sandbox.run(["package", "compose", "sets", "-l", "builtin", "-v"], { cwd });
    expect(code).toBe(0);
    expect(stderr).toContain("Set 'two' of second replaces that of first");
    expect(stderr).toContain("Set 'three' of sets replaces that of first, second");
    const texts = await Promise.all(
      ["one", "two", "three"].map((set) => sandbox.ok(["image", "cat", "sets", `/run/${set}`])),
    );
    expect(texts).toEqual(["/first/one", "/second/two", "/own/three"]);
  });

  const boot = async (name: string, runYaml: string | undefined, ...args: readonly string[]) => {
    const cwd = sandbox.project(name, runYaml === undefined ? {} : { "meta/run.yaml": runYaml });
    const { stderr, code } = await sandbox.run(["package", "compose", name, "-l", "builtin", ...args], { cwd });
    if (code !== 0) return { code, stderr };
    const { commandLine } = await sandbox.json<{ commandLine: string }>(["image", "inspect", name]);
    return { commandLine, stderr };
  };
  const three = "runtime: native\nconfig_set:\n  a: {bootcmd: /a}\n  b: {bootcmd: /b}\n  default: {bootcmd: /d}\n";

  test.each<[string, string | undefined, readonly string[], string]>([
    ["the set called default", three, [], "runscript /run/default;"],
    ["the only set", "runtime: native\nconfig_set:\n  only: {bootcmd: /a}\n", [], "runscript /run/only;"],
    ["config_set_default", `${three}config_set_default: b\n`, [], "runscript /run/b;"],
    ["several of them", `${three}config_set_default: a, b\n`, [], "runscript /run/a;runscript /run/b;"],
    [
      "--boot, twice",
      `${three}config_set_default: b\n`,
      ["--boot", "b", "--boot", "a"],
      "runscript /run/b;runscript /run/a;",
    ],
    ["--run before --boot", three, ["--boot", "b", "--run", "/x y"], "/x y"],
    ["--env before it", three, ["--env", "A=b c$d", "--env", "B="], "--env=A=b\\ c$d --env=B= runscript /run/default;"],
    ["--env with --run", undefined, ["--env", "A=é", "--run", "/x"], "--env=A=é /x"],
  ])("the boot command is %s", async (_, text, args, expected) => {
    expect(await boot("booted", text, ...args)).toMatchObject({ commandLine: expected });
  });

  test("a set that is not there is an error, and names those that are", async () => {
    const { code, stderr } = await boot("booted", three, "--boot", "defualt");
    expect(code).toBe(64);
    expect(stderr).toContain("there is no configuration set 'defualt'. Did you mean 'default'?");
    expect(stderr).toContain("a, b, default");
  });

  test("without any set there is a warning", async () => {
    const { stderr, commandLine } = await boot("setless", undefined);
    expect(commandLine).toBe("runscript /run/default;");
    expect(stderr).toContain("Warning: The image will run the configuration set 'default', and there is none");
  });
});

describe("what the generator writes", () => {
  test.each(["native", "node", "python", "java"])(
    "`runtime init -r %s` says which line to fill in",
    async (runtime) => {
      const cwd = sandbox.project(`fresh-${runtime}`);
      await sandbox.ok(["runtime", "init", "-r", runtime], { cwd });
      const result = await sandbox.run(["package", "compose", "fresh", "-l", "builtin"], { cwd });
      expect(result.code).toBe(65);
      expect(result.stderr).toMatch(/^Error: meta\/run\.yaml:\d+:\d+: '?(bootcmd|main)'?/m);
      const line = Number(/run\.yaml:(\d+):/.exec(result.stderr)?.[1]);
      const text = await sandbox.ok(["runtime", "preview", "-r", runtime]);
      expect(text.split("\n")[line - 1]).toMatch(/^ *(bootcmd|main):/);
    },
  );
});
