import { posix } from "node:path";
import type { FileSpace, FoundFile } from "../../../filesystems/file-space.ts";

/** Something importable that lies in a folder of sys.path. */
export interface FoundModule {
  readonly name: string;
  /** The folder of sys.path. */
  readonly site: string;
  /** Its entry in that folder: "flask", "six.py", "_cffi_backend.cpython-311-x86_64-linux-gnu.so". */
  readonly entry: string;
  readonly isFolder: boolean;
}

/** Looks through folders as the path finder of importlib: a package first, then shared objects, then source. */
export class ModuleFinder {
  readonly #space: FileSpace;
  readonly #folders: readonly string[];
  /** One listing a folder: it is asked for every name. */
  readonly #entries = new Map<string, ReadonlyMap<string, string>>();

  constructor(space: FileSpace, folders: readonly string[]) {
    this.#space = space;
    this.#folders = folders;
  }

  find(name: string): FoundModule | undefined {
    for (const site of this.#folders) {
      if (this.#holdsPython(`${site}/${name}`)) return { name, site, entry: name, isFolder: true };
      const entry = this.#files(site).get(name);
      if (entry !== undefined) return { name, site, entry, isFolder: false };
    }
    return undefined;
  }

  /** All Python files of a module, without those of its tests. */
  sources(module: FoundModule): FoundFile[] {
    const sources: FoundFile[] = [];
    const pending = [posix.join(module.site, module.entry)];
    for (let path = pending.pop(); path !== undefined && sources.length < MOST_FILES; path = pending.pop()) {
      if (path.endsWith(".py")) {
        const found = this.#space.find(path);
        if (found?.type === "file") sources.push(found);
        continue;
      }
      if (path.split("/").length > DEEPEST) continue;
      for (const name of this.#space.list(path) ?? []) {
        if (name.endsWith(".py") || (!name.includes(".") && !NOT_SCANNED.has(name))) pending.push(`${path}/${name}`);
      }
    }
    return sources;
  }

  /** Files that are modules, by the name of the module. */
  #files(site: string): ReadonlyMap<string, string> {
    const known = this.#entries.get(site);
    if (known !== undefined) return known;
    const files = new Map<string, string>();
    for (const entry of this.#space.list(site) ?? []) {
      const match = SOURCE_OR_OBJECT.exec(entry);
      const name = match?.[1];
      if (name !== undefined && (!files.has(name) || entry.endsWith(".so"))) files.set(name, entry);
    }
    this.#entries.set(site, files);
    return files;
  }

  /** A folder without any Python in it is no module that is meant, such as "docs" beside a script. */
  #holdsPython(folder: string): boolean {
    const names = this.#space.list(folder) ?? [];
    if (names.some((name) => /\.(py|so)$/.test(name))) return true;
    // Namespace packages hold nothing but packages.
    return names.some(
      (name) => !name.startsWith(".") && this.#space.find(`${folder}/${name}/__init__.py`)?.type === "file",
    );
  }
}

const SOURCE_OR_OBJECT = /^([^.]+)\.(?:py|(?:(?:cpython|abi3)[^.]*\.)?so)$/;
const MOST_FILES = 20_000;
const DEEPEST = 60;
const NOT_SCANNED = new Set(["tests", "test", "__pycache__", ".git", "node_modules"]);
