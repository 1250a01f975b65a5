import { existsSync } from "node:fs";
import { basename, extname, resolve } from "node:path";
import { findImage } from "../store/images.ts";
import { imageKernel } from "../store/loaders.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { openStore } from "./store.ts";

export interface FoundImage {
  readonly name: string;
  readonly path: string;
  /** The ELF of its kernel, where one lies beside it. */
  readonly kernel?: string | undefined;
}

/**
 * An image of the store by its name, or an image file by its path. A name that is both is the store's; what looks like
 * a name and is not in the store is never taken for a file of this folder, which is usually the program.
 */
export function findImageOrFile(nameOrPath: string, context: CommandContext): FoundImage {
  const { layout } = openStore(context);
  try {
    const { name, path } = findImage(layout, nameOrPath);
    return { name, path, kernel: imageKernel(layout, name) };
  } catch (error) {
    const path = resolve(context.cwd, nameOrPath);
    const notInStore = error instanceof CapstanError && ["no-such-image", "bad-image-name"].includes(error.code);
    if (!notInStore || !looksLikePath(nameOrPath)) throw error;
    if (existsSync(path)) return { name: basename(path, extname(path)), path };
    // `a/b` may be both, `./a` only a path.
    if (error.code === "no-such-image") throw error;
    throw new CapstanError(`The image file ${path} does not exist`, {
      code: "no-such-file",
      exitCode: ExitCode.noInput,
      hint: "Check the path, or name an image of the store: see `capstan images`.",
    });
  }
}

function looksLikePath(text: string): boolean {
  return text.includes("/") || /\.(qcow2|qemu|img|raw)$/.test(text);
}
