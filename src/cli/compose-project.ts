import { composePackage } from "../compose/compose.ts";
import { CAPSTANFILE, hasCapstanfile, isProject } from "../project/folder.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { imageOfCapstanfile } from "./capstanfile.ts";
import { composeFlags, projectToCompose } from "./compose-flags.ts";
import { type FoundImage, findImageOrFile } from "./find-image.ts";
import type { Input } from "./input.ts";
import { openStore } from "./store.ts";

/** For `run`: the image of a project's folder, composed if something changed. */
export async function composeProject(folder: string, input: Input, context: CommandContext): Promise<FoundImage> {
  if (hasCapstanfile(folder)) return await imageOfCapstanfile(folder, input, context);
  if (!isProject(folder)) throw noProject(folder, context);
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

function noProject(folder: string, { cwd }: CommandContext): CapstanError {
  const where = folder === cwd ? "This folder" : folder;
  return new CapstanError(`${where} has neither a ${CAPSTANFILE} nor a meta/package.yaml`, {
    code: "not-a-project",
    hint: "Name an image or a program to run; 'capstan init' writes a Capstanfile for what is in the folder, 'capstan package init' a meta/package.yaml.",
    exitCode: ExitCode.noInput,
  });
}
