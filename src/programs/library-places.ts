import { dirname, posix } from "node:path";
import type { FileSpace } from "../filesystems/file-space.ts";
import type { LoadedObject } from "../linker/closure.ts";
import { defaultDirectories } from "../linker/interpreters.ts";
import type { Part, Placed } from "./application.ts";
import type { LaunchMode } from "./launch.ts";

export type LibraryPlace =
  /** To be put there. */
  | { readonly kind: "file"; readonly target: string }
  /** Another name of a library that has its place already. */
  | { readonly kind: "link"; readonly target: string; readonly to: string }
  /** A part of the application has it where it is found. */
  | { readonly kind: "there"; readonly target: string };

/**
 * Decides where libraries land. OSv's linker looks in /usr/lib, and so does Debian's in the end; Fedora's looks in
 * /usr/lib64. A library that is found relative to the object that needs it ($ORIGIN) keeps that relation, where the linker
 * of the image understands the entry: OSv's own one knows only plain $ORIGIN (program::load_object in core/elf.cc).
 */
export class LibraryPlaces {
  readonly #options: LibraryPlacesOptions;
  readonly #folders: readonly FolderPlace[];
  /** Where the objects of the space are in the image, by `path` and by `realPath`. */
  readonly #targets = new Map<string, string>();
  readonly #taken = new Map<string, string>();
  readonly #default = new Map<string, string>();

  constructor(options: LibraryPlacesOptions) {
    this.#options = options;
    const { program, parts, space } = options;
    this.#folders = parts.flatMap((part) =>
      part.kind === "folder" && part.sourceSpace === "system"
        ? [{ source: space.find(part.source)?.realPath ?? part.source, target: part.target, skip: part.skip }]
        : [],
    );
    for (const part of parts) {
      if (part.kind === "file") this.#remember(part.source, space.find(part.source)?.realPath, part.target);
    }
    this.#remember(program.source, space.find(program.source)?.realPath, program.target);
  }

  of(object: LoadedObject): LibraryPlace {
    const before = this.#targets.get(object.realPath) ?? this.#inFolder(object.realPath);
    const target = this.#wanted(object);
    this.#remember(object.path, object.realPath, before ?? target);
    if (before === undefined) return { kind: "file", target: this.#take(target, object) };
    // In a folder of the application it is found by the application's own means, or beside the others by its name.
    if (before === target || this.#isRelative(object)) return { kind: "there", target: before };
    if (this.#taken.has(target)) return { kind: "there", target };
    this.#taken.set(target, object.realPath);
    return { kind: "link", target, to: linkText(target, before) };
  }

  /** Where the object at a path of the space is in the image. */
  targetOf(path: string): string | undefined {
    return this.#targets.get(path) ?? this.#inFolder(this.#options.space.find(path)?.realPath ?? path);
  }

  #wanted(object: LoadedObject): string {
    return this.#beside(object) ?? posix.join(this.#defaultDirectory(object), posix.basename(object.name));
  }

  /**
   * Where the entry that it was found through leads in the image. That is an entry of the object that needs it, or, since
   * RPATH counts for what a library needs as well, of one that was loaded before: the one from which it leads here.
   */
  #beside(object: LoadedObject): string | undefined {
    const { through = "", path, neededBy } = object;
    if (!this.#isRelative(object)) return undefined;
    const name = posix.basename(object.name);
    const leadsFrom = (origin: string) => posix.normalize(path) === inEntry(through, origin, name);
    // OSv's own linker goes by the entries of the object itself alone.
    const isNative = this.#options.mode === "native";
    const origins = isNative ? neededBy : [...neededBy, ...this.#targets.keys()];
    const origin = origins.find((one) => leadsFrom(one) && this.targetOf(one) !== undefined);
    const target = origin === undefined ? undefined : this.targetOf(origin);
    if (target !== undefined) return inEntry(through, target, name);
    if (isNative) return undefined;
    // Entries with further tokens in them, such as $LIB.
    const [first = ""] = neededBy;
    const needer = this.targetOf(first);
    return needer && posix.resolve(dirname(needer), posix.relative(dirname(first), path));
  }

  /** Found from where the object that needs it lies, by an entry that leads there in the image as well. */
  #isRelative({ how, through = "" }: LoadedObject): boolean {
    if (how !== "rpath" && how !== "runpath") return false;
    if (this.#options.mode !== "native") return ORIGIN.test(through);
    return PLAIN_ORIGIN.test(through) && !through.replace(PLAIN_ORIGIN, "").includes("$");
  }

  /** Two libraries of one name are rare and real: the second one keeps the place that it has on its own system. */
  #take(target: string, object: LoadedObject): string {
    const holder = this.#taken.get(target);
    const free = holder === undefined || holder === object.realPath ? target : object.path;
    this.#taken.set(free, object.realPath);
    return free;
  }

  #defaultDirectory({ elf }: LoadedObject): string {
    if (this.#options.mode !== "linux") return "/usr/lib";
    const known = this.#default.get(elf.machine);
    if (known !== undefined) return known;
    const directories = defaultDirectories(elf, this.#options.space);
    const chosen = directories.includes("/usr/lib") ? "/usr/lib" : (directories.at(-1) ?? "/usr/lib");
    this.#default.set(elf.machine, chosen);
    return chosen;
  }

  #inFolder(realPath: string): string | undefined {
    for (const { source, target, skip } of this.#folders) {
      if (!realPath.startsWith(`${source}/`)) continue;
      const below = realPath.slice(source.length + 1);
      if (!isSkipped(below, skip)) return posix.join(target, below);
    }
    return undefined;
  }

  #remember(path: string, realPath: string | undefined, target: string): void {
    if (!this.#targets.has(path)) this.#targets.set(path, target);
    if (realPath !== undefined && !this.#targets.has(realPath)) this.#targets.set(realPath, target);
  }
}

export interface LibraryPlacesOptions {
  readonly space: FileSpace;
  readonly mode: LaunchMode;
  readonly parts: readonly Part[];
  readonly program: Placed;
}

interface FolderPlace {
  readonly source: string;
  readonly target: string;
  readonly skip: ((path: string, isDirectory: boolean) => boolean) | undefined;
}

function isSkipped(below: string, skip: FolderPlace["skip"]): boolean {
  if (skip === undefined) return false;
  const names = below.split("/");
  return names.some((_, index) => skip(names.slice(0, index + 1).join("/"), index < names.length - 1));
}

/** Where an entry of the object at `origin` leads. */
function inEntry(entry: string, origin: string, name: string): string {
  return posix.resolve(
    "/",
    entry.replace(ORIGIN, () => dirname(origin)),
    name,
  );
}

const PLAIN_ORIGIN = /\$ORIGIN\b/;
const ORIGIN = /\$(?:ORIGIN\b|\{ORIGIN\})/;

function linkText(target: string, to: string): string {
  return dirname(target) === dirname(to) ? posix.basename(to) : to;
}
