import { posix } from "node:path";
import type { Distribution } from "../distributions/distribution.ts";
import type { FileSpace } from "../filesystems/file-space.ts";

export interface Here {
  readonly distribution?: Distribution | undefined;
  readonly hostSpace?: FileSpace | undefined;
  /** As in ElfFile: whose library directories count. */
  readonly machine: string;
  /** On this machine: folders to look in first, such as that of the program that needs the library. */
  readonly beside?: readonly string[] | undefined;
}

/** What to do about a library that the image lacks: from where on this machine, or with which package, it comes. */
export function howToGet(name: string, here: Here): string {
  const path = findOnHost(name, here);
  const owner = path === undefined ? undefined : here.distribution?.ownerOf(path)?.name;
  if (path !== undefined) {
    const folder = posix.dirname(path);
    const flag =
      name.includes("/") || libraryDirectories(here.machine).includes(folder)
        ? `--with ${name}`
        : `--library-path ${folder}`;
    const from = owner === undefined ? "" : ` (of the package ${owner})`;
    return `Put ${path} of this machine${from} into the image: ${flag} of run and package add.`;
  }
  const provider = here.distribution?.providerOf(name);
  if (here.distribution !== undefined && provider !== undefined) {
    const command = here.distribution.installCommand(provider);
    return `Install the package ${provider} on this machine (${command}), and put the library in: --with ${name} of run and package add.`;
  }
  return `Find the package that has ${name}, and put the library into the image: --with PATH of run and package add.`;
}

/** Where the library lies on this machine: in `beside`, or in the directories that every program's libraries are looked for in. */
export function findOnHost(name: string, { hostSpace, machine, beside = [] }: Here): string | undefined {
  if (hostSpace === undefined) return undefined;
  if (name.includes("/")) return hostSpace.find(name)?.type === "file" ? name : undefined;
  return [...beside, ...libraryDirectories(machine)]
    .map((directory) => `${directory}/${name}`)
    .find((path) => hostSpace.find(path)?.type === "file");
}

/** Debian's by the name of the machine, then those of all others. */
export function libraryDirectories(machine: string): readonly string[] {
  const triplet = TRIPLETS[machine];
  const multiarch = triplet === undefined ? [] : [`/usr/lib/${triplet}`, `/lib/${triplet}`];
  return [...multiarch, "/usr/local/lib", "/usr/lib64", "/lib64", "/usr/lib", "/lib"];
}

const TRIPLETS: Readonly<Record<string, string>> = {
  "x86-64": "x86_64-linux-gnu",
  aarch64: "aarch64-linux-gnu",
};
