import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseScript } from "../../src/project/boot-command.ts";
import { parseRunConfig } from "../../src/project/run-config.ts";
import { describeRunSets, resolveRunConfigs } from "../../src/project/run-scripts.ts";
import { failureOf, problemsOf } from "./failure.ts";
import { boot } from "./kernel.ts";

const own = (text: string) => ({ name: "demo", runConfig: parseRunConfig(text, { name: "meta/run.yaml" }) });
const pack = (name: string, text: string) => ({
  name,
  runConfig: parseRunConfig(text, { name: `${name}: meta/run.yaml`, foreign: true }),
});

// The sets of the published packages.
const NODE = pack(
  "node-4.4.5",
  "runtime: native\nconfig_set:\n  node:\n    bootcmd: /libnode.so $NODE_ARGS $MAIN $ARGS\n    env:\n      NODE_ARGS: --no-deprecation\n      MAIN: /mymain.js\n      ARGS:\n",
);
const NODE6 = pack(
  "node-6.10.2",
  "runtime: native\nconfig_set:\n  node:\n    bootcmd: /node6 $NODE_ARGS $MAIN $ARGS\n",
);
const PYTHON = pack(
  "python-2.7",
  "runtime: native\nconfig_set:\n  python:\n    bootcmd: /python $PYTHON_ARGS $MAIN $ARGS\n    env: {PYTHONHOME: /pyenv, PYTHON_ARGS: -O, MAIN: '-', ARGS: }\nconfig_set_default: python\n",
);
const JAVA = pack(
  "openjdk8-zulu-compact1",
  "runtime: native\nconfig_set:\n  java:\n    bootcmd: /java.so -Xms$XMS -Xmx$XMX -cp $CLASSPATH $JVM_ARGS $MAIN $ARGS\n    env: {XMS: 512m, XMX: 512m, CLASSPATH: /, JVM_ARGS: -Duser.dir=/, MAIN: main.Hello, ARGS: }\n",
);
const PACKAGES = [NODE, NODE6, PYTHON, JAVA];

/** The script of the project's only set. */
function scriptOf(text: string, packages: readonly ReturnType<typeof pack>[] = PACKAGES): string {
  const scripts = resolveRunConfigs({ project: own(text), packages });
  return scripts.find((script) => script.origin === "demo")?.text ?? "";
}
const set = (runtime: string, ...lines: readonly string[]) =>
  `runtime: ${runtime}\nconfig_set:\n  app:\n${lines.map((line) => `    ${line}\n`).join("")}`;
/** What the machine starts when it runs that script. */
const started = (script: string, options = "") => boot(`${options}runscript /s`, { "/s": script });

