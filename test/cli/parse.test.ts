import { describe, expect, test } from "vitest";
import type { Input } from "../../src/cli/input.ts";
import { parseCommandLine } from "../../src/cli/parse.ts";
import { commands, notYet } from "../../src/cli/table.ts";
import { CapstanError } from "../../src/support/errors.ts";

/** The command and its input that a line of words selects; words with blanks are given as an array. */
function parse(line: string | readonly string[]): { readonly name: string; readonly input: Input } {
  const parsed = parseCommandLine(typeof line === "string" ? line.split(" ") : line);
  if (parsed.kind !== "command") throw new Error(`'${line}' is ${parsed.kind}`);
  return { name: parsed.command.name, input: parsed.input };
}

function refusal(line: string | readonly string[]): CapstanError {
  try {
    parse(line);
  } catch (error) {
    if (error instanceof CapstanError) return error;
    throw error;
  }
  throw new Error(`'${line}' is accepted`);
}

describe("commands", () => {
  test.each([
    ["images", "images"],
    ["i", "images"],
    ["I", "instances"],
    ["package list", "package list"],
    ["--json package list", "package list"],
    ["package --json list", "package list"],
    ["package list --json", "package list"],
    ["-q image -v ls x", "image ls"],
    ["-qv images", "images"],
    ["-m 2G run x", "run"],
    ["--memory 2G run x", "run"],
    ["package -n hello init -t x -a y", "package init"],
    ["-n hello package -t x init -a y", "package init"],
    ["-r node runtime init", "runtime init"],
  ])("`capstan %s` is `%s`", (line, name) => {
    expect(parse(line).name).toBe(name);
  });

  test.each([
    ["imges", "images"],
    ["packge", "package"],
    ["package compse x", "package compose"],
    ["image trre x", "image tree"],
    ["runtime lst", "runtime list"],
  ])("`capstan %s` is refused, and means `%s`", (line, meant) => {
    const error = refusal(line);
    expect(error.exitCode).toBe(64);
    expect(error.message).toContain(`Did you mean '${meant}'?`);
  });

  test("values of flags that stand before the command are theirs", () => {
    const { input } = parse("-m 2G --env A=b run x");
    expect([input.text("memory"), input.list("env"), input.arg("name")]).toEqual(["2G", ["A=b"], "x"]);
  });

  test.each([
    ["-m 2G rnu x", "2G"],
    ["-q imges -x list", "imges"],
    ["--x imges list", "imges"],
  ])("`capstan %s`: the first word that could be meant is named", (line, word) => {
    expect(refusal(line).message).toContain(`Unknown command '${word}'`);
  });

  test.each([...notYet.commands])("what the original has is told to be missing: %s", (name) => {
    expect(commands.map((command) => command.name)).not.toContain(name);
    expect(refusal(`${name} x`)).toMatchObject({
      exitCode: 64,
      message: `The command '${name}' of the original Capstan is not in this version.`,
    });
  });

  test.each([
    ["-u http://x images", "images"],
    ["--s3 images", "images"],
    ["--release-tag v1 package list", "package list"],
    ["-r any images", "images"],
    ["-r latest package pull x", "package pull"],
  ])("the original's flags for remote repositories go with every command: `capstan %s`", (line, name) => {
    expect(parse(line).name).toBe(name);
  });

  test("a word that is like no command suggests none", () => {
    expect(refusal("quux").message).toBe("Unknown command 'quux'.");
  });

  test("a command of a group is none by itself", () => {
    expect(refusal("ls x").message).toContain("Unknown command 'ls'");
  });

  test("the hidden command of the completions is never suggested", () => {
    expect(refusal("__nams").message).not.toContain("__names");
  });
});

describe("where flags may stand", () => {
  test.each([
    "run hello -m 2G --env A=1 --json",
    "run -m 2G hello --env A=1 --json",
    "--json run -m 2G --env A=1 hello",
    "run --json --env=A=1 --memory=2G hello",
    "run --env A=1 hello --memory 2G --json",
  ])("`capstan %s`", (line) => {
    const { name, input } = parse(line);
    expect(name).toBe("run");
    expect(input.arg("name")).toBe("hello");
    expect(input.text("memory")).toBe("2G");
    expect(input.list("env")).toEqual(["A=1"]);
    expect(input.on("json")).toBe(true);
  });

  test("`--` ends the flags", () => {
    const { input } = parse("compose --json -- -name ./-folder");
    expect(input.arg("name")).toBe("-name");
    expect(input.arg("path")).toBe("./-folder");
  });

  test("`--` behind an argument ends them too", () => {
    const { input } = parse("image cat hello -- --json");
    expect(input.arg("path")).toBe("--json");
    expect(input.on("json")).toBe(false);
  });

  test("a lone dash is an argument", () => {
    expect(parse("image cat hello -").input.arg("path")).toBe("-");
  });
});

