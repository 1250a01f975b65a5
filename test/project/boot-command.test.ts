import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_BOOT_ARGS } from "../../src/disks/boot-args.ts";
import {
  addEnv,
  buildBootCommand,
  commandProblem,
  envOption,
  joinWords,
  parseCommandLine,
  parseEnvFlags,
  parseScript,
  quoteWord,
  scriptEnvOption,
} from "../../src/project/boot-command.ts";
import { failureOf } from "./failure.ts";
import { boot } from "./kernel.ts";

const env = (values: Readonly<Record<string, string>>) => new Map(Object.entries(values));
const printable = fc.string({ unit: fc.integer({ min: 1, max: 0x7f }).map((code) => String.fromCharCode(code)) });
const word = printable.filter((text) => !text.includes("$"));
const program = word.filter((text) => text !== "" && !text.startsWith("-"));
const key = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]*$/);
const anyText = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"));

describe("words", () => {
  test("parse∘join is the identity for all that OSv can be given", () => {
    fc.assert(
      fc.property(program, fc.array(word), (first, rest) => {
        const parsed = parseCommandLine(joinWords([first, ...rest]));
        expect(parsed).toEqual({
          options: [],
          commands: [{ env: [], words: [first, ...rest], terminator: "" }],
          ignored: "",
        });
      }),
    );
  });

  test("the program gets the words whole", () => {
    const words = ["/app", "two words", "", 'q"uote', "it's", "a;b&c!", "C:\\new", "line\nfeed\ttab"];
    expect(boot(joinWords(words)).programs).toEqual([words]);
  });

  test.each([
    ["cost$5", "$"],
    ["$HOME", "$"],
    ["é", "ASCII"],
    ["日本", "ASCII"],
    ["a\0b", "NUL"],
  ])("%j is refused, and the reason told", (text, reason) => {
    const error = failureOf(() => quoteWord(text));
    expect(error.code).toBe("not-expressible");
    expect(error.message).toContain(reason);
  });

  test.each([
    ["$HOME", true],
    ["-Xmx$XMX", true],
    ["$A/b", false],
    ["$A$B", false],
    ["a$", false],
    ["$" + "{A}", false],
    ["$5", false],
  ])("a reference to a variable: %s, allowed: %s", (text, allowed) => {
    const write = () => quoteWord(text, { dollar: "reference" });
    if (allowed) expect(write()).toBe(text);
    else expect(failureOf(write).code).toBe("not-expressible");
  });

  test.each([[[]], [[""]], [["-x", "a"]], [["--env=A=b", "/x"]]])("%j is no command", (words) => {
    expect(failureOf(() => joinWords(words)).code).toBe("not-expressible");
  });
});

describe("variables", () => {
  test("any value without NUL reaches the machine from the boot command line", () => {
    fc.assert(
      fc.property(key, anyText, (name, value) => {
        expect(boot(`${envOption(name, value)} /x`).env).toEqual({ [name]: value });
      }),
    );
  });

  test("any word reaches the machine from a script, unless it is set already", () => {
    fc.assert(
      fc.property(key, word, (name, value) => {
        const script = `${scriptEnvOption(name, value, { ifUnset: true })} /x`;
        expect(boot("runscript /s", { "/s": script }).env).toEqual({ [name]: value });
        expect(boot(`--env=${name}=first runscript /s`, { "/s": script }).env).toEqual({ [name]: "first" });
        fc.pre(!value.includes("?="));
        const hard = `${scriptEnvOption(name, value, { ifUnset: false })} /x`;
        expect(boot(`--env=${name}=first runscript /s`, { "/s": hard }).env).toEqual({ [name]: value });
      }),
    );
  });

  test.each([
    ["PORT", "80", "--env=PORT?=80"],
    ["EMPTY", "", "--env=EMPTY?="],
    ["TITLE", "two words", '"--env=TITLE?=two words"'],
  ])("in a script %s is written plainly where it can be", (name, value, text) => {
    expect(scriptEnvOption(name, value, { ifUnset: true })).toBe(text);
  });

  test("a value with '?=' in it can be set if unset only: OSv looks for that operator first", () => {
    const soft = scriptEnvOption("URL", "http://h/?=b", { ifUnset: true });
    expect(boot("runscript /s", { "/s": `${soft} /x` }).env).toEqual({ URL: "http://h/?=b" });
    const error = failureOf(() => scriptEnvOption("URL", "http://h/?=b", { ifUnset: false }));
    expect(error).toMatchObject({ code: "bad-env", exitCode: 65 });
  });

  test.each([
    ["A", "'=' is missing"],
    ["=x", "'' cannot name a variable"],
    ["A B=x", "cannot name"],
    ["1A=x", "cannot name"],
    ["A?=x", "'?'"],
    ["A=x\0", "NUL"],
  ])("--env %j is an error of usage", (flag, reason) => {
    const error = failureOf(() => parseEnvFlags([flag]));
    expect(error).toMatchObject({ code: "bad-env", exitCode: 64 });
    expect(error.message).toContain(reason);
  });

  test("values may hold '=', blanks and nothing; the last of one name counts", () => {
    const found = parseEnvFlags(["A=1", "B=x=y z", "C=", "A=2"]);
    expect([...found]).toEqual([
      ["B", "x=y z"],
      ["C", ""],
      ["A", "2"],
    ]);
  });
});

