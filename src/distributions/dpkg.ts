import type { FileSpace } from "../filesystems/file-space.ts";
import { PATH_MAX } from "../filesystems/names.ts";
import { openAptLists } from "./apt-lists.ts";
import type { Distribution } from "./distribution.ts";
import { isInLibraryDirectory } from "./library-packages.ts";
import { recordedNames } from "./paths.ts";
import { isShort, MOST_PATHS, partsOf, readText } from "./records.ts";

const FOLDER = "/var/lib/dpkg";

/**
 * Debian's and Ubuntu's packages. Sources: dpkg(1) FILES: info/PACKAGE.list or info/PACKAGE:ARCHITECTURE.list has a path a
 * line, info/….shlibs says which package a SONAME is in (deb-shlibs(5)), status has a paragraph a package.
 */
export function openDpkg(space: FileSpace): Distribution | undefined {
  if (space.find(`${FOLDER}/status`)?.type !== "file") return undefined;
  const owners = lazy(() => readOwners(space));
  const versions = lazy(() => readVersions(space));
  const libraries = lazy(() => readShlibs(space));
  const lists = openAptLists(space);
  const providers = new Map<string, string | undefined>();
  const providerOf = (fileName: string) =>
    ownerOfName(owners(), fileName) ?? libraries().get(fileName) ?? lists.providerOf(fileName);
  return {
    manager: "dpkg",
    ownerOf: (path) => {
      const found = recordedNames(space, path).find((name) => owners().has(name));
      const name = found === undefined ? undefined : owners().get(found);
      return name === undefined ? undefined : { name, version: versions().get(name) };
    },
    providerOf: (fileName) => {
      if (!providers.has(fileName)) providers.set(fileName, providerOf(fileName));
      return providers.get(fileName);
    },
    installCommand: (packageName) => `apt-get install ${packageName}`,
  };
}

function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Path → package, without its architecture. Directories are in it as well, with the first package that lists them. */
function readOwners(space: FileSpace): ReadonlyMap<string, string> {
  const owners = new Map<string, string>();
  for (const { name, text } of infoFiles(space, ".list")) {
    for (const path of partsOf(text, "\n")) {
      if (owners.size >= MOST_PATHS) return owners;
      if (path !== "" && path.length <= PATH_MAX && !owners.has(path)) owners.set(path, name);
    }
  }
  return owners;
}

/** The package that lists a file of this name where the linker finds it: one that lies elsewhere may be quite another. */
function ownerOfName(owners: ReadonlyMap<string, string>, fileName: string): string | undefined {
  const end = `/${fileName}`;
  for (const [path, owner] of owners) {
    if (path.endsWith(end) && isInLibraryDirectory(path)) return owner;
  }
  return undefined;
}

function readVersions(space: FileSpace): ReadonlyMap<string, string> {
  const versions = new Map<string, string>();
  for (const paragraph of partsOf(readText(space, `${FOLDER}/status`) ?? "", "\n\n")) {
    const name = /^Package: (.+)$/m.exec(paragraph)?.[1];
    const version = /^Version: (.+)$/m.exec(paragraph)?.[1];
    if (name === undefined || version === undefined || !isShort(name) || !isShort(version)) continue;
    if (!versions.has(name) && versions.size < MOST_PATHS) versions.set(name, version);
  }
  return versions;
}

/** "libssl 3 libssl3 (>= 3.0.0)" is libssl.so.3, or libssl-3.so for those that are named so. */
function readShlibs(space: FileSpace): ReadonlyMap<string, string> {
  const libraries = new Map<string, string>();
  for (const { text } of infoFiles(space, ".shlibs")) {
    for (const line of partsOf(text, "\n")) {
      if (libraries.size >= MOST_PATHS) return libraries;
      const [library, version, name] = line.trim().split(/\s+/, 3);
      if (library === undefined || version === undefined || name === undefined || library.endsWith(":")) continue;
      libraries.set(`${library}.so.${version}`, name);
      libraries.set(`${library}-${version}.so`, name);
    }
  }
  return libraries;
}

/** Of all lists together, in bytes: those of a desktop system have some 40 MiB. */
const MOST_TEXT = 128 << 20;

function* infoFiles(space: FileSpace, ending: string): Generator<{ readonly name: string; readonly text: string }> {
  let left = MOST_TEXT;
  for (const file of space.list(`${FOLDER}/info`) ?? []) {
    if (!file.endsWith(ending)) continue;
    const text = readText(space, `${FOLDER}/info/${file}`, left);
    left -= text?.length ?? 0;
    const [name] = file.slice(0, -ending.length).split(":", 1);
    if (text !== undefined && name !== undefined) yield { name, text };
  }
}