describe("how flags are spelled", () => {
  test.each<[readonly string[], string, string]>([
    [["run", "--memory", "2G"], "memory", "2G"],
    [["run", "--memory=2G"], "memory", "2G"],
    [["run", "-m", "2G"], "memory", "2G"],
    [["run", "-m2G"], "memory", "2G"],
    [["run", "-m=2G"], "memory", "2G"],
    [["run", "--m", "2G"], "memory", "2G"],
    [["run", "--m=2G"], "memory", "2G"],
    [["run", "-memory", "2G"], "memory", "2G"],
    [["run", "-memory=2G"], "memory", "2G"],
    [["package", "init", "-name", "x"], "name", "x"],
    [["package", "init", "--n", "x"], "name", "x"],
    [["compose", "a", "b", "--loader-image", "l"], "loader_image", "l"],
    [["compose", "a", "b", "--loader", "l"], "loader_image", "l"],
    [["compose", "a", "b", "-loader_image", "l"], "loader_image", "l"],
    [["compose", "a", "b", "--command-line", "/x"], "command_line", "/x"],
    [["run", "--memory="], "memory", ""],
    [["run", "--execute", "/a --b; /c"], "execute", "/a --b; /c"],
    [["run", "-e", "/a=b"], "execute", "/a=b"],
  ])("%j sets %s to %j", (line, flag, value) => {
    expect(parse(line).input.text(flag)).toBe(value);
  });

  test.each<[readonly string[], string, string]>([
    [["run", "--execute", "--env=A=1 /hello"], "execute", "--env=A=1 /hello"],
    [["run", "-e", "--verbose /hello"], "execute", "--verbose /hello"],
    [["run", "--execute=--env=A=1 /hello"], "execute", "--env=A=1 /hello"],
    [["compose", "a", "b", "-c", "--rootfs=rofs /x"], "command_line", "--rootfs=rofs /x"],
    [["package", "init", "--title", "-"], "title", "-"],
    [["package", "init", "--title", "--"], "title", "--"],
    [["package", "init", "-t", "-name"], "title", "-name"],
  ])("%j: a value may begin with a dash", (line, flag, value) => {
    const { input } = parse(line);
    expect(input.text(flag)).toBe(value);
  });

  test("a value that looks like a flag is not one", () => {
    const { input } = parse(["run", "-e", "--json", "hello"]);
    expect(input.text("execute")).toBe("--json");
    expect(input.on("json")).toBe(false);
    expect(input.arg("name")).toBe("hello");
  });

  test("switches of one letter may be put together", () => {
    const { input } = parse("package compose x -pqv");
    expect([input.on("pull-missing"), input.on("quiet"), input.on("verbose")]).toEqual([true, true, true]);
  });

  test("the last of them may take a value", () => {
    const { input } = parse("run hello -vm 2G");
    expect(input.on("verbose")).toBe(true);
    expect(input.text("memory")).toBe("2G");
  });

  test("any word is a network: instances that give the same one reach each other", () => {
    const { input } = parse("run hello -n nat -n nta -n lab,alias=db");
    expect(input.list("network")).toEqual(["nat", "nta", "lab,alias=db"]);
  });

  test("the last value of a flag counts, and a list keeps all in their order", () => {
    const { input } = parse("run -m 1G -m 2G --env A=1 --env B=2 --env A=3 --boot x --boot y");
    expect(input.text("memory")).toBe("2G");
    expect(input.list("env")).toEqual(["A=1", "B=2", "A=3"]);
    expect(input.list("boot")).toEqual(["x", "y"]);
  });

  test("an unset flag is undefined, its list empty", () => {
    const { input } = parse("run");
    expect(input.text("memory")).toBeUndefined();
    expect(input.list("env")).toEqual([]);
    expect(input.arg("name")).toBeUndefined();
  });
});

