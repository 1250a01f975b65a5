import { machineDistribution } from "../compose/check-image.ts";
import type { FileSource, Provenance } from "../compose/provenance.ts";
import { type Distribution, openDistribution } from "../distributions/distribution.ts";
import { readText } from "../distributions/records.ts";
import type { FileTree } from "../filesystems/filetree.ts";
import { hostSpace } from "../filesystems/host-space.ts";
import { treeSpace } from "../filesystems/tree-space.ts";
import { readProgramRecord } from "../programs/record.ts";
import type { Context } from "../support/context.ts";
import { CapstanError } from "../support/errors.ts";

/** What brought a file into an image. */
export interface Source {
  /**
   * `package`: a package of Capstan's; `distribution`: one of this machine's system; `project`: the project's own folder;
   * `host`: a file of this machine that is of no package; `base`: the image that it was built over; `made`: Capstan;
   * `unknown`: it is not recorded.
   */
  readonly kind: "package" | "distribution" | "project" | "host" | "base" | "made" | "unknown";
  readonly name: string;
  readonly version: string | undefined;
  /** Of the distribution: `dpkg`, `rpm` or `apk`. */
  readonly manager?: string | undefined;
  /** The file of this machine that it was a copy of. */
  readonly path?: string | undefined;
}

/** Tells what brought a file, by its path in the image and its size. */
export type SourceOf = (path: string, size: number) => Source;

const UNKNOWN: Source = { kind: "unknown", name: "unknown", version: undefined };

export interface SourceInput {
  /** What is kept beside an image of the store. */
  readonly provenance: Provenance | undefined;
  readonly tree: FileTree;
  readonly name: string;
}

/**
 * Goes by what is kept beside an image of the store and by this machine's package manager; for what is not recorded, by
 * the records of a package manager in the image, which a distribution's whole root file system has.
 */
export function sourceFinder({ provenance, tree, name }: SourceInput, context: Pick<Context, "env">): SourceOf {
  const inImage = openDistribution(treeSpace(tree, `the image ${name}`));
  const ofImage = (path: string): Source => {
    const owner = inImage?.ownerOf(path);
    return owner === undefined ? UNKNOWN : { kind: "distribution", ...owner, manager: inImage?.manager };
  };
  if (provenance === undefined) return ofImage;
  const lookups = new Lookups(provenance, context);
  return (path, size) => {
    const source = provenance.files.get(path);
    return source === undefined || source.size !== size ? ofImage(path) : lookups.sourceOf(path, source);
  };
}

class Lookups {
  readonly #provenance: Provenance;
  readonly #distribution: Distribution | undefined;
  readonly #copied: ReadonlyMap<string, string>;

  constructor(provenance: Provenance, { env }: Pick<Context, "env">) {
    this.#provenance = provenance;
    this.#distribution = machineDistribution(env);
    this.#copied = copiedPackages(provenance);
  }

  sourceOf(target: string, { path, part }: FileSource): Source {
    if (part !== undefined) return { kind: part.kind, name: part.name, version: part.version };
    if (path === undefined) return UNKNOWN;
    const { project } = this.#provenance;
    const manager = this.#distribution?.manager;
    if (project !== undefined && (path === project.folder || path.startsWith(`${project.folder}/`))) {
      const copied = this.#copied.get(target);
      if (copied !== undefined) return { kind: "distribution", ...nameAndVersion(copied), manager, path };
      return { kind: "project", name: project.name, version: project.version, path };
    }
    const owner = this.#distribution?.ownerOf(path);
    if (owner === undefined) return { kind: "host", name: "this machine", version: undefined, path };
    return { kind: "distribution", name: owner.name, version: owner.version, manager, path };
  }
}

/** What `package add` noted of the files that it copied into the project. */
function copiedPackages({ project }: Provenance): ReadonlyMap<string, string> {
  const packages = new Map<string, string>();
  if (project === undefined) return packages;
  try {
    for (const [path, file] of readProgramRecord(project.folder)?.files ?? []) {
      if (file.package !== undefined) packages.set(path, file.package);
    }
  } catch (error) {
    if (!(error instanceof CapstanError)) throw error;
  }
  return packages;
}

/** "libssl3 3.0.17-1" */
function nameAndVersion(text: string): Pick<Source, "name" | "version"> {
  const [name = text, version] = text.split(" ");
  return { name, version };
}

/** What this machine's distribution calls itself: `debian`. Source: os-release(5). */
export function machineSystem(): string | undefined {
  const text = readText(hostSpace("/"), "/etc/os-release");
  return /^ID=["']?([a-z0-9._-]+)/m.exec(text ?? "")?.[1];
}
