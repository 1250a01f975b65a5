import type { Kernel } from "../../kernels/kernel.ts";
import { type MissingSymbol, missingSymbols } from "../../programs/missing-symbols.ts";
import type { Finding } from "../finding.ts";
import type { ImageInCheck, Started } from "../image.ts";
import { linuxSymbols } from "../linux-symbols.ts";
import { firstFew, lowerFirst } from "../phrases.ts";
import { badElf } from "./boot-command.ts";
import { PROCESS_CALLS } from "./call-table.ts";
import { viaLinux, wrongMachine } from "./kernel-limits.ts";

/**
 * What neither the image nor the kernel has, when OSv's own linker starts the program: an object a finding, the program's
 * own before those of libraries, which often offer far more than the program uses. Where a library is missing altogether,
 * what it would have had is not told as well.
 */
export function* symbolsRule(image: ImageInCheck): Generator<Finding> {
  for (const started of image.started) {
    if (started.mode !== "native" || wrongMachine(image, started.closure.program) !== undefined) continue;
    const isIncomplete = started.closure.missing.some(({ name }) => name !== started.closure.program.elf.interpreter);
    if (isIncomplete) continue;
    try {
      yield* ofProgram(image, started);
    } catch (error) {
      const finding = badElf(started.path, error);
      if (finding !== undefined) yield finding;
    }
  }
}

function* ofProgram(image: ImageInCheck, { closure }: Started): Generator<Finding> {
  const byObject = new Map<string, MissingSymbol[]>();
  for (const symbol of missingSymbols(closure, image.kernel)) {
    // What starts other processes is told by the rule for calls.
    if (symbol.weak || PROCESS_CALLS.has(symbol.symbol) || symbol.symbol.startsWith("posix_spawn")) continue;
    const known = byObject.get(symbol.object);
    if (known === undefined) byObject.set(symbol.object, [symbol]);
    else known.push(symbol);
  }
  if (byObject.size === 0) return;
  const onLinux = linuxSymbols(image);
  for (const [object, symbols] of byObject) {
    const eager = symbols.filter(({ bound }) => bound === "eager");
    if (eager.length > 0) yield atStart(image.kernel, object, { symbols: eager, onLinux });
    const lazy = symbols.filter(({ bound }) => bound === "lazy");
    if (lazy.length > 0) yield whenUsed(image.kernel, object, { symbols: lazy, onLinux });
  }
}

interface Missing {
  readonly symbols: readonly MissingSymbol[];
  /** What Linux's C library has, where that is known. */
  readonly onLinux: ReadonlySet<string> | undefined;
}

function atStart(kernel: Kernel, object: string, { symbols, onLinux }: Missing): Finding {
  return {
    code: "missing-symbol",
    severity: "error",
    path: object,
    problem: `${object} cannot be loaded without ${named(symbols)}, which neither the image nor ${kernel.title} has.`,
    advice: adviceFor({ symbols, onLinux }, viaLinux(kernel.can.linuxLoader, "build it without them")),
  };
}

function whenUsed(kernel: Kernel, object: string, { symbols, onLinux }: Missing): Finding {
  const some = symbols.length === 1 ? "it" : "one of them";
  return {
    code: "missing-symbol",
    severity: "note",
    path: object,
    problem: `${object} uses ${named(symbols)}, which neither the image nor ${kernel.title} has: the program is ended when it calls ${some}.`,
    advice: adviceFor({ symbols, onLinux }, `If it stops there, ${lowerFirst(viaLinux(kernel.can.linuxLoader))}`),
  };
}

/** Linux's C library is no help with what it lacks itself: such symbols are of a library that nothing names as needed. */
function adviceFor({ symbols, onLinux }: Missing, viaLinux: string): string {
  const nowhere = onLinux === undefined ? [] : symbols.filter(({ symbol }) => !onLinux.has(symbol));
  if (nowhere.length === 0) return viaLinux;
  const link = `Linux's C library lacks ${named(nowhere)} as well: link with the library that has ${nowhere.length === 1 ? "it" : "them"}, and put that in.`;
  return nowhere.length === symbols.length ? link : `${viaLinux} ${link}`;
}

function named(symbols: readonly MissingSymbol[]): string {
  return firstFew([...new Set(symbols.map(({ symbol }) => symbol))].sort());
}
