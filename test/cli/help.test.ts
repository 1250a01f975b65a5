import { afterAll, expect, test } from "vitest";
import { helpText } from "../../src/cli/help.ts";
import { commands, groups } from "../../src/cli/table.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const shown = commands.filter((command) => command.hidden !== true);

test.each(shown.map((command) => [command.name, command] as const))(
  "`capstan help %s` tells all of it",
  (name, command) => {
    const text = helpText(name.split(" "));
    expect(text).toContain(`${command.summary}.\n`);
    expect(text).toContain(`Usage: capstan ${name}`);
    for (const argument of command.args)
      expect(text).toContain(`<${argument.name}`.replace("<", argument.optional === true ? "[" : "<"));
    for (const flag of [...command.flags.map(({ long }) => long), "json", "help"]) expect(text).toContain(`--${flag}`);
    for (const also of command.also ?? []) expect(text).toContain(`capstan ${also}`);
    for (const example of command.examples ?? []) expect(text).toContain(example.line);
    expect(text.split("\n").filter((line) => line.length > 100 && !line.includes("http"))).toEqual([]);
  },
);

test.each(groups.map(({ name }) => name))("`capstan help %s` lists the commands of the group", (name) => {
  const members = shown.filter((command) => command.name.startsWith(`${name} `));
  expect(members.length).toBeGreaterThan(0);
  for (const member of members) expect(helpText([name])).toContain(`  ${member.name} `);
});

test("a short name that the command uses otherwise is not shown for the global flag", () => {
  const text = helpText(["import"]);
  expect(text).toMatch(/-v, --version TEXT/);
  expect(text).toMatch(/ {4}--verbose /);
});

test("$ capstan help: every command, and nothing hidden", async () => {
  const { code, stdout, stderr } = await sandbox.run(["help"]);
  expect([code, stderr]).toEqual([0, ""]);
  for (const command of shown) expect(stdout).toMatch(new RegExp(`^ {2}${command.name} +\\S`, "m"));
  expect(stdout).not.toContain("__names");
});

test("$ capstan: the same, and exit code 64, since nothing was done", async () => {
  const { code, stdout } = await sandbox.run([]);
  expect(code).toBe(64);
  expect(stdout).toBe(await sandbox.ok(["--help"]));
});

test("$ capstan help package compose = $ capstan package compose --help", async () => {
  const text = await sandbox.ok(["help", "package", "compose"]);
  expect(await sandbox.ok(["package", "compose", "x", "-h"])).toBe(text);
  expect(text).toContain("--loader_image");
});

test("$ capstan help i: another name of a command", async () => {
  expect(await sandbox.ok(["help", "i"])).toBe(await sandbox.ok(["images", "--help"]));
});

test("$ capstan help imges", async () => {
  const { code, stderr, stdout } = await sandbox.run(["help", "imges"]);
  expect([code, stdout]).toEqual([64, ""]);
  expect(stderr).toContain("There is no command 'imges'. Did you mean 'images'?");
});