describe("scripts", () => {
  test("every set of every package, later ones over earlier ones, the project last", () => {
    const a = pack("a", "runtime: native\nconfig_set: {x: {bootcmd: /a/x}, y: {bootcmd: /a/y}}");
    const b = pack("b", "runtime: native\nconfig_set: {y: {bootcmd: /b/y}, z: {bootcmd: /b/z}}");
    const scripts = resolveRunConfigs({
      project: own(set("native", "bootcmd: /demo").replace("app", "z")),
      packages: [a, { name: "none" }, b],
    });
    expect(scripts).toEqual([
      { set: "x", scriptPath: "/run/x", text: "/a/x", mode: 0o700, origin: "a", replaces: [] },
      { set: "y", scriptPath: "/run/y", text: "/b/y", mode: 0o700, origin: "b", replaces: ["a"] },
      { set: "z", scriptPath: "/run/z", text: "/demo", mode: 0o700, origin: "demo", replaces: ["b"] },
    ]);
    expect(resolveRunConfigs({ packages: [] })).toEqual([]);
  });

  test.each([
    [set("native", "bootcmd: /app --port 80"), "/app --port 80"],
    [set("native", "bootcmd: /app", "env: {B: 2, A: 1}"), "--env=B?=2 --env=A?=1 /app"],
    [set("native", "bootcmd: /app", "env: {TITLE: two words, EMPTY: }"), '"--env=TITLE?=two words" --env=EMPTY?= /app'],
    [set("native", "bootcmd: /app", "env: {A: $B, B: 2}"), "--env=B?=2 --env=A?=$B /app"],
    [set("native", "bootcmd: |", "  /first", "  /second", "env: {A: 1}"), "--env=A?=1 /first\n/second"],
    [
      set("node", "main: /server.js", "env: {PORT: 80}"),
      "--env=PORT?=80 --env=NODE_ARGS?=-- --env=MAIN?=/server.js --env=ARGS?= /libnode.so $NODE_ARGS $MAIN $ARGS",
    ],
    [
      set("python", "main: /demo.py", "args: [one]"),
      "--env=PYTHON_ARGS?=-O --env=MAIN?=/demo.py --env=ARGS?=one --env=PYTHONHOME?=/pyenv /python $PYTHON_ARGS $MAIN $ARGS",
    ],
    [
      set("java", "main: package1.Main", "classpath: [/, /src]", "xmx: 1g"),
      "--env=XMX?=1g --env=CLASSPATH?=/:/src --env=JVM_ARGS?=-Dx=y --env=MAIN?=package1.Main --env=XMS?=512m --env=ARGS?= " +
        "/java.so -Xms$XMS -Xmx$XMX -cp $CLASSPATH $JVM_ARGS $MAIN $ARGS",
    ],
    [
      set("native", "base: node-4.4.5:node", "env: {MAIN: /x.js}"),
      "--env=MAIN?=/x.js --env=NODE_ARGS?=--no-deprecation --env=ARGS?= /libnode.so $NODE_ARGS $MAIN $ARGS",
    ],
  ])("%j is as plain as the original's", (text, script) => {
    expect(scriptOf(text)).toBe(script);
  });

  test("lists become words of their own", () => {
    const script = scriptOf(set("node", "main: /server.js", "node_args: [--require, mod]", "args: [localhost, 8000]"));
    expect(script).toBe("--env=MAIN?=/server.js /libnode.so --require mod $MAIN localhost 8000");
    expect(started(script).programs).toEqual([["/libnode.so", "--require", "mod", "/server.js", "localhost", "8000"]]);
  });

  test("blanks, quotes and separators reach the program whole", () => {
    const script = scriptOf(
      set("node", "main: /my server.js", "args: ['two words', 'a;b&c!', 'say \"x\"', '', 'C:\\n']"),
    );
    expect(started(script).programs).toEqual([
      ["/libnode.so", "--", "/my server.js", "two words", "a;b&c!", 'say "x"', "", "C:\\n"],
    ]);
  });

  test("a variable of env with blanks is one word, and one for the program's own use", () => {
    const { programs, env } = started(
      scriptOf(set("native", "base: node-6.10.2:node", "env: {MAIN: /a b.js, NODE_ARGS: -i, ARGS: x y}")),
    );
    expect(programs).toEqual([["/node6", "-i", "/a b.js", "x y"]]);
    expect(env.ARGS).toBe("x y");
  });

  test("plain values can be replaced when the image is run", () => {
    const script = scriptOf(set("node", "main: /server.js", "args: [one]", "env: {PORT: 80}"));
    const { programs, env } = started(script, "--env=MAIN=/other.js --env=PORT=81 ");
    expect(programs).toEqual([["/libnode.so", "--", "/other.js", "one"]]);
    expect(env.PORT).toBe("81");
  });

  test("arguments may refer to variables", () => {
    const script = scriptOf(
      set("node", "main: /server.js", "args: [--port, $PORT, --url=$URL]", "env: {URL: http://x, PORT: 80}"),
    );
    expect(started(script).programs[0]?.slice(3)).toEqual(["--port", "80", "--url=http://x"]);
    const single = scriptOf(set("node", "main: /server.js", "args: [$PORT]", "env: {PORT: 80}"));
    expect(started(single).programs[0]?.at(-1)).toBe("80");
  });

  test("a .jar with arguments of the machine", () => {
    const script = scriptOf(set("java", "main: /app.jar", "jvm_args: [-Da=b c]", "args: [x, y z]"));
    expect(started(script).programs).toEqual([
      ["/java.so", "-Xms512m", "-Xmx512m", "-cp", "/", "-Da=b c", "-jar", "/app.jar", "x", "y z"],
    ]);
  });

  test("the interactive shells have no words of a script", () => {
    expect(started(scriptOf(set("node", "shell: true"))).programs).toEqual([["/libnode.so", "--"]]);
    expect(started(scriptOf(set("python", "shell: true"))).programs).toEqual([["/python", "-O", "-"]]);
  });

  test("whatever 7-bit words are given, the program gets them", () => {
    const word = fc
      .string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) })
      .filter((text) => !text.includes("$"));
    const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
    const real = word.filter((text) => text !== "" && !/^"?<.*>"?$/.test(text.trim()));
    fc.assert(
      fc.property(real, fc.array(real, { minLength: 1 }), (main, args) => {
        const script = scriptOf(set("node", `main: ${quoted(main)}`, `args: [${args.map(quoted).join(", ")}]`));
        expect(started(script).programs).toEqual([["/libnode.so", "--", main, ...args]]);
        expect(parseScript(script).problems).toEqual([]);
      }),
    );
  });
});

