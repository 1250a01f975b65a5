import type { ElfKind } from "../../elf/elf-file.ts";
import { isElf } from "../../elf/reader.ts";
import { withOpenFile } from "../../filesystems/file-space.ts";
import type { FileEntry } from "../../filesystems/filetree.ts";
import { chosenOf } from "../../filesystems/tree-walk.ts";
import type { Closure } from "../../linker/closure.ts";
import { CapstanError } from "../../support/errors.ts";
import type { Finding } from "../finding.ts";
import type { ImageInCheck, LinkerView } from "../image.ts";
import { firstFew, lowerFirst } from "../phrases.ts";
import { badElf } from "./boot-command.ts";
import { wrongMachine } from "./kernel-limits.ts";
import { lack, remedy, withFlags } from "./libraries.ts";

/** More are not looked at: a check is to be quick. */
const MOST_OBJECTS = 2000;

/**
 * ELF files that no program loads when it starts, such as plugins: they may be opened later. One finding for each library
 * that they miss, since a directory of plugins often misses the same one.
 */
export function* otherObjectsRule(image: ImageInCheck): Generator<Finding> {
  const { paths, isCut } = otherObjects(image);
  const wrong: Finding[] = [];
  const missing = new Map<string, Missed>();
  for (const path of paths) {
    const { closures, bad } = look(image, path);
    if (bad !== undefined) yield { ...bad, severity: "warning" };
    const [closure] = closures;
    if (closure === undefined) continue;
    const foreign = wrongMachine(image, closure.program);
    if (foreign === undefined) gather(image, closures, missing);
    else wrong.push(foreign);
  }
  yield* oneForAll(wrong);
  for (const severity of ["warning", "note"] as const) {
    yield* oneOrEach([...missing].filter(([, { finding }]) => finding.severity === severity));
  }
  if (isCut) yield tooMany;
}

const tooMany: Finding = {
  code: "missing-library",
  severity: "note",
  path: "/",
  problem: `The image has more than ${MOST_OBJECTS} libraries and programs that are not loaded at the start, and not all were looked at.`,
  advice: "Check a smaller image, or the program alone.",
};

/** What may be ELF by its name or mode, so that not every file has to be opened. */
function isLikely({ name, folder }: { name: string; folder: string }, { mode }: FileEntry, hasModes: boolean): boolean {
  if (/\.so(?:\.[0-9.]+)?$|\.node$/.test(name) || /\/s?bin$/.test(folder)) return true;
  return hasModes && (mode & 0o111) !== 0 && !name.includes(".");
}

function otherObjects({ tree, space, kernel, started, refused, hasModes }: ImageInCheck): {
  readonly paths: readonly string[];
  readonly isCut: boolean;
} {
  const loaded = new Set(
    started.flatMap(({ closure }) =>
      [closure.program, closure.interpreter, ...closure.libraries].flatMap((object) =>
        object === undefined ? [] : [object.realPath],
      ),
    ),
  );
  const paths: string[] = [];
  const likely = chosenOf(tree, (name, entry, folder) => {
    if (!kernel.can.native && OSV_BASE.has(name)) return false;
    return entry.type === "file" && isLikely({ name, folder }, entry, hasModes);
  });
  for (const { path } of likely) {
    if (loaded.has(path) || refused.has(path)) continue;
    const file = space.find(path);
    if (file?.type !== "file" || !quietly(() => withOpenFile(file, isElf))) continue;
    if (paths.length === MOST_OBJECTS) return { paths, isCut: true };
    paths.push(path);
  }
  return { paths, isCut: false };
}

/** Of osv.bootstrap: OSv's own linker loads them, and other kernels have no use for them. */
const OSV_BASE: ReadonlySet<string> = new Set(["libenviron.so", "libvdso.so", "libgcc_s.so.1"]);

function quietly(work: () => boolean): boolean {
  try {
    return work();
  } catch (error) {
    if (error instanceof CapstanError) return false;
    throw error;
  }
}

interface Look {
  /** What it loads on top of each of the programs; by itself where none starts. Empty for what loads nothing. */
  readonly closures: readonly Closure[];
  readonly bad?: Finding | undefined;
}