describe("the command line of an image", () => {
  test.each([
    [{ run: "/app", boot: ["a"], configDefault: ["b"] }, "/app", "run"],
    [{ boot: ["a", "b"], configDefault: ["c"] }, "runscript /run/a;runscript /run/b;", "boot"],
    [{ configDefault: ["b", "c"] }, "runscript /run/b;runscript /run/c;", "config"],
    [{ boot: [], configDefault: [] }, "runscript /run/default;", "default"],
    [{}, "runscript /run/default;", "default"],
    [{ composed: " ", configDefault: ["b"] }, "runscript /run/b;", "config"],
  ])("%j gives %s", (request, text, origin) => {
    expect(buildBootCommand(request)).toEqual({ text, origin });
  });

  test("D21: the composed command is kept unless another is asked for", () => {
    const composed = "--nopivot /hello world";
    expect(buildBootCommand({ composed }).text).toBe(composed);
    expect(buildBootCommand({ composed, env: env({ A: "1" }) }).text).toBe("--nopivot --env=A=1 /hello world");
    expect(buildBootCommand({ composed, boot: ["x"] }).text).toBe("runscript /run/x;");
    expect(buildBootCommand({ composed, run: "/other" }).text).toBe("/other");
  });

  test("--env alone keeps the default command", () => {
    expect(buildBootCommand({ env: env({ A: "b c" }) })).toEqual({
      text: "--env=A=b\\ c runscript /run/default;",
      origin: "default",
    });
  });

  test("--env comes before the values of a configuration set", () => {
    const { text } = buildBootCommand({ env: env({ PORT: "81" }) });
    const started = boot(text, { "/run/default": "--env=PORT?=80 /app $PORT" });
    expect(started.programs).toEqual([["/app", "81"]]);
  });

  test.each([
    [{ run: "" }, "bad-command"],
    [{ run: "--rootfs=rofs" }, "bad-command"],
    [{ run: '/app "a' }, "bad-command"],
    [{ run: "/app;;/b" }, "bad-command"],
    [{ run: "/app 'a b'" }, "bad-command"],
    [{ run: "/app é" }, "bad-command"],
    [{ boot: ["../x"] }, "bad-set-name"],
    [{ boot: [""] }, "bad-set-name"],
    [{ boot: ["ap"], sets: ["app", "other"] }, "unknown-set"],
  ])("%j is refused: %s", (request, code) => {
    expect(failureOf(() => buildBootCommand(request))).toMatchObject({ code, exitCode: 64 });
  });

  test("an unknown set names the nearest and all others", () => {
    const error = failureOf(() => buildBootCommand({ boot: ["wroker"], sets: ["master", "worker"] }));
    expect(error.message).toContain("Did you mean 'worker'?");
    expect(error.hint).toContain("master, worker");
  });

  test("a default that the image has no script of is a warning: --run can still be used", () => {
    expect(buildBootCommand({ sets: [] }).warning).toContain("'default'");
    expect(buildBootCommand({ sets: ["default"] }).warning).toBeUndefined();
    expect(buildBootCommand({ run: "/app", sets: [] }).warning).toBeUndefined();
  });

  test("a line that the boot sector would cut is an error", () => {
    const fits = `/app ${"x".repeat(MAX_BOOT_ARGS - 5)}`;
    expect(buildBootCommand({ run: fits }).text).toHaveLength(MAX_BOOT_ARGS);
    expect(failureOf(() => buildBootCommand({ run: `${fits}x` })).code).toBe("command-line-too-long");
    expect(failureOf(() => addEnv(fits, env({ A: "1" }))).code).toBe("command-line-too-long");
    expect(failureOf(() => addEnv("/app", env({ A: "é".repeat(16_125) }))).code).toBe("command-line-too-long");
  });
});

