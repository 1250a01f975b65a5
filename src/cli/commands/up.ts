import { down } from "../../services/down.ts";
import { readServicesFile } from "../../services/read-file.ts";
import { checkNames, type UpInput, type UpResult, up } from "../../services/up.ts";
import { InterruptedError } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { durationFlag } from "../durations.ts";
import { followServices } from "../follow-services.ts";
import { type Input, usageError } from "../input.ts";
import { servicesDriver } from "../services.ts";

const WAIT_MS = 120_000;

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const file = readServicesFile({ file: input.text("file"), projectName: input.text("project-name") }, context);
  const detach = input.on("detach") || input.on("wait");
  if (input.on("json") && !detach) throw usageError("--json goes with --detach.", "Write: capstan up -d --json");
  const until = input.text("exit-code-from");
  if (until !== undefined) checkNames(file, [until]);
  if (until !== undefined && detach) throw usageError("--exit-code-from and --detach exclude each other.");
  const wanted: UpInput = {
    file,
    services: input.args("services"),
    scale: scaleFlags(input),
    profiles: input.list("profile"),
    recreate: input.on("force-recreate"),
    removeOrphans: input.on("remove-orphans"),
    wait: input.on("wait"),
    waitMs: durationFlag(input, "wait-timeout") ?? WAIT_MS,
  };
  if (detach) return { value: await up(wanted, servicesDriver(file, input, context), context) };
  const began = context.now().getTime();
  const value = await upOrDown(wanted, input, context);
  const changed = value.filter(({ change }) => change !== "unchanged");
  const since = new Map(changed.map(({ name }) => [name, began]));
  const driver = servicesDriver(file, input, context);
  return { value, exitCode: await followServices({ file, names: running(value), driver, since, until }, context) };
}

/** In the foreground, Ctrl-C stops what has been started, before all has as well as afterwards. */
async function upOrDown(wanted: UpInput, input: Input, context: CommandContext): Promise<readonly UpResult[]> {
  const { file } = wanted;
  const stop = new AbortController();
  const release = context.onInterrupt(() => stop.abort(new InterruptedError()));
  const within = { ...context, signal: AbortSignal.any([context.signal, stop.signal]) };
  try {
    return await up(wanted, servicesDriver(file, input, within), within);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    release();
    context.reporter.report({ kind: "step", text: "Stopping the services; Ctrl-C once more leaves them as they are" });
    await down(file, { keep: true }, { driver: servicesDriver(file, input, context), context });
    throw new InterruptedError();
  } finally {
    release();
  }
}

function running(results: readonly UpResult[]): readonly string[] {
  return results.filter(({ change }) => change !== "removed").map(({ name }) => name);
}

function scaleFlags(input: Input): ReadonlyMap<string, number> {
  return new Map(
    input.list("scale").map((text) => {
      const found = /^([^=]+)=(\d{1,4})$/.exec(text);
      if (found === null)
        throw usageError(`--scale '${text}' is not of the form SERVICE=COUNT.`, "Write --scale web=3.");
      return [found[1] ?? "", Number(found[2])];
    }),
  );
}
