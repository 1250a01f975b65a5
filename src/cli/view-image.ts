import { type ImageView, openView } from "../compose/view.ts";
import type { TreeEntry } from "../filesystems/filetree.ts";
import type { TreeImage } from "../filesystems/tree-image.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { findImageOrFile } from "./find-image.ts";
import { backingOf } from "./instance-disk.ts";

/** Opens an image of the store, or the image file at a path. */
export function viewImage(nameOrPath: string, context: CommandContext): ImageView {
  const { path } = findImageOrFile(nameOrPath, context);
  return openView(path, { backing: backingOf(path, context) });
}

/** The entry at a path of the image, links followed. */
export function entryAt(root: TreeImage, path: string): TreeEntry {
  const entry = root.lookup(path);
  if (entry !== undefined) return entry;
  const link = root.lookup(path, { follow: false });
  const why = link?.type === "symlink" ? ` (the link leads to ${link.target}, which is not in the image)` : "";
  throw new CapstanError(`There is no ${path} in the image${why}`, {
    code: "no-such-entry",
    exitCode: ExitCode.noInput,
    hint: "`capstan image tree` shows what is in it.",
  });
}
