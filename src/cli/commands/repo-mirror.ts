import { mirror } from "../../hosting/mirror.ts";
import { initRepository } from "../../hosting/repository.ts";
import { count } from "../../support/count.ts";
import { ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { machineArch, openNamedRemote } from "../remotes.ts";
import { tellIndex } from "../repository-report.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const remote = await openNamedRemote(input.need("remote"), input, context);
  const arches = input.list("arch");
  const options = {
    filters: input.list("filter"),
    arches: arches.length > 0 ? arches : [machineArch()],
    replace: input.on("replace"),
  };
  await initRepository(input.need("dir"), context);
  const value = await mirror(remote, input.need("dir"), options, context);
  for (const { kind, name, problem } of value.failed) {
    context.reporter.report({ kind: "failure", text: `The ${kind} ${name} could not be mirrored: ${problem}` });
  }
  const text = `Mirrored ${count(value.fetched.length, "file")} of ${remote.name}; ${value.unchanged} were here already`;
  context.reporter.report({ kind: "step", text });
  tellIndex(value.index, context);
  return { value, exitCode: value.failed.length > 0 ? ExitCode.unavailable : ExitCode.ok };
}
