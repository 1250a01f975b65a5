import { dirname, posix } from "node:path";
import { type FileSpace, readWhole } from "../../filesystems/file-space.ts";
import { KiB } from "../../support/bytes.ts";
import type { Context } from "../../support/context.ts";

/**
 * The program that a shim of pyenv, rbenv, nodenv and their like would start: ROOT/versions/VERSION/bin/NAME for a shim
 * ROOT/shims/NAME. The version is that of the environment (PYENV_VERSION), else of a file .python-version in the working
 * directory or above, else of ROOT/version. Undefined for what is no shim, and for the version "system".
 */
export function behindShim(path: string, { space, context }: ShimOptions): string | undefined {
  const shims = posix.dirname(path);
  const root = posix.dirname(shims);
  const manager = MANAGERS.get(posix.basename(root).replace(/^\./, ""));
  if (posix.basename(shims) !== "shims" || manager === undefined) return undefined;
  const words =
    context.env[manager.variable] ?? fromFiles(versionFiles(manager.file, { root, cwd: context.cwd }), space) ?? "";
  const candidates = words
    .split(/[\s:]+/)
    .filter((version) => /^[\w.+-]+$/.test(version) && version !== "system" && !/^\.+$/.test(version))
    .map((version) => `${root}/versions/${version}/bin/${posix.basename(path)}`);
  return candidates.find((candidate) => space.find(candidate)?.type === "file");
}

interface ShimOptions {
  readonly space: FileSpace;
  readonly context: Pick<Context, "env" | "cwd">;
}

function versionFiles(name: string, { root, cwd }: { readonly root: string; readonly cwd: string }): string[] {
  const files: string[] = [];
  for (let folder = cwd; ; folder = dirname(folder)) {
    files.push(posix.join(folder, name));
    if (dirname(folder) === folder) break;
  }
  return [...files, `${root}/version`];
}

function fromFiles(paths: readonly string[], space: FileSpace): string | undefined {
  for (const path of paths) {
    const found = space.find(path);
    if (found?.type === "file" && found.size <= LARGEST) return readWhole(found).toString("utf8").trim();
  }
  return undefined;
}

const LARGEST = 4 * KiB;
const MANAGERS = new Map([
  ["pyenv", { variable: "PYENV_VERSION", file: ".python-version" }],
  ["rbenv", { variable: "RBENV_VERSION", file: ".ruby-version" }],
  ["nodenv", { variable: "NODENV_VERSION", file: ".node-version" }],
  ["plenv", { variable: "PLENV_VERSION", file: ".perl-version" }],
  ["phpenv", { variable: "PHPENV_VERSION", file: ".php-version" }],
  ["jenv", { variable: "JENV_VERSION", file: ".java-version" }],
]);
