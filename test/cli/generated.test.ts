import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { generatedFiles } from "../../src/cli/reference.ts";
import { commands } from "../../src/cli/table.ts";
import { ExitCode } from "../../src/support/errors.ts";
import { repository } from "../support/sandbox.ts";

// Write them with `npm run docs`.
test.each([...generatedFiles()])("%s is up to date", (path, text) => {
  expect(readFileSync(join(repository, path), "utf8")).toBe(text);
});

const reference = generatedFiles().get("docs/reference/cli.md") ?? "";

test.each(commands.filter(({ hidden }) => hidden !== true))(
  "the reference has `$name` with all its flags",
  (command) => {
    const after = reference.split(`\n### ${command.name}\n`)[1] ?? "";
    const section = after.split("\n### ")[0] ?? "";
    expect(section).toContain(command.summary);
    for (const { long } of command.flags) expect(section).toContain(`--${long}`);
  },
);

test.each(Object.entries(ExitCode))("the reference tells the exit code of %s", (_, code) => {
  expect(reference).toMatch(new RegExp(`^\\| ${code} \\| .+ \\|$`, "m"));
});
