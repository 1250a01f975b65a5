import { posix } from "node:path";
import { lookup } from "../../filesystems/tree-walk.ts";
import type { Closure, MissingLibrary } from "../../linker/closure.ts";
import type { Finding } from "../finding.ts";
import type { ImageInCheck, Started } from "../image.ts";
import { firstFew, listed } from "../phrases.ts";
import { howToGet } from "../where-on-host.ts";
import { wrongMachine } from "./kernel-limits.ts";

/** Libraries, and the dynamic loader, that the programs of the boot command need and the image lacks. */
export function* librariesRule(image: ImageInCheck): Generator<Finding> {
  for (const started of image.started) {
    if (started.mode === "static" || wrongMachine(image, started.closure.program) !== undefined) continue;
    const { interpreter } = started.closure.program.elf;
    const { missing } = started.closure;
    if (
      interpreter !== undefined &&
      missing.some(({ name }) => name === interpreter) &&
      needsInterpreter(image, started)
    ) {
      yield missingInterpreter(image, started, interpreter);
    }
    const libraries = missing.filter(({ name }) => name !== interpreter);
    if (libraries.length > MOST_APART) yield manyMissing(image, started.path, libraries);
    else for (const library of libraries) yield missingLibrary(image, started.closure, library);
  }
}

/** Only the kernel that reads PT_INTERP needs it: OSv's own linker does not, and otherwise the loader is what is started. */
function needsInterpreter({ kernel }: ImageInCheck, { mode }: Started): boolean {
  return mode === "linux" && kernel.can.linuxLoader === "interpreter";
}

function missingInterpreter(image: ImageInCheck, { path }: Started, interpreter: string): Finding {
  return {
    code: "missing-interpreter",
    severity: "error",
    path,
    problem: `${path} needs the program interpreter ${interpreter}, which the image lacks and ${image.kernel.title} does not replace.`,
    advice:
      "Compose the program with its loader and C library ('capstan run PROGRAM' or 'capstan package add'), or with an OSv kernel, which has a C library of its own.",
  };
}

/** More than that show that the program was put in by itself. */
const MOST_APART = 3;
const MOST_NAMED = 20;

function manyMissing(image: ImageInCheck, path: string, libraries: readonly MissingLibrary[]): Finding {
  const names = libraries.map(({ name }) => name);
  const absent = names.filter((name) => elsewhereInImage(image, name) === undefined);
  return {
    code: "missing-library",
    severity: "error",
    path,
    problem: `${path} and what it loads need ${firstFew(names)}, ${absent.length > 0 ? "which the image lacks" : "which lie where the loader does not look"}.`,
    advice:
      absent.length > 0
        ? `Put the program in with all that it loads ('capstan package add PROGRAM'), or the libraries by themselves: ${withFlags(absent)}`
        : "Put them, or links to them, into /usr/lib.",
  };
}

/** "--with liba.so.1 --with libb.so.2". */
export function withFlags(names: readonly string[]): string {
  const flags = names.slice(0, MOST_NAMED).map((name) => `--with ${name}`);
  return `${flags.join(" ")}${names.length > MOST_NAMED ? " …" : ""}`;
}

/** What a program or a library of it needs, and why it does not get it. */
export function missingLibrary(image: ImageInCheck, closure: Closure, missing: MissingLibrary): Finding {
  const program = closure.program.path;
  const needer = missing.neededBy[0] ?? program;
  const through = needer === program ? "" : `, which ${program} loads,`;
  return {
    code: "missing-library",
    severity: "error",
    path: needer,
    problem: `${needer}${through} needs ${missing.name}, ${lack(image, missing)}.`,
    advice: remedy(image, missing),
  };
}

/** Why it is not found, as the end of a sentence. */
export function lack(image: ImageInCheck, { name, refused }: MissingLibrary): string {
  if (refused.length > 0) {
    return `and what the image has cannot be taken: ${listed(refused.slice(0, 3).map(({ path, why }) => `${path} ${why}`))}`;
  }
  const elsewhere = elsewhereInImage(image, name);
  return elsewhere === undefined
    ? "which the image lacks"
    : `which the image has only as ${elsewhere}, where the loader does not look`;
}

export function remedy(image: ImageInCheck, { name, refused, neededBy }: MissingLibrary): string {
  const elsewhere = refused.length > 0 ? undefined : elsewhereInImage(image, name);
  if (elsewhere !== undefined) {
    return `Put it, or a link to it, into /usr/lib (ln -s ${elsewhere} usr/lib/${name}).`;
  }
  return howToGet(name, { ...image, machine: image.kernel.machine, beside: hostFolders(image, neededBy) });
}

/** Where on this machine the files came from that lie at these paths of the image, as far as that is known. */
function hostFolders({ space, tree }: ImageInCheck, paths: readonly string[]): readonly string[] {
  const folders = paths.flatMap((path) => {
    const found = space.find(path);
    const entry = found === undefined ? undefined : lookup(tree, found.realPath);
    return entry?.type === "file" && entry.content.kind === "host" ? [posix.dirname(entry.content.path)] : [];
  });
  return [...new Set(folders)];
}

function elsewhereInImage(image: ImageInCheck, name: string): string | undefined {
  return image.named(name.slice(name.lastIndexOf("/") + 1)).find((path) => image.space.find(path)?.type === "file");
}
