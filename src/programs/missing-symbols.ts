import type { SymbolType, UndefinedSymbol } from "../elf/elf-file.ts";
import type { Kernel } from "../kernels/kernel.ts";
import type { Closure, LoadedObject } from "../linker/closure.ts";
import { copiedVariables } from "./copied-variables.ts";

/** A symbol that an object asks for and that nothing which is loaded has. */
export interface MissingSymbol {
  readonly symbol: string;
  readonly version: string | undefined;
  /** The path of the object that asks for it, as in the closure. */
  readonly object: string;
  /** It may stay undefined: those are told only where the program's own system has the symbol. */
  readonly weak: boolean;
  readonly type: SymbolType;
  /**
   * eager: the program does not start without it.
   * lazy: the program starts, and is aborted when it calls or reads the symbol.
   */
  readonly bound: "eager" | "lazy";
}

/**
 * The symbols that are missing when the program runs natively, on what the kernel has instead of the libraries that it supplies.
 * Empty where the kernel's symbols are not known. Source of the rules: OSv core/elf.cc and arch/…/arch-elf.cc: names are looked for
 * without their versions; a missing one aborts at once where a variable is to be copied into the program (COPY) or is thread-local;
 * for all others, asked to bind early or not, the abort comes with the first use.
 */
export function missingSymbols(
  closure: Closure,
  kernel: Pick<Kernel, "supplies" | "exports">,
): readonly MissingSymbol[] {
  if (kernel.exports === undefined) return [];
  const objects = nativeObjects(closure, kernel);
  const here = namesDefined(objects);
  const onItsSystem = namesDefined(closure.libraries);
  const isMissing = (name: string) => !here.has(name) && kernel.exports?.has(name) === false;
  const missing: MissingSymbol[] = [];
  for (const object of objects) {
    for (const symbol of object.elf.symbols().undefined) {
      if (!isMissing(symbol.name) || (symbol.weak && !onItsSystem.has(symbol.name))) continue;
      missing.push(asMissing(object, symbol, symbol.type === "tls" && !symbol.weak ? "eager" : "lazy"));
    }
  }
  return [...missing, ...missingCopies(closure, { objects, kernel })];
}

/**
 * The symbols that are missing when the program runs on the dynamic loader and the C library of its own system, which are part of the
 * closure. All are bound eagerly but functions, and those too in objects that ask for it (which is not looked at here).
 */
export function missingSymbolsOnLinux(closure: Closure): readonly MissingSymbol[] {
  const objects = [closure.program, ...closure.libraries];
  const all = closure.interpreter === undefined ? objects : [...objects, closure.interpreter];
  const here = namesDefined(all);
  return objects.flatMap((object) =>
    object.elf
      .symbols()
      .undefined.filter((symbol) => !symbol.weak && !here.has(symbol.name))
      .map((symbol) => asMissing(object, symbol, isCode(symbol) ? "lazy" : "eager")),
  );
}

/** What OSv's own linker loads: the program, and the libraries that the kernel does not have inside. */
export function nativeObjects(closure: Closure, kernel: Pick<Kernel, "supplies">): readonly LoadedObject[] {
  const isSupplied = (object: LoadedObject) =>
    kernel.supplies.has(object.name) || (object.elf.soname !== undefined && kernel.supplies.has(object.elf.soname));
  return [closure.program, ...closure.libraries.filter((object) => !isSupplied(object))];
}

function namesDefined(objects: readonly LoadedObject[]): ReadonlySet<string> {
  return new Set(objects.flatMap((object) => object.elf.symbols().defined.map((symbol) => symbol.name)));
}

function asMissing(object: LoadedObject, symbol: UndefinedSymbol, bound: "eager" | "lazy"): MissingSymbol {
  const { name, version, weak, type } = symbol;
  return { symbol: name, version, object: object.path, weak, type, bound };
}

function isCode({ type }: UndefinedSymbol): boolean {
  return type === "function" || type === "ifunc" || type === "other";
}

interface Surroundings {
  readonly objects: readonly LoadedObject[];
  readonly kernel: Pick<Kernel, "exports">;
}

function missingCopies(closure: Closure, { objects, kernel }: Surroundings): readonly MissingSymbol[] {
  const elsewhere = namesDefined(objects.filter((object) => object !== closure.program));
  return copiedVariables(closure)
    .filter(({ symbol }) => !elsewhere.has(symbol) && kernel.exports?.has(symbol) === false)
    .map(({ symbol, version }) => ({
      symbol,
      version,
      object: closure.program.path,
      weak: false,
      type: "object",
      bound: "eager",
    }));
}
