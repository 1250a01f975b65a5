import { openView } from "../../compose/view.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { findImageOrFile } from "../find-image.ts";
import { describeImage, renderDescription } from "../image-description.ts";
import type { Input } from "../input.ts";
import { backingOf } from "../instance-disk.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const { path, kernel } = findImageOrFile(input.need("image"), context);
  const view = openView(path, { backing: backingOf(path, context) });
  try {
    const value = describeImage(view, { verify: input.on("verify"), kernel });
    return { value, text: () => renderDescription(value) };
  } finally {
    view.close();
  }
}
