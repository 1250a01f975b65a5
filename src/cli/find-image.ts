import { existsSync } from "node:fs";
import { basename, extname, resolve } from "node:path";
import { findImage } from "../store/images.ts";
import { findLoader, imageKernel, type Loader, loaderFile } from "../store/loaders.ts";
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
  const inStore = () => {
    const { name, path } = findImage(layout, nameOrPath);
    return { name, path, kernel: imageKernel(layout, name) };
  };
  return nameBeforePath(nameOrPath, { what: "image", inStore, context }, (path) => ({
    name: basename(path, extname(path)),
    path,
  }));
}

/** The same for a loader: `builtin`, an image of the store, or a file. */
export function findLoaderOrFile(nameOrPath: string, context: CommandContext): Loader {
  const { layout, builtin } = openStore(context);
  const inStore = () => findLoader(layout, nameOrPath, builtin);
  return nameBeforePath(nameOrPath, { what: "loader", inStore, context }, loaderFile);
}

interface Lookup<T> {
  readonly what: "image" | "loader";
  readonly inStore: () => T;
  readonly context: CommandContext;
}

function nameBeforePath<T>(nameOrPath: string, { what, inStore, context }: Lookup<T>, ofFile: (path: string) => T): T {
  try {
    return inStore();
  } catch (error) {
    const path = resolve(context.cwd, nameOrPath);
    if (!(error instanceof CapstanError) || !NOT_IN_STORE.includes(error.code)) throw error;
    if (!looksLikePath(nameOrPath)) throw error;
    if (existsSync(path)) return ofFile(path);
    // `a/b` may be both, `./a` only a path.
    if (error.code !== "bad-image-name") throw error;
    throw new CapstanError(`The ${what} file ${path} does not exist`, {
      code: "no-such-file",
      exitCode: ExitCode.noInput,
      hint: "Check the path, or name an image of the store: see `capstan images`.",
    });
  }
}

const NOT_IN_STORE: readonly string[] = ["no-such-image", "no-such-loader", "bad-image-name"];

function looksLikePath(text: string): boolean {
  return text.includes("/") || /\.(qcow2|qemu|img|raw|vmdk|vdi|vhd)$/.test(text);
}
