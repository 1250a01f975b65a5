import { composePackage } from "../compose/compose.ts";
import { hasCapstanfile } from "../project/folder.ts";
import type { CommandContext } from "./answer.ts";
import { imageOfCapstanfile } from "./capstanfile.ts";
import { composeFlags, projectToCompose } from "./compose-flags.ts";
import { type FoundImage, findImageOrFile } from "./find-image.ts";
import type { Input } from "./input.ts";
import { openStore } from "./store.ts";

/** For `run`: the image of a project's folder, composed if something changed. */
export async function composeProject(folder: string, input: Input, context: CommandContext): Promise<FoundImage> {
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
