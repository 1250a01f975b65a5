import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commands, groups } from "../../src/cli/table.ts";
import { lacksProgram, testUnless } from "../support/machine.ts";
import { repository, Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const folder = join(repository, "completions");

beforeAll(async () => {
  sandbox.write({ "root/x": "x", "folder/file": "", "a file": "" });
  await sandbox.package("greeter");
  await sandbox.package("greeter.libs");
  for (const name of ["hello", "help-desk", "ns/world"]) {
    await sandbox.ok(["compose", name, "root", "-l", "builtin", "-c", "/x"]);
  }
});

afterAll(() => sandbox.remove());

/** What bash offers at the end of a line; a line that ends in a blank asks for a new word. */
async function bash(line: string): Promise<string[]> {
  const words = line.split(" ");
  const script = [
    `source '${folder}/capstan.bash'`,
    `COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")})`,
    `COMP_CWORD=${words.length - 1}`,
    "COMPREPLY=()",
    "_capstan",
    `printf '%s\\n' "\${COMPREPLY[@]}"`,
  ].join("\n");
  const { stdout, stderr } = await sandbox.shell(script);
  expect(stderr).toBe("");
  return stdout
    .split("\n")
    .filter((word) => word !== "")
    .sort();
}

const single = commands.filter(({ name, hidden }) => !name.includes(" ") && hidden !== true).map(({ name }) => name);

describe.concurrent("bash", () => {
  test.each<[string, readonly string[]]>([
    ["capstan ", [...single, ...groups.map(({ name }) => name)].sort()],
    ["capstan im", ["image", "images", "import"]],
    [
      "capstan package ",
      "add build collect compose compose-remote describe import init list lock outdated pull refresh search update verify".split(
        " ",
      ),
    ],
    ["capstan package co", ["collect", "compose", "compose-remote"]],
    ["capstan -v package co", ["collect", "compose", "compose-remote"]],
    ["capstan run he", ["hello", "help-desk"]],
    ["capstan run --memory 2G he", ["hello", "help-desk"]],
    ["capstan run ns", ["ns/world"]],
    ["capstan image cat hel", ["hello", "help-desk"]],
    ["capstan rmi hello hel", ["hello", "help-desk"]],
    ["capstan package describe gr", ["greeter", "greeter.libs"]],
    ["capstan package compose x --require greeter.", ["greeter.libs"]],
    ["capstan package compose x -l b", ["builtin"]],
    ["capstan package compose x --loader_image bu", ["builtin"]],
    ["capstan compose x y --fs ", ["rofs", "zfs"]],
    ["capstan run -n ", ["bridge", "nat", "none", "tap", "vhost"]],
    ["capstan run --accel t", ["tcg"]],
    ["capstan runtime init -r n", ["native", "node"]],
    ["capstan package init --runtime py", ["python"]],
    ["capstan completion ", ["bash", "fish", "zsh"]],
    ["capstan run --mem", ["--memory"]],
    ["capstan images --", ["--help", "--json", "--quiet", "--verbose"]],
    ["capstan run --memory ", []],
    ["capstan nonsense ", []],
  ])("%s⇥", async (line, expected) => {
    expect(await bash(line)).toEqual(expected);
  });

  test("offers nothing, and says nothing, where the store cannot be read", async () => {
    sandbox.write({ "broken/config.yaml": "disable_kvm: perhaps\n" });
    const { stdout, stderr } = await sandbox.shell(
      `source '${folder}/capstan.bash'; COMP_WORDS=(capstan run ''); COMP_CWORD=2; _capstan; echo "\${COMPREPLY[@]}"`,
      { env: { CAPSTAN_ROOT: sandbox.path("broken") } },
    );
    expect([stdout, stderr]).toEqual(["\n", ""]);
  });

  test("the script of `capstan completion bash` is the one that is installed", async () => {
    const { code } = await sandbox.shell(`diff <(capstan completion bash) '${folder}/capstan.bash'`);
    expect(code).toBe(0);
  });
});

describe("zsh", () => {
  const zsh = testUnless(lacksProgram("zsh"));

  zsh("the script loads, and knows every command", async () => {
    const { stdout, stderr, code } = await sandbox.shell(
      `zsh -f -c 'autoload -U compinit; compinit -u -D; source "${folder}/_capstan"; whence -w _capstan _capstan_run _capstan_package_compose'`,
    );
    expect([stderr, code]).toEqual(["", 0]);
    expect(stdout).toContain("_capstan_package_compose: function");
  });
});

describe("fish", () => {
  const fish = testUnless(lacksProgram("fish"));

  fish("completes commands and images", async () => {
    const ask = async (line: string) =>
      (await sandbox.shell(`fish -N -c 'source "${folder}/capstan.fish"; complete -C "${line}"'`)).stdout;
    expect(await ask("capstan package co")).toMatch(/^collect\b.*\ncompose\b/m);
    expect(await ask("capstan run he")).toMatch(/^hello/m);
  });
});
