import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { isElf, readElf } from "../../elf/reader.ts";
import type { FileEntry, FileTree } from "../../filesystems/filetree.ts";
import { openContent } from "../../filesystems/tree-space.ts";
import { walk } from "../../filesystems/tree-walk.ts";
import { MiB } from "../../support/bytes.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, checkAborted } from "../../support/errors.ts";
import { hashFile } from "../../support/hash-file.ts";
import { hostPath } from "../../support/host-paths.ts";
import type { Source, SourceOf } from "../file-sources.ts";
import { declaredPackage } from "./declared-packages.ts";
import { packageUrl } from "./package-url.ts";

/** All that a bill of materials tells, whatever its format. */
export interface Inventory {
  readonly name: string;
  /** RFC 3339, whole seconds, UTC. */
  readonly created: string;
  readonly tool: { readonly name: string; readonly version: string };
  readonly kernel: { readonly name: string; readonly version: string | undefined; readonly url: string | undefined };
  /** In the order of their names. */
  readonly packages: readonly InventoryPackage[];
  /** In the order of their paths. */
  readonly files: readonly InventoryFile[];
}

export interface InventoryPackage {
  /** Letters, digits, '.' and '-'; no other thing of the inventory has it. */
  readonly id: string;
  readonly kind: Source["kind"] | "npm" | "pypi";
  readonly name: string;
  readonly version: string | undefined;
  /** A package URL (purl); undefined for what none names. */
  readonly url: string | undefined;
  /** A sentence: what is not certain. */
  readonly comment: string | undefined;
}

export interface InventoryFile {
  readonly id: string;
  /** In the image. */
  readonly path: string;
  readonly size: number;
  readonly sha1: string;
  readonly sha256: string;
  /** The `id` of its package; undefined where it is of none. */
  readonly package: string | undefined;
  /** Of ELF files. */
  readonly elf: ElfFacts | undefined;
}

export interface ElfFacts {
  readonly isLibrary: boolean;
  readonly soname: string | undefined;
  readonly buildId: string | undefined;
  /** The `id`s of the files that it loads, as far as they are in the image. */
  readonly loads: readonly string[];
}

export interface InventoryInput {
  readonly name: string;
  readonly tree: FileTree;
  readonly sourceOf: SourceOf;
  readonly kernel: Inventory["kernel"];
  readonly tool: Inventory["tool"];
  /** The distribution of this machine, as in its /etc/os-release: `debian`. */
  readonly distribution: string | undefined;
  readonly created: Date;
}

/** Reads every file of an image once. */
export async function takeInventory(input: InventoryInput, context: Context): Promise<Inventory> {
  const packages = new Packages(input);
  const found: Found[] = [];
  for (const { path, entry } of walk(input.tree)) {
    if (entry.type !== "file") continue;
    checkAborted(context.signal);
    const source = input.sourceOf(path, entry.size);
    const hashes = await hashContent(path, entry, context.signal);
    const owner = packages.of(source);
    if (source.kind === "distribution" && source.path !== undefined) {
      if (!(await isStill(source.path, { size: entry.size, sha256: hashes.sha256 }, context))) packages.doubt(owner);
    }
    const declared = declaredPackage(path, entry);
    if (declared !== undefined) packages.add(declared.kind, declared);
    const elf = elfOf(path, entry);
    found.push({ id: `File-${found.length + 1}`, path, size: entry.size, ...hashes, package: owner, elf });
  }
  return {
    name: input.name,
    created: `${input.created.toISOString().slice(0, 19)}Z`,
    tool: input.tool,
    kernel: input.kernel,
    packages: packages.all(),
    files: linked(found),
  };
}

/** By the `id` of their package; those of none under undefined. */
export function filesByPackage(files: readonly InventoryFile[]): ReadonlyMap<string | undefined, InventoryFile[]> {
  const groups = new Map<string | undefined, InventoryFile[]>();
  for (const file of files) {
    const group = groups.get(file.package);
    if (group === undefined) groups.set(file.package, [file]);
    else group.push(file);
  }
  return groups;
}

interface Found extends Omit<InventoryFile, "elf"> {
  readonly elf:
    | (Omit<ElfFacts, "loads"> & { readonly needed: readonly string[]; readonly machine: string })
    | undefined;
}

