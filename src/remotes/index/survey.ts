import { type Dirent, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseImageName } from "../../store/names.ts";
import { doing, isErrno } from "../../support/errors.ts";
import { fileInside } from "./inside.ts";
import { compareText } from "./order.ts";

/** A package by its file names alone. Paths are relative to the repository's folder, with slashes. */
export interface FoundPackage {
  readonly archive: string;
  /** Undefined when it is missing. */
  readonly manifest: string | undefined;
  readonly arch: string | undefined;
}

export interface FoundImage {
  /** `[NS/]NAME` */
  readonly name: string;
  readonly arch: string | undefined;
  readonly disk: string;
  readonly kernel: string | undefined;
  readonly index: string | undefined;
}

export interface Survey {
  readonly packages: readonly FoundPackage[];
  readonly images: readonly FoundImage[];
  /** Manifests without a package. */
  readonly lone: readonly string[];
  /** Files of packages and images that are no files, or are links that lead out of the folder. */
  readonly outside: readonly string[];
}

/**
 * What lies in a folder in the original's layout, by names and without reading a file:
 *
 *     packages/NAME.mpm, NAME.yaml                 as the original has it
 *     packages/NAME.mpm.ARCH, NAME.yaml            as OSv's scripts and releases have it: one manifest for all
 *     packages/NAME@VERSION.mpm[.ARCH], .yaml      other versions than the newest
 *     [NS/]NAME/NAME.qemu[.ARCH][.gz], NAME.elf[.ARCH][.gz], index.yaml
 *     [NS/]NAME@VERSION/NAME.qemu…                 other versions than the newest
 *
 * `root` has to be free of links: see `realRoot`.
 */
export function surveyFolder(root: string): Survey {
  const outside: string[] = [];
  const packages = surveyPackages(root, outside);
  const images: FoundImage[] = [];
  for (const outer of foldersIn(root, "")) {
    if (outer === PACKAGES) continue;
    images.push(...surveyImage(root, outer, outside));
    for (const inner of foldersIn(root, outer)) images.push(...surveyImage(root, `${outer}/${inner}`, outside));
  }
  return { ...packages, images, outside };
}

/** The folder of packages, in a repository as in a store. */
export const PACKAGES = "packages";

const ARCHIVE = /^(?<stem>.+)\.mpm(?:\.(?<arch>x86_64|aarch64))?$/;

function surveyPackages(root: string, outside: string[]): Pick<Survey, "packages" | "lone"> {
  const names = filesIn(root, PACKAGES, outside);
  const packages: FoundPackage[] = [];
  const lone = new Set([...names.keys()].filter((name) => name.endsWith(".yaml")));
  for (const name of names.keys()) {
    const { stem, arch } = ARCHIVE.exec(name)?.groups ?? {};
    if (stem === undefined) continue;
    const manifest = `${stem}.yaml`;
    lone.delete(manifest);
    // OSv's scripts make NAME.mpm a link to NAME.mpm.ARCH.
    if (arch === undefined && names.get(name) === "link" && hasArch(names, `${stem}.mpm`)) continue;
    packages.push({
      archive: `${PACKAGES}/${name}`,
      manifest: names.has(manifest) ? `${PACKAGES}/${manifest}` : undefined,
      arch,
    });
  }
  return { packages, lone: [...lone].map((name) => `${PACKAGES}/${name}`) };
}

function surveyImage(root: string, folder: string, outside: string[]): readonly FoundImage[] {
  const parts = folder.split("/");
  const base = (parts.pop() ?? "").replace(/@.*$/, "");
  const name = [...parts, base].join("/");
  if (parseImageName(name) === undefined) return [];
  const names = filesIn(root, folder, outside);
  const find = (suffix: string) =>
    [`${base}${suffix}.gz`, `${base}${suffix}`].filter((file) => names.has(file)).map((file) => `${folder}/${file}`)[0];
  const index = names.has("index.yaml") ? `${folder}/index.yaml` : undefined;
  const arches = ["x86_64", "aarch64"].filter((arch) => find(`.qemu.${arch}`) !== undefined);
  const images = arches.map((arch) => ({
    name,
    arch,
    disk: find(`.qemu.${arch}`) ?? "",
    kernel: find(`.elf.${arch}`),
    index,
  }));
  const plain = find(".qemu");
  if (plain === undefined || (arches.length > 0 && names.get(`${base}.qemu`) === "link")) return images;
  return [{ name, arch: undefined, disk: plain, kernel: find(".elf"), index }, ...images];
}

function hasArch(names: ReadonlyMap<string, unknown>, file: string): boolean {
  return names.has(`${file}.x86_64`) || names.has(`${file}.aarch64`);
}

/** The files of a folder by name, links apart; what begins with a dot is somebody's who is just writing. */
function filesIn(root: string, folder: string, outside: string[]): ReadonlyMap<string, "file" | "link"> {
  const found = new Map<string, "file" | "link">();
  for (const entry of entriesIn(root, folder)) {
    if (entry.isDirectory() || !/\.(mpm|yaml|qemu|elf)(\.x86_64|\.aarch64)?(\.gz)?$/.test(entry.name)) continue;
    const path = `${folder}/${entry.name}`;
    if (fileInside(root, path) === undefined) outside.push(path);
    else found.set(entry.name, lstatSync(join(root, path)).isSymbolicLink() ? "link" : "file");
  }
  return found;
}

function foldersIn(root: string, folder: string): readonly string[] {
  return entriesIn(root, folder)
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

function entriesIn(root: string, folder: string): readonly Dirent[] {
  return doing(`Reading ${join(root, folder)}`, () => {
    try {
      const entries = readdirSync(join(root, folder), { withFileTypes: true });
      return entries.filter(({ name }) => !name.startsWith(".")).sort((a, b) => compareText(a.name, b.name));
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
      throw error;
    }
  });
}
