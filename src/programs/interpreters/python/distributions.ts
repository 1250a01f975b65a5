import { type FileSpace, readWhole } from "../../../filesystems/file-space.ts";
import { MiB } from "../../../support/bytes.ts";

/** An installed distribution of one folder of sys.path, by its metadata (PEP 376, PEP 566, and setuptools' older ones). */
export interface Distribution {
  /** As PEP 503 compares names. */
  readonly name: string;
  /** Its entry: "PyYAML-6.0.dist-info", which importlib.metadata reads. */
  readonly metadata: string;
  /** Top-level names. */
  readonly modules: readonly string[];
  /** What it always needs, by the names of distributions; undefined where it does not say. */
  readonly requires: readonly string[] | undefined;
  /** Folder "X.libs" with shared objects that were packed along (auditwheel). */
  readonly libraries: string | undefined;
}

export function readDistributions(site: string, space: FileSpace): Distribution[] {
  const names = space.list(site) ?? [];
  const libraries = new Map(
    names.filter((name) => name.endsWith(".libs")).map((name) => [normalised(name.slice(0, -5)), name]),
  );
  return names
    .filter((name) => METADATA.test(name))
    .map((metadata) => {
      const folder = `${site}/${metadata}`;
      const title = metadata.replace(METADATA, "").split("-", 1)[0] ?? "";
      const name = normalised(title);
      const requires = requiresOf(folder, space);
      return { name, metadata, modules: modulesOf(folder, { title, space }), requires, libraries: libraries.get(name) };
    });
}

/** As it lists them, else by its files, else by its name. */
function modulesOf(folder: string, { title, space }: { readonly title: string; readonly space: FileSpace }): string[] {
  const listed = textOf(`${folder}/top_level.txt`, space);
  if (listed !== undefined) return listed.split(/\s+/).filter((name) => name !== "");
  const record = textOf(`${folder}/RECORD`, space);
  if (record === undefined) return [title.replaceAll("-", "_"), title.toLowerCase().replaceAll("-", "_")];
  return [...new Set(record.split("\n").map((line) => /^([^/,.]+)/.exec(line)?.[1] ?? ""))].filter(
    (name) => name !== "",
  );
}

/** Without those of extras and of other systems; what else their markers say is not looked at. */
function requiresOf(folder: string, space: FileSpace): string[] | undefined {
  const metadata = textOf(`${folder}/METADATA`, space);
  if (metadata !== undefined) {
    const lines = (metadata.split(/\r?\n\r?\n/, 1)[0] ?? "").match(/^Requires-Dist:.*$/gm) ?? [];
    return namesOf(lines.filter((line) => !NOT_HERE.test(line)).map((line) => line.slice("Requires-Dist:".length)));
  }
  const requires = textOf(`${folder}/requires.txt`, space);
  return requires === undefined ? undefined : namesOf((requires.split(/^\[/m, 1)[0] ?? "").split("\n"));
}

function namesOf(requirements: readonly string[]): string[] {
  return requirements.map((one) => normalised(/^\s*([\w.-]+)/.exec(one)?.[1] ?? "")).filter((name) => name !== "");
}

function textOf(path: string, space: FileSpace): string | undefined {
  const found = space.find(path);
  return found?.type === "file" && found.size <= LARGEST ? readWhole(found).toString("utf8") : undefined;
}

function normalised(name: string): string {
  return name.replace(/[-_.]+/g, "-").toLowerCase();
}

/** Environment markers: PEP 508. */
const NOT_HERE = /;.*(\bextra\b|==\s*["'](Windows|win32|nt|Darwin|darwin)["'])/;
const METADATA = /\.(dist|egg)-info$/;
const LARGEST = 8 * MiB;