/** By the name that others ask for: the first of each in the order of the paths. */
function linked(found: readonly Found[]): readonly InventoryFile[] {
  const libraries = new Map<string, string>();
  for (const { id, path, elf } of found) {
    if (elf === undefined) continue;
    for (const name of [path.slice(path.lastIndexOf("/") + 1), elf.soname]) {
      const key = `${elf.machine} ${name}`;
      if (name !== undefined && !libraries.has(key)) libraries.set(key, id);
    }
  }
  return found.map(({ elf, ...file }) => {
    if (elf === undefined) return { ...file, elf };
    const { needed, machine, ...facts } = elf;
    const loads = needed.flatMap((name) => libraries.get(`${machine} ${name}`) ?? []);
    return { ...file, elf: { ...facts, loads } };
  });
}

class Packages {
  readonly #known = new Map<string, InventoryPackage>();
  readonly #distribution: string | undefined;

  constructor({ distribution }: InventoryInput) {
    this.#distribution = distribution;
  }

  /** The `id` of the package that a file came with. */
  of(source: Source): string | undefined {
    if (source.kind === "unknown" || source.kind === "host" || source.kind === "made") return undefined;
    return this.add(source.kind, source);
  }

  add(
    kind: InventoryPackage["kind"],
    { name, version, manager }: Pick<Source, "name" | "version"> & { readonly manager?: string | undefined },
  ): string {
    const key = `${kind}\0${name}\0${version ?? ""}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known.id;
    const url = packageUrl({ kind, name, version, manager, distribution: this.#distribution });
    const id = `Package-${this.#known.size + 1}-${name.replace(/[^A-Za-z0-9.]+/g, "-")}`;
    this.#known.set(key, { id, kind, name, version, url, comment: undefined });
    return id;
  }

  doubt(id: string | undefined): void {
    for (const [key, one] of this.#known) {
      if (one.id !== id) continue;
      const comment =
        "The version is that of this machine now; some of its files have changed since the image was composed.";
      this.#known.set(key, { ...one, comment });
    }
  }

  all(): readonly InventoryPackage[] {
    return [...this.#known.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }
}

const PIECE = MiB;
const BETWEEN_PAUSES = 32 * PIECE;

/** With pauses, in which an interruption is noticed: a file of a forged image may be all but endless. */
async function hashContent(
  path: string,
  file: FileEntry,
  signal: AbortSignal,
): Promise<Pick<InventoryFile, "sha1" | "sha256">> {
  const [sha1, sha256] = [createHash("sha1"), createHash("sha256")];
  const open = openContent(path, file);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(PIECE, file.size));
    for (let at = 0; at < file.size; at += buffer.length) {
      if (at > 0 && at % BETWEEN_PAUSES === 0) await setImmediate();
      checkAborted(signal);
      const piece = buffer.subarray(0, Math.min(buffer.length, file.size - at));
      open.read(piece, at);
      sha1.update(piece);
      sha256.update(piece);
    }
  } finally {
    open.close();
  }
  return { sha1: sha1.digest("hex"), sha256: sha256.digest("hex") };
}

/** Whether the file of this machine is what it was. */
async function isStill(
  path: string,
  { size, sha256 }: Pick<InventoryFile, "size" | "sha256">,
  { signal }: Context,
): Promise<boolean> {
  try {
    const stats = statSync(hostPath(path), { throwIfNoEntry: false });
    if (stats?.isFile() !== true || stats.size !== size) return false;
    return (await hashFile(path, signal)) === sha256;
  } catch (error) {
    if (error instanceof CapstanError && error.code !== "interrupted") return false;
    throw error;
  }
}

/** What is damaged is a file like any other here. */
function elfOf(path: string, file: FileEntry): Found["elf"] {
  const open = openContent(path, file);
  try {
    if (!isElf(open)) return undefined;
    const { kind, soname, buildId, needed, machine } = readElf(open, path);
    const isLibrary = kind === "shared-object" && (soname !== undefined || /\.so(\.|$)/.test(path));
    return { isLibrary, soname, buildId, needed, machine };
  } catch (error) {
    if (error instanceof CapstanError) return undefined;
    throw error;
  } finally {
    open.close();
  }
}
