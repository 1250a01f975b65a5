import { ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { examine } from "../doctor/examine.ts";
import type { Finding } from "../doctor/finding.ts";
import type { Input } from "../input.ts";
import { printable } from "../output.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await examine(input, context);
  return {
    value,
    text: () => value.findings.map(lines).join(""),
    exitCode: value.verdict === "failure" ? ExitCode.unavailable : ExitCode.ok,
  };
}

/** As wide as the longest level and the usual checks. */
const WIDTHS = { level: 9, check: 14 };

function lines({ level, check, text, cure }: Finding): string {
  const head = level.padEnd(WIDTHS.level) + check.padEnd(WIDTHS.check);
  const second = cure === null ? "" : `${" ".repeat(WIDTHS.level + WIDTHS.check)}${printable(cure)}\n`;
  return `${head}${printable(text)}\n${second}`;
}
