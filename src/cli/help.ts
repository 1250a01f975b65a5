import { type ExitCode, ExitCode as ExitCodes } from "../support/errors.ts";
import { didYouMean } from "../support/suggest.ts";
import { usageError } from "./input.ts";
import { findCommand, flagsOf } from "./parse.ts";
import type { ArgumentSpec, CommandSpec, FlagSpec } from "./spec.ts";
import { commands, globalFlags, groups } from "./table.ts";

const SENTENCES: Readonly<Record<ExitCode, string>> = {
  [ExitCodes.ok]: "Success.",
  [ExitCodes.runFailed]: "The guest said that it failed, or the hypervisor could not run it.",
  [ExitCodes.usage]: "The command line is wrong.",
  [ExitCodes.badData]: "A file, package, image or value is wrong.",
  [ExitCodes.noInput]: "Something that was named does not exist.",
  [ExitCodes.unavailable]: "Something outside is missing: a program, a server, an acceleration that was forced.",
  [ExitCodes.bug]: "A bug of Capstan; its stack is printed.",
  [ExitCodes.osError]: "The operating system refused: disk full, permission denied.",
  [ExitCodes.cannotCreate]: "Something of that name exists and is in the way.",
  [ExitCodes.interrupted]: "Interrupted by Ctrl-C.",
  [ExitCodes.terminated]: "Ended by a termination signal.",
};

export const exitCodeTable: readonly (readonly [code: number, text: string])[] = Object.entries(SENTENCES).map(
  ([code, text]) => [Number(code), text] as const,
);

/** The help of everything, of a group, or of a command. */
export function helpText(topic: readonly string[]): string {
  const name = topic.join(" ");
  if (name === "") return overview();
  const command = findCommand(name);
  if (command !== undefined) return commandHelp(command);
  const group = groups.find((candidate) => candidate.name === name);
  if (group !== undefined) return groupHelp(group.name, group.summary);
  const names = [...commands.filter(({ hidden }) => hidden !== true), ...groups].map((known) => known.name);
  throw usageError(`There is no command '${name}'.${didYouMean(name, names)}`, "Run `capstan help` for all commands.");
}

export function usageLine(command: CommandSpec): string {
  const flags = command.flags.length > 0 ? " [flags]" : "";
  return ["capstan", command.name, ...command.args.map(argumentUsage)].join(" ") + flags;
}

export function flagUsage(flag: FlagSpec): string {
  const short = flag.short === undefined ? "    " : `-${flag.short}, `;
  return `${short}--${flag.long}${flag.value === undefined ? "" : ` ${flag.value}`}`;
}

export function flagText(flag: FlagSpec): string {
  const choices = flag.choices !== undefined && flag.choices.length > 1 ? ` One of ${flag.choices.join(", ")}.` : "";
  const fallback = flag.fallback === undefined ? "" : ` Default: ${flag.fallback}.`;
  return flag.text + choices + fallback;
}

function argumentUsage(argument: ArgumentSpec): string {
  const name = argument.many === true ? `${argument.name}…` : argument.name;
  return argument.optional === true ? `[${name}]` : `<${name}>`;
}

function overview(): string {
  const shown = commands.filter((command) => command.hidden !== true);
  const single = shown.filter((command) => !command.name.includes(" "));
  return [
    "Capstan turns an application into a bootable OSv unikernel image, and runs it.",
    "",
    "Usage: capstan <command> [arguments] [flags]",
    "",
    "Commands:",
    ...columns(single.map((command) => [command.name, command.summary])),
    "",
    ...groups.flatMap((group) => [
      `${group.summary}:`,
      ...columns(
        shown
          .filter((command) => command.name.startsWith(`${group.name} `))
          .map((command) => [command.name, command.summary]),
      ),
      "",
    ]),
    "Flags of every command:",
    ...columns([
      ...globalFlags.map((flag) => [flagUsage(flag), flag.text] as const),
      ["    --version", "Print the version; -v alone does so, too."],
    ]),
    "",
    "Run `capstan help <command>` for the arguments and flags of a command.",
    "",
  ].join("\n");
}

function groupHelp(name: string, summary: string): string {
  const members = commands.filter((command) => command.hidden !== true && command.name.startsWith(`${name} `));
  return [
    `${summary}.`,
    "",
    `Usage: capstan ${name} <command> [arguments] [flags]`,
    "",
    ...columns(members.map((command) => [command.name, command.summary])),
    "",
  ].join("\n");
}

function commandHelp(command: CommandSpec): string {
  const section = (title: string, rows: readonly (readonly [string, string])[]) =>
    rows.length === 0 ? [] : [`${title}:`, ...columns(rows), ""];
  return [
    `${command.summary}.`,
    "",
    `Usage: ${usageLine(command)}`,
    ...(command.also === undefined ? [] : [`Also:  ${command.also.map((name) => `capstan ${name}`).join(", ")}`]),
    "",
    ...(command.details ?? []).flatMap((paragraph) => [...wrap(paragraph, 100), ""]),
    ...section(
      "Arguments",
      command.args.map((argument) => [argumentUsage(argument), argument.text] as const),
    ),
    ...section(
      "Flags",
      flagsOf(command).map((flag) => [flagUsage(flag), flagText(flag)] as const),
    ),
    ...section(
      "Examples",
      (command.examples ?? []).map((example) => [example.line, example.text] as const),
    ),
  ].join("\n");
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(36, Math.max(0, ...rows.map(([left]) => left.length)));
  return rows.flatMap(([left, right]) => {
    const [first = "", ...more] = wrap(right, 100 - width - 4);
    const indent = " ".repeat(width + 4);
    if (left.length > width) return [`  ${left}`, indent + first, ...more.map((line) => indent + line)];
    return [`  ${left.padEnd(width)}  ${first}`, ...more.map((line) => indent + line)];
  });
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