function look(image: ImageInCheck, path: string): Look {
  const alone: LinkerView = { rules: image.kernel.can.native ? "osv" : "system", libraryPath: undefined };
  const programs = image.started.filter(({ mode }) => mode !== "static");
  try {
    const closures =
      programs.length === 0
        ? [image.linkerFor(alone).closure(path)]
        : programs.map(({ view, closure }) => image.linkerFor(view).closure(path, { loadedBefore: closure }));
    return { closures: closures.filter(({ program: { elf } }) => !LOADS_NOTHING.has(elf.kind)) };
  } catch (error) {
    return { closures: [], bad: badElf(path, error) };
  }
}

const LOADS_NOTHING: ReadonlySet<ElfKind> = new Set(["static", "static-pie", "other"]);

/** A library counts as missing when no program has it. */
function gather(image: ImageInCheck, [first, ...others]: readonly Closure[], found: Map<string, Missed>): void {
  if (first === undefined) return;
  const program = first.program;
  for (const missing of first.missing) {
    if (missing.name === program.elf.interpreter) continue;
    if (!others.every((closure) => closure.missing.some(({ name }) => name === missing.name))) continue;
    const known = found.get(missing.name);
    if (known === undefined) {
      const isElsewhere = image.named(missing.name).length > 0;
      const finding: Finding = {
        code: "missing-library",
        // A library that lies elsewhere may well be loaded by then, as Java's launcher does with libjvm.so.
        // Nor is every program in an image started in it.
        severity: isElsewhere || program.elf.kind !== "shared-object" ? "note" : "warning",
        path: program.path,
        problem: `needs ${missing.name} when it is opened, ${lack(image, missing)}.`,
        advice: isElsewhere
          ? `If it is not loaded by then: ${lowerFirst(remedy(image, missing))}`
          : remedy(image, missing),
      };
      found.set(missing.name, { finding, neededBy: [program.path] });
    } else if (!known.neededBy.includes(program.path)) {
      known.neededBy.push(program.path);
    }
  }
}

/** A library that is missed: as its first needer tells, and all who need it. */
interface Missed {
  readonly finding: Finding;
  readonly neededBy: string[];
}

/** More than that are told in one sentence. */
const MOST_APART = 3;

function* oneOrEach(missed: readonly (readonly [name: string, Missed])[]): Generator<Finding> {
  const [first] = missed;
  if (first === undefined) return;
  if (missed.length <= MOST_APART) {
    for (const [, { finding, neededBy }] of missed) yield withOthers(finding, neededBy);
    return;
  }
  const mostNeeded = [...missed].sort(([, a], [, b]) => b.neededBy.length - a.neededBy.length);
  const names = mostNeeded.map(([name]) => name);
  const needers = [...new Set(missed.flatMap(([, { neededBy }]) => neededBy))].sort();
  const [, { finding }] = first;
  const lacks = finding.severity === "warning" ? "which the image lacks" : "which lie where the loader does not look";
  yield {
    ...finding,
    path: needers[0] ?? finding.path,
    problem: `${firstFew(needers, 3)} need ${firstFew(names)}, ${lacks}, when they are opened.`,
    advice:
      finding.severity === "warning"
        ? `If the program opens them, put in what they need: ${withFlags(names)}`
        : "If the program opens them and fails, put links to those into /usr/lib.",
  };
}

function withOthers(finding: Finding, neededBy: readonly string[]): Finding {
  const [first = finding.path, ...others] = neededBy;
  const problem =
    others.length === 0
      ? `${first} ${finding.problem}`
      : `${first} ${finding.problem.replace(/\.$/, "")}; so ${others.length === 1 ? "does" : "do"} ${firstFew(others, 3)}.`;
  return { ...finding, problem };
}

/** Foreign objects come by the directory: one tells of all. */
function* oneForAll(findings: readonly Finding[]): Generator<Finding> {
  const [first, ...others] = findings;
  if (first === undefined) return;
  const problem =
    others.length === 0
      ? first.problem
      : `${first.problem.replace(/\.$/, "")}; so ${others.length === 1 ? "is" : "are"} ${firstFew(
          others.map(({ path }) => path),
          3,
        )}.`;
  yield { ...first, severity: "warning", problem };
}
