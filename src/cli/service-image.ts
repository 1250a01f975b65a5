import { composePackage } from "../compose/compose.ts";
import type { RunImage } from "../instances/run-input.ts";
import { hasCapstanfile } from "../project/folder.ts";
import type { Service, ServiceSource } from "../services/services-file.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { imageOfCapstanfile } from "./capstanfile.ts";
import { composeFlags, projectToCompose } from "./compose-flags.ts";
import { findImageOrFile } from "./find-image.ts";
import type { Input } from "./input.ts";
import { findProgram } from "./named-path.ts";
import { prepareProgram } from "./run-program.ts";
import { openStore } from "./store.ts";

export interface ServiceImage extends RunImage {
  /** The boot command of a program, with its arguments and variables; that of the image without it. */
  readonly commandLine?: ((composed: string) => string) | undefined;
}

/** The image of a service, composed if need be. Relative names of files start in the folder of the context. */
export async function imageOf(service: Service, input: Input, context: CommandContext): Promise<ServiceImage> {
  const { source } = service;
  if (source.kind === "image") return findImageOrFile(source.image, context);
  const found = findProgram(source.path, context);
  if (found === undefined) throw nothingToBuild(source.path);
  if (found.kind === "project") return await composeProject(source, input, context);
  return await composeProgram(service, source, { input, context });
}

type Build = Extract<ServiceSource, { kind: "build" }>;

async function composeProject({ path, ...build }: Build, input: Input, context: CommandContext) {
  if (build.launch !== undefined || build.interpreter !== undefined || build.with.length > 0) {
    throw new CapstanError(`'with', 'launch' and 'interpreter' are for programs, and ${path} is a project`, {
      code: "usage",
      hint: "Put what it needs into the project's folder.",
      exitCode: ExitCode.usage,
    });
  }
  if (hasCapstanfile(path)) return await imageOfCapstanfile(path, input, context);
  const { layout } = openStore(context);
  const project = projectToCompose({ ...context, cwd: path });
  const { name } = project.manifest;
  const onlyIfChanged = !input.on("build");
  await composePackage(
    {
      ...(await composeFlags(input, context, project)),
      ...{ layout, name, project, require: [], boot: {}, onlyIfChanged },
    },
    context,
  );
  return findImageOrFile(name, context);
}

/** As `capstan run ./program` does it. */
async function composeProgram(
  { words = [], environment }: Service,
  build: Build,
  { input, context }: { readonly input: Input; readonly context: CommandContext },
): Promise<ServiceImage> {
  const flags = {
    with: build.with,
    env: [...environment].map(([name, value]) => `${name}=${value}`),
    ...(build.launch === undefined ? {} : { launch: [build.launch] }),
    ...(build.interpreter === undefined ? {} : { interpreter: [build.interpreter] }),
  };
  const prepared = await prepareProgram(build.path, input.with(flags, { args: words }), context);
  if ("answer" in prepared) throw new Error("a program was described instead of composed");
  return { ...prepared.image, commandLine: prepared.commandLine };
}

function nothingToBuild(path: string): CapstanError {
  return new CapstanError(`There is nothing to build at ${path}`, {
    code: "no-such-file",
    hint: "Name the folder of a project, or a program: see docs/applications.md.",
    exitCode: ExitCode.noInput,
  });
}