describe("bases", () => {
  test.each([
    ["node", "base: node-6.10.2:node", "/node6"],
    ["python", "base: my-python:run", "/my/python"],
    ["java", "base: my-java:run", "/my/java"],
    ["native", "base: my-python:run", "/my/python"],
  ])("%s: the user's %s is run", (runtime, base, program) => {
    const mine = [
      pack("my-python", "runtime: native\nconfig_set: {run: {bootcmd: /my/python $MAIN $ARGS}}"),
      pack("my-java", "runtime: native\nconfig_set: {run: {bootcmd: /my/java $MAIN $ARGS}}"),
    ];
    const main = runtime === "native" ? ["env: {MAIN: /x, ARGS: y}"] : ["main: /x", "args: [y]"];
    const [words = []] = started(scriptOf(set(runtime, base, ...main), [...PACKAGES, ...mine])).programs;
    expect([words[0], ...words.slice(-2)]).toEqual([program, "/x", "y"]);
  });

  test("bases of bases: the nearest value of each variable counts, defaults are kept", () => {
    const middle = pack(
      "middle",
      "runtime: node\nconfig_set: {run: {main: /middle.js, args: [a, b], env: {LEVEL: middle, DEPTH: 1}}}",
    );
    const top = pack("top", "runtime: native\nconfig_set: {run: {base: 'middle:run', env: {LEVEL: top}}}");
    const packages = [...PACKAGES, middle, top];
    const { programs, env } = started(scriptOf(set("native", "base: top:run", "env: {MAIN: /mine.js}"), packages));
    expect(programs).toEqual([["/libnode.so", "--", "/mine.js", "a", "b"]]);
    expect(env).toEqual({ LEVEL: "top", DEPTH: "1", MAIN: "/mine.js", NODE_ARGS: "--" });
  });

  test("a list over a base's variable and a variable over a base's list", () => {
    const base = pack("base", "runtime: node\nconfig_set: {run: {main: /b.js, args: [a, b]}}");
    expect(
      started(scriptOf(set("native", "base: base:run", "env: {ARGS: only}"), [...PACKAGES, base])).programs,
    ).toEqual([["/libnode.so", "--", "/b.js", "only"]]);
  });

  test("another set of the same project is a base too", () => {
    const text =
      "runtime: native\nconfig_set:\n  one:\n    bootcmd: /app $MODE\n  two:\n    base: demo:one\n    env: {MODE: x}\n";
    const scripts = resolveRunConfigs({ project: own(text), packages: [] });
    expect(scripts.map((script) => script.text)).toEqual(["/app $MODE", "--env=MODE?=x /app $MODE"]);
  });

  test.each([
    ["itself", "runtime: native\nconfig_set: {a: {base: 'demo:a'}}", "demo:a -> demo:a"],
    ["two", "runtime: native\nconfig_set: {a: {base: 'demo:b'}, b: {base: 'demo:a'}}", "demo:a -> demo:b -> demo:a"],
  ])("a cycle of %s is shown", (_title, text, trail) => {
    const error = failureOf(() => resolveRunConfigs({ project: own(text), packages: [] }));
    expect(error.code).toBe("base-cycle");
    expect(error.message).toContain(trail);
    expect(error.message).toMatch(/^meta\/run\.yaml:2:\d+: /);
  });

  test("a cycle further up, across packages", () => {
    const a = pack("a", "runtime: native\nconfig_set: {s: {base: 'b:s'}}");
    const b = pack("b", "runtime: native\nconfig_set: {s: {base: 'a:s'}}");
    const found = problemsOf(() => resolveRunConfigs({ project: own(set("native", "base: a:s")), packages: [a, b] }));
    expect(found.at(-1)).toContain("a:s -> b:s -> a:s");
  });

  test("a chain of a thousand bases is followed to its limit, then refused", () => {
    const sets = Array.from({ length: 1000 }, (_, i) => `  s${i}: {base: 'demo:s${i + 1}'}\n`).join("");
    const text = `runtime: native\nconfig_set:\n${sets}  s1000: {bootcmd: /x}\n`;
    expect(failureOf(() => resolveRunConfigs({ project: own(text), packages: [] })).code).toBe("base-cycle");
  });

  test.each([
    [
      set("node", "main: /x"),
      [],
      "meta/run.yaml:4:5: the package node-4.4.5 of the base node-4.4.5:node is not included",
    ],
    [
      set("node", "base: other:run"),
      PACKAGES,
      "meta/run.yaml:4:11: the package other of the base other:run is not included",
    ],
    [
      set("node", "base: node-4.4.5:nod"),
      PACKAGES,
      "meta/run.yaml:4:11: the package node-4.4.5 has no configuration set 'nod'. Did you mean 'node'?",
    ],
  ])("%j without its base", (text, packages, message) => {
    const error = failureOf(() => scriptOf(text, packages));
    expect(error.code).toBe("unknown-base");
    expect(error.message).toBe(message);
  });

  test("a package without sets is no base", () => {
    const error = failureOf(() =>
      resolveRunConfigs({ project: own(set("native", "base: empty:x")), packages: [{ name: "empty" }] }),
    );
    expect(error.message).toContain("has no configuration sets");
  });

  test("keys that the base has no place for are errors, not without effect", () => {
    const plain = pack("plain", "runtime: native\nconfig_set: {run: {bootcmd: /plain -x$ONE}}");
    for (const args of ["[a]", "[a, b]"]) {
      const error = failureOf(() => scriptOf(set("node", "base: plain:run", `args: ${args}`), [plain]));
      expect(error.message).toContain("'args' has no effect");
    }
  });

  test("words in the place of the program are looked at", () => {
    const runner = pack("runner", "runtime: native\nconfig_set: {run: {bootcmd: $MAIN $ARGS}}");
    expect(started(scriptOf(set("node", "base: runner:run", "main: /my app"), [runner])).programs[0]?.[0]).toBe(
      "/my app",
    );
    const error = failureOf(() => scriptOf(set("node", "base: runner:run", "main: -a b"), [runner]));
    expect(error.message).toContain("without a program");
  });

  test("all that is wrong is told at once", () => {
    const text = "runtime: native\nconfig_set: {a: {base: 'x:x'}, b: {base: 'y:y'}}\nconfig_set_default: c";
    expect(problemsOf(() => resolveRunConfigs({ project: own(text), packages: [] }))).toHaveLength(3);
  });
});

