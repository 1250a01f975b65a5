import { composePackage } from "../compose/compose.ts";
import { packagedProgram } from "../compose/packaged-program.ts";
import { type ProgramContent, programImageName, programProject, safeName } from "../compose/program.ts";
import { recognise } from "../programs/recognise.ts";
import { addEnv, parseEnvFlags } from "../project/boot-command.ts";
import { packageNames } from "../store/packages.ts";
import type { Answer, CommandContext } from "./answer.ts";
import { type ComposeFlags, composeFlags } from "./compose-flags.ts";
import { type FoundImage, findImageOrFile } from "./find-image.ts";
import { type Input, usageError } from "./input.ts";
import { bootOfProgram, dryRunProgram, tellProgram } from "./program-report.ts";
import { assembleProgram, type ProgramOptions, programOptions } from "./programs.ts";
import { openStore } from "./store.ts";

/** A program's image in the store, ready to run. */
export interface RunnableProgram {
  readonly image: FoundImage;
  /** For the instance. */
  readonly name: string;
  /** The boot command of this run; undefined: the composed one, with further variables. */
  readonly commandLine: (composed: string) => string;
}

/** Composes the program at a path into an image of the store; with --dry-run the answer tells what would go in. */
export async function prepareProgram(
  path: string,
  input: Input,
  context: CommandContext,
): Promise<RunnableProgram | { readonly answer: Answer }> {
  if (input.text("execute") !== undefined || input.text("image") !== undefined || input.list("boot").length > 0) {
    throw usageError("--execute, --boot and --image are for images, and a program is named.", "Leave them out.");
  }
  const options = programOptions(input, context);
  const { interpreter } = options;
  return interpreter !== undefined && !interpreter.includes("/") && isPackage(interpreter, context)
    ? await prepareByPackage(path, { input, interpreter, options }, context)
    : await prepareFromMachine(path, { input, options }, context);
}

function isPackage(name: string, context: CommandContext): boolean {
  return packageNames(openStore(context).layout).includes(name);
}

interface Prepare {
  readonly input: Input;
  readonly options: ProgramOptions;
}

async function prepareFromMachine(path: string, { input, options }: Prepare, context: CommandContext) {
  const flags = await composeFlags(input, context);
  const { loader } = flags;
  const args = input.args("args");
  const program = await assembleProgram({ path, userArgs: args, loader, options }, context);
  const boot = bootOfProgram(program, { args, env: parseEnvFlags(input.list("env")) });
  if (input.on("dry-run"))
    return { answer: dryRunProgram(program, { boot, loader, path, strict: input.on("strict") }, context) };
  tellProgram(program, context);
  // Other arguments are no other image: this run's are given to the guest alone.
  const run = bootOfProgram(program, { args: [], env: new Map() });
  const image = await compose({ path, flags, options, content: program, boot: { run }, require: [] }, context);
  return { image, name: safeName(program.name), commandLine: () => boot };
}

async function prepareByPackage(
  path: string,
  { input, interpreter, options }: Prepare & { readonly interpreter: string },
  context: CommandContext,
) {
  if (input.on("dry-run")) {
    throw usageError(
      "--dry-run does not show what a package brings.",
      `See capstan package describe ${interpreter} -c.`,
    );
  }
  const { layout } = openStore(context);
  const request = { recognised: recognise(path), package: interpreter, args: input.args("args"), layout };
  const content = await packagedProgram(request, context);
  const flags = await composeFlags(input, context);
  const image = await compose({ path, flags, options, content, boot: {}, require: [interpreter] }, context);
  const env = parseEnvFlags(input.list("env"));
  return { image, name: content.name, commandLine: (composed: string) => addEnv(composed, env) };
}

interface Compose {
  readonly path: string;
  readonly flags: ComposeFlags;
  readonly options: ProgramOptions;
  readonly content: ProgramContent;
  readonly boot: { readonly run?: string };
  readonly require: readonly string[];
}

async function compose(request: Compose, context: CommandContext): Promise<FoundImage> {
  const { path, flags, options, content, boot, require } = request;
  const { layout } = openStore(context);
  const name = programImageName(content.name, path, options.sysroot);
  await composePackage(
    {
      ...flags,
      ...{ layout, name, require, content, boot, onlyIfChanged: true },
      project: programProject(content),
    },
    context,
  );
  return findImageOrFile(name, context);
}
