import { basename, posix } from "node:path";
import { type FileSpace, readWhole } from "../../../filesystems/file-space.ts";
import { KiB } from "../../../support/bytes.ts";
import { CapstanError, ExitCode } from "../../../support/errors.ts";

/** Where a Python keeps its files. All paths are of the space. */
export interface PythonLayout {
  /** The ELF program, free of links. */
  readonly executable: string;
  /** sys.prefix of the interpreter itself: "/usr". */
  readonly prefix: string;
  /** "3.11". */
  readonly version: string;
  /** The folder with os.py. */
  readonly library: string;
  /** Of what importlib puts into the names of byte code: "cpython-311". */
  readonly cacheTag: string;
  /** Where installed packages lie, in the order of sys.path; those that are there. */
  readonly sites: readonly string[];
  /** Those of them that the interpreter does not look in by itself once it is in the image. */
  readonly foreignSites: readonly string[];
}

export interface LayoutOptions {
  readonly space: FileSpace;
  /** Of the user, for ~/.local; undefined where the space is not this machine. */
  readonly home: string | undefined;
}

/**
 * Finds the standard library by its landmark os.py, from the program's folder upwards, as the interpreter itself does
 * (Modules/getpath.py), and the environment by pyvenv.cfg (PEP 405) beside or above the path that was named.
 * Error: CapstanError `python-library-missing`.
 */
export function pythonLayout(named: string, { space, home }: LayoutOptions): PythonLayout {
  const executable = space.find(named)?.realPath ?? named;
  const { prefix, library } = findLibrary(executable, space);
  const version = /python(\d+\.\d+)/.exec(basename(library))?.[1] ?? "";
  const own = OWN_SITES.map((site) => site(prefix, version));
  const venv = venvOf(named, space);
  const foreign = [
    ...(venv === undefined
      ? []
      : [`${venv.folder}/lib/python${version}/site-packages`, `${venv.folder}/lib64/python${version}/site-packages`]),
    ...(home === undefined || (venv !== undefined && !venv.withSystem)
      ? []
      : [`${home}/.local/lib/python${version}/site-packages`]),
  ];
  const foreignSites = existing(foreign, space);
  return {
    executable,
    prefix,
    version,
    library,
    cacheTag: `cpython-${version.replace(".", "")}`,
    foreignSites,
    sites: [...foreignSites, ...(venv === undefined || venv.withSystem ? existing(own, space) : [])],
  };
}

function findLibrary(executable: string, space: FileSpace): { readonly prefix: string; readonly library: string } {
  const version = /^python(\d+\.\d+)$/.exec(basename(executable))?.[1];
  for (let prefix = posix.dirname(executable); ; prefix = posix.dirname(prefix)) {
    for (const folder of ["lib", "lib64"]) {
      const parent = posix.join(prefix, folder);
      const names = version === undefined ? newestFirst(space.list(parent) ?? []) : [`python${version}`];
      const name = names.find((one) => space.find(`${parent}/${one}/os.py`)?.type === "file");
      if (name !== undefined) return { prefix, library: `${parent}/${name}` };
    }
    if (prefix === "/") break;
  }
  throw new CapstanError(`The standard library of ${executable} is not in ${space.name}`, {
    code: "python-library-missing",
    hint: "Install all of Python (on Debian: libpython3-stdlib), or name another one with --interpreter.",
    exitCode: ExitCode.unavailable,
  });
}

function newestFirst(names: readonly string[]): string[] {
  return names
    .filter((name) => /^python3\.\d+$/.test(name))
    .sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
}

interface Venv {
  readonly folder: string;
  /** include-system-site-packages. */
  readonly withSystem: boolean;
}

function venvOf(named: string, space: FileSpace): Venv | undefined {
  const bin = posix.dirname(named);
  for (const folder of [posix.dirname(bin), bin]) {
    const config = space.find(`${folder}/pyvenv.cfg`);
    if (config?.type !== "file" || config.size > LARGEST_CONFIG) continue;
    const text = readWhole(config).toString("utf8");
    return { folder, withSystem: /^\s*include-system-site-packages\s*=\s*true\s*$/im.test(text) };
  }
  return undefined;
}

/** Free of links that make one folder appear twice, such as lib64 of a venv. */
function existing(folders: readonly string[], space: FileSpace): string[] {
  const seen = new Set<string>();
  return folders.filter((folder) => {
    const found = space.find(folder);
    if (found?.type !== "directory" || seen.has(found.realPath)) return false;
    seen.add(found.realPath);
    return true;
  });
}

/** site.py, and what Debian's adds: dist-packages for what apt and pip install. */
const OWN_SITES: readonly ((prefix: string, version: string) => string)[] = [
  (prefix, version) => `${prefix}/local/lib/python${version}/dist-packages`,
  (prefix, version) => `${prefix}/lib/python${version}/site-packages`,
  (prefix, version) => `${prefix}/lib64/python${version}/site-packages`,
  (prefix) => `${prefix}/lib/python3/dist-packages`,
];
const LARGEST_CONFIG = 64 * KiB;
