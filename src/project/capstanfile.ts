import { basename, dirname, isAbsolute, relative, resolve } from "node:path";
import type { Context } from "../support/context.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { Failures } from "../support/join-errors.ts";
import { type CapstanfileLayer, parseCapstanfile, type Written } from "./capstanfile-layer.ts";
import { CAPSTANFILE } from "./folder.ts";
import { readTextFile } from "./text-file.ts";

export type { CapstanfileLayer, FileMapping, PackageEntry, Written } from "./capstanfile-layer.ts";
export { DEFAULT_ROOTFS } from "./capstanfile-layer.ts";
export type { PackageSource } from "./capstanfile-packages.ts";

/** A Capstanfile with all that it includes, parsed and checked once. */
export interface Capstanfile {
  /** Absolute. */
  readonly path: string;
  readonly dir: string;
  /** What messages call it. */
  readonly name: string;
  /** The image that is amended; a path is one of the folder `dir` of the file that names it. */
  readonly base: Written & { readonly dir: string };
  /** The boot command; undefined: that of the base. */
  readonly cmdline: string | undefined;
  /** It starts where no `cmdline` says otherwise; a relative path is one of the folder `dir`. */
  readonly program: (Written & { readonly args: readonly string[]; readonly dir: string }) | undefined;
  /** In the order in which they are laid over one another: included files come before the one that includes them. */
  readonly layers: readonly CapstanfileLayer[];
}

/**
 * Reads a Capstanfile and those that it includes. `base`, `cmdline` and `program` of the including file come before those
 * of the included, and those of a later one before those of an earlier; all else is laid over one another. A file that is
 * reached twice counts once.
 *
 * Errors: CapstanError `no-capstanfile`, `bad-yaml`, `include-cycle`, `too-many-includes`, `no-base`.
 */
export function loadCapstanfile(path: string, context: Pick<Context, "cwd">): Capstanfile {
  const absolute = resolve(context.cwd, path);
  const layers = new Includes(context.cwd).of(absolute);
  const own = layers.at(-1);
  if (own === undefined) throw missing(absolute, context.cwd);
  const withBase = layers.findLast(({ base }) => base !== undefined);
  if (withBase?.base === undefined) throw withoutBase(own);
  const withProgram = layers.findLast(({ program }) => program !== undefined);
  return {
    path: absolute,
    dir: own.dir,
    name: own.name,
    base: { ...withBase.base, dir: withBase.dir },
    program: withProgram?.program && { ...withProgram.program, dir: withProgram.dir },
    cmdline: layers.findLast(({ cmdline }) => cmdline !== undefined)?.cmdline,
    layers,
  };
}

const MOST_INCLUDES = 100;

class Includes {
  readonly #cwd: string;
  readonly #layers = new Map<string, CapstanfileLayer>();
  /** Those that are being read, the outermost first. */
  readonly #open: string[] = [];
  readonly #unreadable = new Set<string>();
  /** Of all files at once. */
  readonly #failures = new Failures(({ code }) => code === "bad-yaml");

  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  of(path: string): readonly CapstanfileLayer[] {
    this.#add(path, undefined);
    this.#failures.check();
    return [...this.#layers.values()];
  }

  #add(path: string, includedAt: Written | undefined): void {
    if (this.#layers.has(path) || this.#unreadable.has(path)) return;
    if (this.#open.includes(path)) throw cycle([...this.#open, path], includedAt, this.#cwd);
    if (this.#open.length + this.#layers.size + this.#unreadable.size >= MOST_INCLUDES) throw tooMany(includedAt);
    const name = shownPath(path, this.#cwd);
    const text = readTextFile(path, name);
    if (text === undefined) throw includedAt === undefined ? missing(path, this.#cwd) : notThere(name, includedAt);
    const layer = this.#failures.try(() => parseCapstanfile(text, { path, name, dir: dirname(path) }));
    if (layer === undefined) {
      this.#unreadable.add(path);
      return;
    }
    this.#open.push(path);
    for (const include of layer.include) this.#add(resolve(layer.dir, include.text), include);
    this.#open.pop();
    this.#layers.set(path, layer);
  }
}

function missing(path: string, cwd: string): CapstanError {
  return new CapstanError(`There is no ${shownPath(path, cwd)}`, {
    code: "no-capstanfile",
    hint:
      basename(path) === CAPSTANFILE
        ? "Go to the folder of the Capstanfile, name it with -f, or write one with 'capstan init'."
        : "Check the path behind -f.",
    exitCode: ExitCode.noInput,
  });
}

function notThere(name: string, { where }: Written): CapstanError {
  return new CapstanError(`${where}: there is no ${name} to include`, {
    code: "no-capstanfile",
    hint: "Check the path: it starts in the folder of the file that includes it.",
    exitCode: ExitCode.noInput,
  });
}

function cycle(paths: readonly string[], at: Written | undefined, cwd: string): CapstanError {
  const shown = paths.slice(paths.indexOf(paths.at(-1) ?? "")).map((path) => shownPath(path, cwd));
  return new CapstanError(`${at?.where ?? ""}: the file includes itself: ${shown.join(" includes ")}`, {
    code: "include-cycle",
    hint: "Remove one of these includes.",
  });
}

function tooMany(at: Written | undefined): CapstanError {
  return new CapstanError(`${at?.where ?? ""}: more than ${MOST_INCLUDES} Capstanfiles are included`, {
    code: "too-many-includes",
    hint: "Put them together into fewer files.",
  });
}

function withoutBase({ name }: CapstanfileLayer): CapstanError {
  return new CapstanError(`${name} names no image to start from: 'base' is missing`, {
    code: "no-base",
    hint: "Write 'base: osv-loader' for a kernel alone, or the name of an image with files: see 'capstan images'.",
  });
}

/** A path as the user would write it: from the current folder when it lies below, else the whole of it. */
function shownPath(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short === "" || short.startsWith("..") || isAbsolute(short) ? path : short;
}