describe("-v", () => {
  test.each(["package init -v 1.0", "package init -version 1.0", "import a b -v 1.0"])(
    "is the version in `capstan %s`",
    (line) => {
      const { input } = parse(line);
      expect(input.text("version")).toBe("1.0");
      expect(input.on("verbose")).toBe(false);
    },
  );

  test("goes with --verbose there", () => {
    const { input } = parse("package init --verbose -v 1.0");
    expect(input.text("version")).toBe("1.0");
    expect(input.on("verbose")).toBe(true);
  });

  test.each(["run -v", "package compose x -v", "compose a b -v", "images -v"])(
    "is --verbose in `capstan %s`",
    (line) => {
      expect(parse(line).input.on("verbose")).toBe(true);
    },
  );

  test.each(["-v", "--version", "-q --version"])("`capstan %s` asks for the version", (line) => {
    expect(parseCommandLine(line.split(" ")).kind).toBe("version");
  });
});

describe("help", () => {
  test.each<[string, readonly string[]]>([
    ["help", []],
    ["--help", []],
    ["-h", []],
    ["help run", ["run"]],
    ["help package compose", ["package", "compose"]],
    ["run --help", ["run"]],
    ["run hello -m 2G -h", ["run"]],
    ["package compose -h", ["package", "compose"]],
    ["package", ["package"]],
    ["package --help", ["package"]],
  ])("`capstan %s` shows the help of %j", (line, topic) => {
    expect(parseCommandLine(line.split(" "))).toEqual({ kind: "help", topic });
  });
});

describe("what is refused", () => {
  test.each<[string, string]>([
    ["images --qiet", "Unknown flag '--qiet' for `capstan images`. Did you mean '--quiet'?"],
    ["run --memry 2G", "Unknown flag '--memry' for `capstan run`. Did you mean '--memory'?"],
    ["run --persits", "Unknown flag '--persits' for `capstan run`. Did you mean '--persist'?"],
    ["images -z", "Unknown flag '-z' for `capstan images`."],
    ["images --persist", "Unknown flag '--persist' for `capstan images`."],
    ["images --json=yes", "The flag --json takes no value."],
    ["run --memory", "The flag --memory needs a value: --memory SIZE."],
    ["run hello -m", "The flag -m needs a value: -m SIZE."],
    ["compose", "`capstan compose` needs <name>: The name of the new image."],
    ["compose x", "`capstan compose` needs <path>: A folder whose content becomes the root, or one file."],
    ["compose a b c", "`capstan compose` does not take 'c'."],
    ["images x", "`capstan images` does not take 'x'."],
    ["rmi", "`capstan rmi` needs <name>: The image."],
    ["completion tcsh", "'tcsh' is not a shell."],
    ["completion bsh", "'bsh' is not a shell. Did you mean 'bash'?"],
    ["run --accel kmv", "'kmv' is not a value of --accel. Did you mean 'kvm'?"],
    ["compose a b --follow-links al", "'al' is not a value of --follow-links. Did you mean 'all'?"],
    ["--jsno", "Unknown flag '--jsno'. Did you mean '--json'?"],
    ["--versoin", "Unknown flag '--versoin'. Did you mean '--version'?"],
    ["-x", "Unknown flag '-x'."],
    ["-q --vrebose", "Unknown flag '--vrebose'. Did you mean '--verbose'?"],
    ["--json -q", "There is no command on the line."],
  ])("`capstan %s`", (line, message) => {
    const error = refusal(line);
    expect(error.message).toBe(message);
    expect(error.exitCode).toBe(64);
    expect(error.hint).toBeTruthy();
  });

  test.each([
    ["compose", "x", ""],
    ["package", "build", ""],
    ["package", "import", "a.mpm", ""],
    ["import", "x", ""],
  ])("%s %s '%s': an empty path is not this folder", (...line) => {
    expect(refusal(line)).toMatchObject({ exitCode: 64, message: expect.stringMatching(/^<\w+> is empty\.$/) });
  });

  test("flags that are put together are named by the one that is wrong", () => {
    expect(refusal("images -qz").message).toContain("'-z'");
  });

  test.each(["package compose x --fs typo", "compose x y --fs=zfsx", "compose x y --fs ROFS", "compose x y --fs ''"])(
    "D18: `capstan %s` lists the file systems that there are",
    (line) => {
      const error = refusal(line);
      expect(error.exitCode).toBe(64);
      expect(error.message).toContain("is not a value of --fs");
      expect(error.hint).toBe("Choose one of: rofs, zfs.");
    },
  );

  test("a name of the prototype is no flag", () => {
    for (const name of ["__proto__", "constructor", "toString"]) {
      expect(refusal(["images", `--${name}`]).message).toContain(`Unknown flag '--${name}'`);
      expect(refusal([name]).message).toContain(`Unknown command '${name}'`);
    }
  });
});
