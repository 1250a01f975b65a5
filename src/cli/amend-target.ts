import type { AmendTarget } from "../images/amend.ts";
import { findImage } from "../store/images.ts";
import { CapstanError } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { findImageOrFile } from "./find-image.ts";
import { openStore } from "./store.ts";

/** An image of the store, or a file, that a command changes. */
export function amendTarget(nameOrPath: string, context: CommandContext): AmendTarget {
  const { path } = findImageOrFile(nameOrPath, context);
  const { layout } = openStore(context);
  try {
    return { path, layout, name: findImage(layout, nameOrPath).name };
  } catch (error) {
    if (error instanceof CapstanError) return { path, layout, name: undefined };
    throw error;
  }
}