describe("the default", () => {
  const text = (name: string) =>
    `runtime: native\nconfig_set: {a: {bootcmd: /a}, b: {bootcmd: /b}}\nconfig_set_default: ${name}`;

  test("must be a set of the project or of a package", () => {
    expect(resolveRunConfigs({ project: own(text("a,node")), packages: PACKAGES })).toHaveLength(5);
    const error = failureOf(() => resolveRunConfigs({ project: own(text("a,nod")), packages: PACKAGES }));
    expect(error.message).toBe(
      "meta/run.yaml:3:21: there is no configuration set 'nod' to be the default. Did you mean 'node'?",
    );
  });

  test("that of a package is its own affair", () => {
    expect(resolveRunConfigs({ packages: [pack("p", text("missing"))] })).toHaveLength(2);
  });
});

describe("packages as they are published", () => {
  test.each([
    [
      "sleep",
      "/bin/sleep.so $SLEEP_SECONDS",
      "{SLEEP_SECONDS: -1}",
      "--env=SLEEP_SECONDS?=-1 /bin/sleep.so $SLEEP_SECONDS",
    ],
    [
      "mount-nfs",
      "/tools/mount-nfs.so $NFS_ENDPOINT $NFS_MOUNT",
      "{NFS_ENDPOINT: , NFS_MOUNT: }",
      "--env=NFS_ENDPOINT?= --env=NFS_MOUNT?= /tools/mount-nfs.so $NFS_ENDPOINT $NFS_MOUNT",
    ],
    ["odd", "--rootfs=zfs /app 'a b", "{}", "--rootfs=zfs /app 'a b"],
    ["odd", "/app é", "{A: $x/y}", "--env=A?=$x/y /app é"],
  ])("%s: %s", (name, bootcmd, env, script) => {
    const text = `runtime: native\nconfig_set:\n  ${name}:\n    bootcmd: "${bootcmd}"\n    env: ${env}\n`;
    expect(resolveRunConfigs({ packages: [pack("p", text)] })[0]?.text).toBe(script);
  });

  test("what cannot be written is told with the package", () => {
    const text = "runtime: native\nconfig_set:\n  s:\n    bootcmd: /x\n    env: {A: é}\n";
    const error = failureOf(() => resolveRunConfigs({ packages: [pack("p", text)] }));
    expect(error.message).toMatch(/^p: meta\/run\.yaml:4:5: in the set 's': .*ASCII/);
    expect(error.exitCode).toBe(65);
  });
});

test("sets describe themselves without their bases", () => {
  const { runConfig } = own(
    "runtime: node\nconfig_set:\n  a: {main: /a, args: [x, y z]}\n  b: {base: 'p:s'}\nconfig_set_default: b\n",
  );
  expect(describeRunSets(runConfig)).toEqual([
    {
      name: "a",
      isDefault: false,
      base: "node-4.4.5:node",
      values: new Map([
        ["NODE_ARGS", ["--"]],
        ["MAIN", ["/a"]],
        ["ARGS", ["x", "y z"]],
      ]),
    },
    { name: "b", isDefault: true, base: "p:s", values: new Map() },
  ]);
});
