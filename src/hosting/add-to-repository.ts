import { basename, resolve } from "node:path";
import type { Context } from "../support/context.ts";
import { addImage, type ImageAddition } from "./add-image.ts";
import { addPackage } from "./add-package.ts";
import { type IndexResult, indexRepository } from "./index-repository.ts";
import { openRepository } from "./repository.ts";

/** What is to go into a repository. */
export type Addition = { readonly kind: "package"; readonly file: string } | ImageAddition;

export interface AddOptions {
  /** Takes another content under a name and version that is there; without it that is an error. */
  readonly replace?: boolean | undefined;
}

export interface Added {
  readonly kind: "package" | "image";
  readonly name: string;
  readonly version: string | null;
  /** Relative to the repository. */
  readonly path: string;
  /** False: the very same was there before. */
  readonly changed: boolean;
}

export interface AddResult {
  readonly added: readonly Added[];
  readonly index: IndexResult;
}

/**
 * Copies packages and images into a repository and makes its index anew. Of several versions the newest has the plain
 * name, which is all that the original knows; the others are kept as NAME@VERSION.
 * Errors: CapstanError `repository-has-other`, and those of packages and disks.
 */
export async function addToRepository(
  dir: string,
  additions: readonly Addition[],
  options: AddOptions,
  context: Context,
): Promise<AddResult> {
  const repository = openRepository(dir, context);
  const added: Added[] = [];
  for (const addition of additions) {
    const add = { repository, replace: options.replace === true };
    added.push(
      addition.kind === "package"
        ? await addPackage(resolve(context.cwd, addition.file), add, context)
        : await addImage(addition, add, context),
    );
  }
  return { added, index: await indexRepository(dir, context) };
}

/** What a file of the command line is: packages end in `.mpm`, all else is an image that is named after its file. */
export function additionOf(
  file: string,
  image: Partial<Pick<ImageAddition, "name" | "kernel" | "index" | "meta">> = {},
): Addition {
  if (/\.mpm(\.x86_64|\.aarch64)?$/.test(file)) return { kind: "package", file };
  const name = image.name ?? basename(file).replace(/(\.(gz|x86_64|aarch64|qemu|qcow2|raw|img))+$/, "");
  return { ...image, kind: "image", name, disk: file };
}
