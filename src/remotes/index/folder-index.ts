import { join } from "node:path";
import { type PackageManifest, readManifestFile } from "../../project/manifest.ts";
import { nameProblem } from "../../project/names.ts";
import { readYamlFile } from "../../project/yaml-file.ts";
import { type ImageMeta, readImageIndex } from "../../store/image-index.ts";
import { CapstanError } from "../../support/errors.ts";
import { fileInside, type InsideFile } from "./inside.ts";
import type { IndexedFile, IndexedImage, IndexedPackage } from "./schema.ts";
import { type FoundImage, type FoundPackage, surveyFolder } from "./survey.ts";

/** What keeps a file of the folder out of the index. */
export interface FolderProblem {
  readonly code: "unpaired" | "bad-manifest" | "repeated" | "outside";
  /** Relative to the folder. */
  readonly path: string;
  readonly problem: string;
}

export interface FolderIndex {
  readonly packages: readonly IndexedPackage[];
  readonly images: readonly IndexedImage[];
  readonly problems: readonly FolderProblem[];
}

/** The digest of a file; undefined where nobody needs it. */
export type Digest = (path: string, file: InsideFile) => Promise<string | undefined>;

/**
 * What a folder in the original's layout offers, as its manifests and index.yaml files say; see `surveyFolder`.
 * `root` has to be free of links: see `realRoot`. What cannot be offered is told in `problems`, and all else is.
 */
export async function readFolderIndex(root: string, digest: Digest = async () => undefined): Promise<FolderIndex> {
  const reader = new FolderReader(root, digest);
  const survey = surveyFolder(root);
  for (const path of survey.outside)
    reader.problem("outside", path, "it is no file, or a link that leads out of the folder");
  for (const path of survey.lone) reader.problem("unpaired", path, "there is no package (.mpm) beside it");
  for (const found of survey.packages) await reader.addPackage(found);
  for (const found of survey.images) await reader.addImage(found);
  return reader;
}

class FolderReader implements FolderIndex {
  readonly packages: IndexedPackage[] = [];
  readonly images: IndexedImage[] = [];
  readonly problems: FolderProblem[] = [];
  readonly #root: string;
  readonly #digest: Digest;
  readonly #seen = new Map<string, string>();

  constructor(root: string, digest: Digest) {
    this.#root = root;
    this.#digest = digest;
  }

  problem(code: FolderProblem["code"], path: string, problem: string): void {
    this.problems.push({ code, path, problem });
  }

  async addPackage(found: FoundPackage): Promise<void> {
    if (found.manifest === undefined) {
      this.problem("unpaired", found.archive, "there is no manifest (.yaml) beside it");
      return;
    }
    const described = this.#tryRead(found.manifest, (path) => readPackage(path));
    if (described === undefined) return;
    const { manifest, arch = found.arch } = described;
    const { name, version, title, author, created, platform, require } = manifest;
    const archProblem = arch === undefined ? undefined : nameProblem(arch, "an architecture");
    if (archProblem !== undefined) {
      this.problem("bad-manifest", found.manifest, archProblem);
      return;
    }
    if (this.#isRepeated("package", { name, version, arch }, found.archive)) return;
    const archiveFile = await this.#file(found.archive);
    const manifestFile = await this.#file(found.manifest);
    if (archiveFile === undefined || manifestFile === undefined) return;
    const common = { name, version, arch, title, author, created, platform, require };
    this.packages.push({ ...common, archive: archiveFile, manifest: manifestFile });
  }

  async addImage({ name, arch, disk, kernel, index }: FoundImage): Promise<void> {
    const meta: ImageMeta | undefined = index === undefined ? {} : this.#tryRead(index, (path) => readImageIndex(path));
    if (meta === undefined || this.#isRepeated("image", { name, version: meta.version, arch }, disk)) return;
    const file = await this.#file(disk);
    if (file === undefined) return;
    const { version, created, platform, description } = meta;
    const files = { disk: file, kernel: await this.#file(kernel), index: await this.#file(index) };
    this.images.push({ name, version, arch, created, platform, description, ...files });
  }

  async #file(path: string | undefined): Promise<IndexedFile | undefined> {
    const file = path === undefined ? undefined : fileInside(this.#root, path);
    if (path === undefined || file === undefined) return undefined;
    const sha256 = await this.#digest(path, file);
    return { path, size: file.stats.size, sha256, gzip: path.endsWith(".gz") };
  }

  #tryRead<T>(path: string, read: (absolute: string) => T | undefined): T | undefined {
    const absolute = join(this.#root, path);
    try {
      return read(absolute);
    } catch (error) {
      if (!(error instanceof CapstanError)) throw error;
      this.problem("bad-manifest", path, error.message.replaceAll(absolute, path));
      return undefined;
    }
  }

  #isRepeated(kind: string, item: Pick<IndexedPackage, "name" | "version" | "arch">, path: string): boolean {
    const key = JSON.stringify([kind, item.name, item.version ?? "", item.arch ?? ""]);
    const before = this.#seen.get(key);
    if (before === undefined) this.#seen.set(key, path);
    else this.problem("repeated", path, `${item.name} ${item.version ?? ""} is in ${before} already`);
    return before !== undefined;
  }
}

interface DescribedPackage {
  readonly manifest: PackageManifest;
  /** A key that the original passes over. */
  readonly arch: string | undefined;
}

function readPackage(path: string): DescribedPackage | undefined {
  const manifest = readManifestFile(path, { name: path, foreign: true });
  if (manifest === undefined) return undefined;
  const arch = readYamlFile(path, { name: path, unknownKeys: "ignore" }, (root) => root.string("arch"));
  return { manifest, arch: arch === "" ? undefined : arch };
}