describe("addEnv", () => {
  test.each([
    ["D21: keeps the command", "/hello", { A: "1" }, "--env=A=1 /hello"],
    ["D21: keeps other options", "--nopivot --env=B=2 /x", { A: "1" }, "--nopivot --env=B=2 --env=A=1 /x"],
    ["D21: replaces the same variable", "--env=A=old --verbose --env=A=older /x", { A: "1" }, "--verbose --env=A=1 /x"],
    ["D21: a longer name is another variable", "--env=AB=old /x", { A: "1" }, "--env=AB=old --env=A=1 /x"],
    ["D21: words of commands are no options", "/x --env=A=old", { A: "1" }, "--env=A=1 /x --env=A=old"],
    ["D21: escapes stay as they are written", "--env=B=a\\ b\\\\ /x", { A: "1" }, "--env=B=a\\ b\\\\ --env=A=1 /x"],
    ["D21: an unset variable is set", "--env=A /x", { A: "1" }, "--env=A=1 /x"],
    ["D21: no variables, no change", "  --env=A=1   /x ", {}, "  --env=A=1   /x "],
  ])("%s", (_title, line, values, expected) => {
    expect(addEnv(line, env(values))).toBe(expected);
  });

  test("D21: whatever is added, the commands stay and each variable has its last value", () => {
    const settings = fc.dictionary(key, anyText, { maxKeys: 4, noNullPrototype: true });
    fc.assert(
      fc.property(settings, settings, fc.array(word), (before, after, words) => {
        const composed = addEnv(joinWords(["/app", ...words]), env(before));
        const started = boot(addEnv(composed, env(after)));
        expect(started.programs).toEqual([["/app", ...words]]);
        expect(started.env).toEqual({ ...before, ...after });
      }),
    );
  });

  test.each(["", "  ", "--nopivot", "--env=A=1 "])(
    "a line %j without a command is an error, not an empty boot",
    (line) => {
      expect(failureOf(() => addEnv(line, env({ A: "1" })))).toMatchObject({ code: "no-command", exitCode: 64 });
    },
  );
});

describe("reading for people", () => {
  test("a boot command line is taken apart", () => {
    expect(parseCommandLine('--env=A=b\\ c --nopivot runscript /run/a; /x "y z" &')).toEqual({
      options: ["--env=A=b c", "--nopivot"],
      commands: [
        { env: [], words: ["runscript", "/run/a"], terminator: ";" },
        { env: [], words: ["/x", "y z"], terminator: "&" },
      ],
      ignored: "",
    });
    expect(parseCommandLine("/x; é y").ignored).toBe(" é y");
    expect(parseCommandLine("").commands).toEqual([]);
  });

  test("a script is taken apart line by line, options of every command", () => {
    const script = '--env=A?=1 "--env=B=2 3" /x $A;--env=C= /y\n\n/z';
    expect(parseScript(script)).toEqual({
      commands: [
        {
          env: [
            { key: "A", value: "1", ifUnset: true },
            { key: "B", value: "2 3", ifUnset: false },
          ],
          words: ["/x", "$A"],
          terminator: ";",
        },
        { env: [{ key: "C", value: "", ifUnset: false }], words: ["/y"], terminator: "" },
        { env: [], words: ["/z"], terminator: "" },
      ],
      problems: [],
    });
  });

  test.each([
    ["--rootfs=zfs /x", "no option '--rootfs=zfs'"],
    ["--env=A /x", "no option '--env=A'"],
    ["/x\n--env=A=1", "line 2: there is no program"],
    ["/x;é", "cannot read on at 'é'"],
  ])("a script with problems: %j", (script, problem) => {
    expect(parseScript(script).problems.join()).toContain(problem);
  });

  test.each([
    ["/app --port 80", undefined],
    ['/app "two words" {"json":1} it\'s $HOME', undefined],
    ["--env=A=1 /app;/b&/c", undefined],
    ["/first\n\n/second", undefined],
    ['/app --name="two words"', "only around a whole word"],
    ["/app 'two words'", "no single quotes"],
    ["/app --x='two words'", "no single quotes"],
    ["/app\targument", "tab"],
    ["/app $A/b", "'$'"],
    ["/app é", "not ASCII"],
    ["/app;;/b", "separator without a command"],
    ["--rootfs=zfs /app", "no option '--rootfs=zfs'"],
    ["--env=A=1", "no program"],
    ["/app\n# a comment", "no comments"],
    ["a\0", "NUL"],
  ])("a command that a person wrote: %j, problem: %s", (command, problem) => {
    const found = commandProblem(command, "script");
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(problem);
  });
});
