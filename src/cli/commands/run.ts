import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { composePackage } from "../../compose/compose.ts";
import { parseForwards } from "../../instances/forwards.ts";
import { instanceFolder } from "../../instances/layout.ts";
import { parseMac } from "../../instances/mac.ts";
import { dryRunInstance, type RunResult, runInstance } from "../../instances/run.ts";
import type { RunInput } from "../../instances/run-input.ts";
import { parseCpus, parseMemory } from "../../instances/sizes.ts";
import { parseVolume } from "../../instances/volume.ts";
import { buildBootCommand } from "../../project/boot-command.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { bootFlags, composeFlags, projectToCompose } from "../compose-flags.ts";
import { adviceAfter } from "../failure.ts";
import { type FoundImage, findImageOrFile } from "../find-image.ts";
import { type Input, usageError } from "../input.ts";
import { findProgram, isStored, notAnImage } from "../programs.ts";
import { prepareProgram } from "../run-program.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const name = input.arg("name");
  const named =
    name === undefined || isStored(name, context) ? undefined : findProgram(name, context, input.text("sysroot"));
  if (named?.kind === "program") return await runProgram(named.path, input, context);
  if (input.args("args").length > 0) throw argumentsWithoutProgram(name);
  for (const flag of PROGRAM_FLAGS) {
    if (input.text(flag) !== undefined || input.on(flag)) throw usageError(`--${flag} goes with a program to run.`);
  }
  const wanted = {
    ...machineFlags(input, context),
    ...(named === undefined
      ? await chooseImage(input, context)
      : { image: await composeProject(named.path, input, context) }),
  };
  return await start(wanted, input, context);
}

const PROGRAM_FLAGS = ["launch", "sysroot", "library-path", "interpreter", "with", "trim", "no-trim"] as const;

async function runProgram(path: string, input: Input, context: CommandContext): Promise<Answer> {
  const prepared = await prepareProgram(path, input, context);
  if ("answer" in prepared) return prepared.answer;
  return await start({ ...machineFlags(input, context), ...prepared }, input, context);
}

async function start(wanted: Omit<RunInput, "console">, input: Input, context: CommandContext): Promise<Answer> {
  const named = input.text("name");
  const all = named === undefined ? wanted : { ...wanted, name: named };
  if (input.on("dry-run")) {
    const value = await dryRunInstance(all, context);
    return { value, text: () => `${value.command}\n` };
  }
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

function machineFlags(input: Input, context: CommandContext): Omit<RunInput, "console" | "image" | "name"> {
  const { settings, builtin } = openStore(context);
  const [memory, cpus, mac] = [input.text("memory"), input.text("cpus"), input.text("mac")];
  const forwards = input.list("forward");
  const volumes = input.list("volume");
  const boot = bootFlags(input, "execute");
  const changesCommand = boot.run !== undefined || boot.boot.length > 0 || boot.env.size > 0;
  return {
    root: settings.root.value,
    memory: memory === undefined ? undefined : parseMemory(memory),
    cpus: cpus === undefined ? undefined : parseCpus(cpus),
    mac: mac === undefined ? undefined : parseMac(mac),
    forwards: forwards.length === 0 ? undefined : parseForwards(forwards),
    volumes: volumes.length === 0 ? undefined : volumes.map((volume) => parseVolume(volume, context.cwd)),
    network: networkFlag(input),
    kernel: kernelFlag(input, context),
    commandLine: changesCommand ? (composed) => buildBootCommand({ ...boot, composed }).text : undefined,
    persist: input.on("persist"),
    acceleration: accelerationFlag(input),
    disableKvm: settings.disableKvm.value,
    aio: settings.qemuAioType.value,
    proofKernel: existsSync(builtin.kernel ?? "") ? builtin.kernel : undefined,
  };
}

function networkFlag(input: Input): RunInput["network"] {
  const mode = input.text("network");
  const device = input.text("bridge");
  if (mode === undefined && device !== undefined) {
    throw usageError("--bridge goes with --network bridge, tap or vhost.", "Name the mode too: -n bridge -b virbr0.");
  }
  if (mode === "bridge" || mode === "tap" || mode === "vhost") return { mode, device };
  return mode === "nat" ? { mode } : undefined;
}

function kernelFlag(input: Input, context: CommandContext): RunInput["kernel"] {
  const kernel = input.text("kernel");
  if (input.on("no-kernel") && kernel !== undefined) throw usageError("--kernel and --no-kernel exclude each other.");
  if (input.on("no-kernel")) return false;
  if (kernel === undefined) return undefined;
  const path = resolve(context.cwd, kernel);
  if (existsSync(path)) return path;
  throw new CapstanError(`The kernel ${path} does not exist`, {
    code: "no-such-kernel",
    exitCode: ExitCode.noInput,
    hint: "Check the path of --kernel.",
  });
}

function accelerationFlag(input: Input): RunInput["acceleration"] {
  const wanted = input.text("accel");
  return wanted === "kvm" || wanted === "hvf" || wanted === "tcg" ? wanted : "auto";
}

/** The image, and the instance's name: those of the command line, or the project of this folder, composed if need be. */
async function chooseImage(input: Input, context: CommandContext): Promise<Pick<RunInput, "image" | "name">> {
  const name = input.arg("name");
  const image = input.text("image");
  if (name === undefined && image === undefined) return { image: await composeProject(context.cwd, input, context) };
  const chosen =
    image === undefined ? locateOrKept(name ?? "", context) : { image: findImageOrFile(image, context), name };
  if (input.text("loader_image") !== undefined) {
    throw usageError("--loader_image is for programs and projects, and an image is named.", "Leave one of them out.");
  }
  return chosen;
}

async function composeProject(folder: string, input: Input, context: CommandContext): Promise<FoundImage> {
  const { layout } = openStore(context);
  const project = projectToCompose({ ...context, cwd: folder });
  const { name } = project.manifest;
  await composePackage(
    { ...(await composeFlags(input, context)), layout, name, project, require: [], boot: {}, onlyIfChanged: true },
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

function consoleOf(input: Input, context: CommandContext): RunInput["console"] {
  const { console } = context;
  const { input: stdin } = console;
  const rawMode = () => {
    stdin.setRawMode?.(true);
    return () => {
      stdin.setRawMode?.(false);
    };
  };
  return {
    input: stdin,
    // With --json stdout is the answer alone.
    output: input.on("json") ? console.errorOutput : console.output,
    rawMode: stdin.isTTY === true ? rawMode : undefined,
  };
}

function lifeHooks(context: CommandContext): Pick<RunInput, "onInterrupt" | "onExit"> {
  return { onInterrupt: context.onInterrupt, onExit: context.onExit };
}

function exitCodeOf({ outcome }: RunResult): ExitCode {
  if (outcome === "ok") return ExitCode.ok;
  if (outcome === "failed") return ExitCode.runFailed;
  return outcome === "interrupted" ? ExitCode.interrupted : ExitCode.terminated;
}
