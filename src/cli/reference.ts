import { findingCodes } from "../check/finding.ts";
import { bashCompletion, fishCompletion, zshCompletion } from "./completions.ts";
import { exitCodeTable, flagText, flagUsage, usageLine } from "./help.ts";
import type { CommandSpec, FlagSpec } from "./spec.ts";
import { commands, globalFlags } from "./table.ts";

/** What is generated from the command table: path in the repository → content. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ["docs/reference/cli.md", cliReference()],
    ["docs/reference/findings.md", findingsReference()],
    ["completions/capstan.bash", bashCompletion()],
    ["completions/_capstan", zshCompletion()],
    ["completions/capstan.fish", fishCompletion()],
  ]);
}

function cliReference(): string {
  const shown = commands.filter((command) => command.hidden !== true);
  return [
    "# Command-line reference",
    "",
    "Generated from the command table (`src/cli/table.ts`) by `npm run docs`. Do not edit.",
    "",
    "Flags may stand anywhere on the line; `--` ends them. Answers go to stdout, everything else to stderr.",
    "",
    "## Flags of every command",
    "",
    ...flagTable(globalFlags),
    "",
    "A command that uses one of these short names for a flag of its own keeps the long one.",
    "",
    "## Commands",
    "",
    ...shown.map((command) => `- [\`${command.name}\`](#${command.name.replaceAll(" ", "-")}): ${command.summary}.`),
    "",
    ...shown.flatMap(commandSection),
    "## Exit codes",
    "",
    "| code | meaning |",
    "|---|---|",
    ...exitCodeTable.map(([code, text]) => `| ${code} | ${text} |`),
    "",
  ].join("\n");
}

function findingsReference(): string {
  return [
    "# Findings of the check",
    "",
    "Generated from `src/check/finding.ts` by `npm run docs`. Do not edit.",
    "",
    "An **error** keeps the program from starting, a **warning** will probably make it misbehave, a **note** is worth knowing;",
    "notes are shown by `capstan check` and, when composing, with `--verbose`.",
    "",
    "| code | meaning |",
    "|---|---|",
    ...Object.entries(findingCodes).map(([code, text]) => `| \`${code}\` | ${cell(text)} |`),
    "",
  ].join("\n");
}

function commandSection(command: CommandSpec): string[] {
  const also = command.also === undefined ? [] : [`Also: ${command.also.map((name) => `\`${name}\``).join(", ")}.`, ""];
  return [
    `### ${command.name}`,
    "",
    `${command.summary}.`,
    "",
    "```text",
    usageLine(command),
    "```",
    "",
    ...also,
    ...(command.details ?? []).flatMap((paragraph) => [paragraph, ""]),
    ...(command.args.length === 0
      ? []
      : [
          "| argument | meaning |",
          "|---|---|",
          ...command.args.map((argument) => `| \`${argument.name}\` | ${cell(argument.text)} |`),
          "",
        ]),
    ...(command.flags.length === 0 ? [] : [...flagTable(command.flags), ""]),
    ...(command.examples ?? []).flatMap((example) => ["```sh", `${example.line}  # ${example.text}`, "```", ""]),
  ];
}

function flagTable(flags: readonly FlagSpec[]): string[] {
  return [
    "| flag | meaning |",
    "|---|---|",
    ...flags.map((flag) => `| \`${cell(flagUsage(flag).trim())}\` | ${cell(flagText(flag))} |`),
  ];
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
