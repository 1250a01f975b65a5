import { existsSync } from "node:fs";
import { instanceFolder } from "../../instances/layout.ts";
import { type RunResult, runInstance } from "../../instances/run.ts";
import type { RunInput } from "../../instances/run-input.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { consoleOf } from "../console.ts";
import { waitFlags } from "../console-flags.ts";
import { type FoundImage, findImageOrFile } from "../find-image.ts";
import { type Input, usageError } from "../input.ts";
import { machineFlags } from "../machine-flags.ts";
import { findProgram, isStored, looksPacked, type NamedPath, notAnImage } from "../named-path.ts";
import { openStore } from "../store.ts";

type Wanted = Omit<RunInput, "console">;

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const name = input.arg("name");
  const named = name === undefined || isStored(name, context) ? undefined : await findNamed(name, input, context);
  if (named?.kind === "program") return await runProgram(named.path, input, context);
  if (input.args("args").length > 0) throw argumentsWithoutProgram(name);
  for (const flag of PROGRAM_FLAGS) {
    if (input.text(flag) !== undefined || input.on(flag)) throw usageError(`--${flag} goes with a program to run.`);
  }
  const wanted = {
    ...machineFlags(input, context),
    ...(named === undefined ? await chooseImage(input, context) : { image: await imageOf(named, input, context) }),
  };
  return await start(wanted, input, context);
}

/** What a word names that is no image of the store. What puts images together is loaded only where it is needed. */
async function findNamed(
  word: string,
  input: Input,
  context: CommandContext,
): Promise<NamedPath | { readonly kind: "packed"; readonly path: string }> {
  if (looksPacked(word)) {
    const { findPackedDisk } = await import("../packed-disk.ts");
    const path = findPackedDisk(word, context);
    if (path !== undefined) return { kind: "packed", path };
  }
  return findProgram(word, context, input.text("sysroot"));
}

async function imageOf(
  { kind, path }: { readonly kind: "project" | "packed"; readonly path: string },
  input: Input,
  context: CommandContext,
): Promise<FoundImage> {
  if (kind === "packed") return await (await import("../packed-disk.ts")).imageOfPacked(path, context);
  return await (await import("../compose-project.ts")).composeProject(path, input, context);
}

const PROGRAM_FLAGS = ["launch", "sysroot", "library-path", "interpreter", "with", "trim", "no-trim"] as const;

async function runProgram(path: string, input: Input, context: CommandContext): Promise<Answer> {
  const { prepareProgram } = await import("../run-program.ts");
  const prepared = await prepareProgram(path, input, context);
  if ("answer" in prepared) return prepared.answer;
  return await start({ ...machineFlags(input, context), ...prepared }, input, context);
}

async function start(wanted: Wanted, input: Input, context: CommandContext): Promise<Answer> {
  const named = input.text("name");
  const all = named === undefined ? wanted : { ...wanted, name: named, exactName: true };
  if ((all.mounts ?? []).length > 0 || (all.volumes ?? []).length > 0) {
    (await import("../mount-points.ts")).checkMountPoints(all, context);
  }
  if (input.on("dry-run")) {
    const { dryRunInstance } = await import("../../instances/dry-run.ts");
    const value = await dryRunInstance(all, context);
    return { value, text: () => `${value.command}\n` };
  }
  if (input.on("detach")) {
    return await (await import("../start-in-background.ts")).startInBackground(all, waitFlags(input), context);
  }
  const result = await runInstance({ ...all, console: consoleOf(input, context), ...lifeHooks(context) }, context);
  await advise(result, all.image, context);
  return { value: result, exitCode: exitCodeOf(result) };
}

/** Looking into the image for the reason of a failure takes much code, that a run which ends well never loads. */
async function advise(result: RunResult, image: Wanted["image"], context: CommandContext): Promise<void> {
  const hasFailed = result.outcome === "failed";
  const texts = hasFailed ? (await import("../failure.ts")).adviceAfter(result, image, context) : result.advice;
  for (const text of texts) context.reporter.report({ kind: hasFailed ? "failure" : "warning", text });
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
  if (name === undefined && image === undefined) {
    return { image: await imageOf({ kind: "project", path: context.cwd }, input, context) };
  }
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
