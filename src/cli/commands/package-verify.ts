import { compareWithLock } from "../../compose/lock.ts";
import { readLockFile } from "../../packages/lock-file.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { projectToCompose } from "../compose-flags.ts";
import { projectLoader } from "../fetch-missing.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const project = projectToCompose(context);
  const lock = readLockFile(project.dir);
  if (lock === undefined) {
    throw new CapstanError("There is no capstan.lock in this project", {
      code: "no-lock",
      exitCode: ExitCode.noInput,
      hint: "Write one: capstan package lock",
    });
  }
  const loader = lock.loader === undefined ? undefined : await projectLoader(input, project, context);
  const { layout } = openStore(context);
  const differences = await compareWithLock(lock, { project, layout, loader, require: input.list("require") }, context);
  const isSame = differences.length === 0;
  return {
    value: { same: isSame, differences },
    text: () => (isSame ? "The store is as capstan.lock says.\n" : differences.map((one) => `${one}\n`).join("")),
    exitCode: isSame ? ExitCode.ok : ExitCode.badData,
  };
}
