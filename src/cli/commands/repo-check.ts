import { checkRepository } from "../../hosting/check-repository.ts";
import { count } from "../../support/count.ts";
import { ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { printable } from "../output.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await checkRepository(input.need("dir"), { keys: input.list("public-key") }, context);
  const { findings, packages, images } = value;
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const lines = findings.flatMap(({ severity, code, path, problem, hint }) => [
    `${severity}  ${path}  [${code}]`,
    `  ${problem}`,
    `  ${hint}`,
    "",
  ]);
  const held = `${count(packages, "package")} and ${count(images, "image")}`;
  const total = `${held}: ${count(errors, "error")}, ${count(findings.length - errors, "warning")}`;
  return {
    value,
    text: () => `${[...lines, total].map(printable).join("\n")}\n`,
    exitCode: errors > 0 ? ExitCode.badData : ExitCode.ok,
  };
}
