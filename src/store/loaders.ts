import { existsSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { quoted } from "../project/text-file.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { didYouMean } from "../support/suggest.ts";
import { findImage, listImages } from "./images.ts";
import { imagePaths, type Layout } from "./layout.ts";
import { checkImageName } from "./names.ts";

/** What images are composed with: the kernel, in the two forms in which it can be booted. */
export interface Loader {
  readonly name: string;
  /** The boot sector and kernel with which a disk begins, raw or qcow2. */
  readonly image: string;
  /** The same kernel as an ELF file, for booting without the disk's boot sector; undefined where there is none. */
  readonly kernel: string | undefined;
}

export const DEFAULT_LOADER = "osv-loader";
export const BUILTIN_LOADER = "builtin";

/** The names under which a loader may be found, the best first. */
export function loaderNames(name: string): readonly string[] {
  return [name, FALLBACKS[name]].filter((one) => one !== undefined);
}

/** Names of loaders that stand for one another: the first version of Capstan kept its own in a namespace. */
const FALLBACKS: Readonly<Record<string, string>> = { [DEFAULT_LOADER]: "mike/osv-loader" };

/**
 * The loader of a name: an image of the store, or `builtin`, whose files are the caller's to know.
 * Error: CapstanError `no-such-loader` that says where it was looked for.
 */
export function findLoader(layout: Layout, name: string, builtin: Omit<Loader, "name"> | undefined): Loader {
  if (name === BUILTIN_LOADER) return checkBuiltin(builtin);
  checkImageName(name);
  const looked: string[] = [];
  for (const candidate of loaderNames(name)) {
    const loader = tryLoader(layout, candidate);
    if (loader !== undefined) return { ...loader, name: candidate };
    looked.push(imagePaths(layout, checkImageName(candidate)).image);
  }
  const names = [...listImages(layout).map((image) => image.name), BUILTIN_LOADER];
  throw new CapstanError(`There is no loader ${quoted(name)} in the local store.${didYouMean(name, names)}`, {
    code: "no-such-loader",
    hint:
      `Put one into the store with 'capstan import ${name} loader.img', ` +
      `or take '--loader_image ${BUILTIN_LOADER}', a small kernel for trying things out.`,
    details: looked.map((path) => `looked for ${path}`),
    exitCode: ExitCode.noInput,
  });
}

/** A loader that is a file of the host, with the kernel ELF of the same name beside it. */
export function loaderFile(path: string): Loader {
  const stem = join(dirname(path), basename(path, extname(path)));
  const kernel = [`${stem}-stripped.elf`, `${stem}.elf`].find((file) => existsSync(file));
  return { name: path, image: path, kernel };
}

/** The kernel ELF that lies beside an image of the store; undefined where there is none. */
export function imageKernel(layout: Layout, name: string): string | undefined {
  return tryLoader(layout, name)?.kernel;
}

function tryLoader(layout: Layout, name: string): Omit<Loader, "name"> | undefined {
  const { folder } = imagePaths(layout, checkImageName(name));
  try {
    const image = findImage(layout, name);
    if (image.kind !== "qemu" && image.kind !== "raw") return undefined;
    return { image: image.path, kernel: findKernel(folder, name.split("/").at(-1) ?? name) };
  } catch (error) {
    if (error instanceof CapstanError && error.code === "no-such-image") return undefined;
    throw error;
  }
}

/** `NAME.elf` is what we write; the others are what OSv's scripts and releases call it. */
function findKernel(folder: string, base: string): string | undefined {
  const files = [`${base}.elf`, `${base}.elf.x86_64`, `${DEFAULT_LOADER}.elf`, "loader.elf"];
  return files.map((file) => join(folder, file)).find((path) => existsSync(path));
}

function checkBuiltin(builtin: Omit<Loader, "name"> | undefined): Loader {
  if (builtin !== undefined && existsSync(builtin.image)) return { name: BUILTIN_LOADER, ...builtin };
  throw new CapstanError("The built-in kernel is missing from this installation", {
    code: "no-such-loader",
    hint: "Run 'npm run guest:build' in the checkout, or install Capstan again.",
    exitCode: ExitCode.unavailable,
  });
}
