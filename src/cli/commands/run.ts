import { existsSync } from "node:fs";
import { composePackage } from "../../compose/compose.ts";
import { dryRunInstance } from "../../instances/dry-run.ts";
import { instanceFolder } from "../../instances/layout.ts";
import { type RunResult, runInstance } from "../../instances/run.ts";
import type { RunInput } from "../../instances/run-input.ts";
import { hasCapstanfile } from "../../project/capstanfile.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { imageOfCapstanfile } from "../capstanfile.ts";
import { composeFlags, projectToCompose } from "../compose-flags.ts";
import { consoleOf } from "../console.ts";
import { waitFlags } from "../console-flags.ts";
import { adviceAfter } from "../failure.ts";
import { type FoundImage, findImageOrFile } from "../find-image.ts";
import { type Input, usageError } from "../input.ts";
import { machineFlags } from "../machine-flags.ts";
import { checkMountPoints } from "../mount-points.ts";
import { findPackedDisk, imageOfPacked } from "../packed-disk.ts";
import { findProgram, isStored, notAnImage } from "../programs.ts";
import { prepareProgram } from "../run-program.ts";
import { startInBackground } from "../start-in-background.ts";
import { openStore } from "../store.ts";

type Wanted = Omit<RunInput, "console">;

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const name = input.arg("name");
  const packed = name === undefined || isStored(name, context) ? undefined : findPackedDisk(name, context);
  const named =
    name === undefined || packed !== undefined || isStored(name, context)
      ? undefined
      : findProgram(name, context, input.text("sysroot"));
  if (named?.kind === "program") return await runProgram(named.path, input, context);
  if (input.args("args").length > 0) throw argumentsWithoutProgram(name);
  for (const flag of PROGRAM_FLAGS) {
    if (input.text(flag) !== undefined || input.on(flag)) throw usageError(`--${flag} goes with a program to run.`);
  }
  const wanted = {
    ...machineFlags(input, context),
    ...(named !== undefined
      ? { image: await composeProject(named.path, input, context) }
      : packed !== undefined
        ? { image: await imageOfPacked(packed, context) }
        : await chooseImage(input, context)),
  };
  return await start(wanted, input, context);
}

const PROGRAM_FLAGS = ["launch", "sysroot", "library-path", "interpreter", "with", "trim", "no-trim"] as const;

async function runProgram(path: string, input: Input, context: CommandContext): Promise<Answer> {
  const prepared = await prepareProgram(path, input, context);
  if ("answer" in prepared) return prepared.answer;
  return await start({ ...machineFlags(input, context), ...prepared }, input, context);
}

async function start(wanted: Wanted, input: Input, context: CommandContext): Promise<Answer> {
  const named = input.text("name");
  const all = named === undefined ? wanted : { ...wanted, name: named, exactName: true };
  checkMountPoints(all, context);
  if (input.on("dry-run")) {
    const value = await dryRunInstance(all, context);
    return { value, text: () => `${value.command}\n` };
  }
  if (input.on("detach")) return await startInBackground(all, waitFlags(input), context);
  const result = await runInstance({ ...all, console: consoleOf(input, context), ...lifeHooks(context) }, context);
  const kind = result.outcome === "failed" ? "failure" : "warning";
  for (const text of adviceAfter(result, all.image, context)) context.reporter.report({ kind, text });
  return { value: result, exitCode: exitCodeOf(result) };
}

function argumentsWithoutProgram(name: string | undefined): CapstanError {
  const what = name === undefined ? "the project of this folder" : `'${name}'`;
  return usageError(
    `Arguments are for a program, and ${what} is not the path of one.`,
    "Write a path (./program), or give an image's whole command with --execute.",
  );
}

/** The image, and the instance's name: those of the command line, or the project of this folder, composed if need be. */
async function chooseImage(
  input: Input,
  context: CommandContext,
): Promise<Pick<RunInput, "image" | "name" | "exactName">> {
  const name = input.arg("name");
  const image = input.text("image");
  if (name === undefined && image === undefined) return { image: await composeProject(context.cwd, input, context) };
  const exactName = name !== undefined;
  const chosen =
    image === undefined
      ? locateOrKept(name ?? "", context)
      : { image: findImageOrFile(image, context), name, exactName };
  if (input.text("loader_image") !== undefined) {
    throw usageError("--loader_image is for programs and projects, and an image is named.", "Leave one of them out.");
  }
  return chosen;
}

async function composeProject(folder: string, input: Input, context: CommandContext): Promise<FoundImage> {
  if (hasCapstanfile(folder)) return await imageOfCapstanfile(folder, input, context);
  const { layout } = openStore(context);
  const project = projectToCompose({ ...context, cwd: folder });
  const { name } = project.manifest;
  await composePackage(
    {
      ...(await composeFlags(input, context, project)),
      layout,
      name,
      project,
      require: [],
      boot: {},
      onlyIfChanged: true,
    },
    context,
  );
  return findImageOrFile(name, context);
}

/** An instance that was kept needs no image any more. */
function locateOrKept(name: string, context: CommandContext): Pick<RunInput, "image" | "name"> {
  try {
    const image = findImageOrFile(name, context);
    return { image, name: image.name === name ? name : undefined };
  } catch (error) {
    if (error instanceof CapstanError && error.code === "no-such-image") {
      const { settings } = openStore(context);
      if (existsSync(instanceFolder(settings.root.value, name.replaceAll("/", "-")))) return { name };
      throw notAnImage(error, name, context);
    }
    throw error;
  }
}

function lifeHooks(context: CommandContext): Pick<RunInput, "onInterrupt" | "onExit"> {
  return { onInterrupt: context.onInterrupt, onExit: context.onExit };
}

function exitCodeOf({ outcome }: RunResult): ExitCode {
  if (outcome === "ok") return ExitCode.ok;
  if (outcome === "failed") return ExitCode.runFailed;
  return outcome === "interrupted" ? ExitCode.interrupted : ExitCode.terminated;
}
