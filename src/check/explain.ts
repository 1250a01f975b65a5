import type { Kernel } from "../kernels/kernel.ts";
import { usuallySupplied } from "../kernels/osv-facts.ts";
import type { MissingLibrary } from "../linker/closure.ts";
import type { Finding, FindingCode } from "./finding.ts";
import { type CheckInput, type ImageInCheck, openImage } from "./image.ts";
import { linuxSymbols, symbolsOf } from "./linux-symbols.ts";
import { bootCommandRule } from "./rules/boot-command.ts";
import { callsRule } from "./rules/calls.ts";
import { kernelLimitsRule, viaLinux } from "./rules/kernel-limits.ts";
import { lack, librariesRule, missingLibrary as missingInClosure, remedy } from "./rules/libraries.ts";
import { findOnHost, howToGet, libraryDirectories } from "./where-on-host.ts";

/** A line of the guest's console that was recognised: as in instances/console-watch.ts. */
export interface ConsoleSignal {
  /** Of the signature: "no-such-program". */
  readonly id: string;
  readonly line: string;
  /** What the line names, in the order in which it does: a path, a symbol. */
  readonly values: readonly string[];
}

export type FailedImage = Omit<CheckInput, "kernel" | "hasModes"> & {
  /** Where it is not known, one is taken that can do everything. */
  readonly kernel?: Kernel | undefined;
};

/**
 * What the console of a failed boot said, matched with what is known of the image: sentences that say more than the
 * console does, the most telling first. Empty where there is nothing to add.
 */
export function explainFailure(signals: readonly ConsoleSignal[], failed: FailedImage): readonly string[] {
  if (!signals.some(({ id }) => id in EXPLAIN)) return [];
  const image = openImage({ ...failed, hasModes: false, kernel: failed.kernel ?? anyKernel });
  const findings = [bootCommandRule, kernelLimitsRule, librariesRule, callsRule].flatMap((rule) => [...rule(image)]);
  const explanations = signals.flatMap((signal) => EXPLAIN[signal.id]?.({ signal, image, findings }) ?? []);
  return [...new Set(explanations)].slice(0, MOST);
}

const MOST = 5;

interface Case {
  readonly signal: ConsoleSignal;
  readonly image: ImageInCheck;
  readonly findings: readonly Finding[];
}

/** By the ids of instances/signatures.ts. */
const EXPLAIN: Readonly<Record<string, (found: Case) => readonly string[]>> = {
  "no-such-program": fromCheck("missing-program", "wrong-machine"),
  "no-runscript": fromCheck("missing-program"),
  "empty-command-line": fromCheck("no-boot-command"),
  "bad-command-line": fromCheck("bad-boot-command"),
  "not-an-elf": fromCheck("not-a-program", "bad-elf", "wrong-machine"),
  "wrong-machine": fromCheck("wrong-machine"),
  "static-program": fromCheck("static-program"),
  "old-kernel-relocation": fromCheck("relocations", "linux-loader", "static-program"),
  "thread-local-storage": fromCheck("thread-local-storage"),
  "thread-local-storage-size": fromCheck("thread-local-storage"),
  "protection-fault": fromCheck("thread-local-storage"),
  "no-interpreter": fromCheck("missing-interpreter", "missing-library"),
  fork: fromCheck("starts-processes"),
  "null-call": fromCheck("missing-library"),
  "missing-symbol-used": fromCheck("missing-library"),
  "library-missing": missingLibrary,
  "symbol-missing": missingSymbol,
};

/** The ids of signatures that there is more to say about. */
export const explainedSignals: readonly string[] = Object.keys(EXPLAIN);

/** What the check finds, for the programs that start. */
function fromCheck(...codes: readonly FindingCode[]): (found: Case) => readonly string[] {
  return ({ findings }) => findings.filter(({ code }) => codes.includes(code)).map(told);
}

function told({ problem, advice }: Finding): string {
  return `${problem} ${advice}`;
}

/** "P: error while loading shared libraries: L: …"; L is P where the loader did not find the program itself. */
function missingLibrary({ signal, image, findings }: Case): readonly string[] {
  const [program = "", library = ""] = signal.values;
  if (library === program) {
    return findings.filter(({ code }) => code === "missing-program" || code === "wrong-machine").map(told);
  }
  const known = image.started.flatMap(({ closure }) =>
    closure.missing
      .filter(({ name }) => name === library)
      .map((missing) => told(missingInClosure(image, closure, missing))),
  );
  if (known.length > 0) return known;
  const remedy = howToGet(library, { ...image, machine: image.kernel.machine });
  return [`${program || "The program"} loads ${library} at run time, and the image lacks it. ${remedy}`];
}

/** "P: failed looking up symbol S (demangled)": a library of the image's is missing, or the kernel's C library lacks it. */
function missingSymbol({ signal, image }: Case): readonly string[] {
  const [object = "", named = ""] = signal.values;
  const [symbol = ""] = named.split(" ", 1);
  if (symbol === "") return [];
  const missing = missingLibraries(image);
  const bringer = missing.find(({ name }) => mayBring(image, name, symbol));
  if (bringer !== undefined) {
    return [
      `${symbol}, which ${object} calls, is in ${bringer.name}, ${lack(image, bringer)}. ${remedy(image, bringer)}`,
    ];
  }
  if (linuxSymbols(image)?.has(symbol) === true && !hasSymbol(image.kernel, symbol)) {
    const way = viaLinux(image.kernel.can.linuxLoader, "build the program without it");
    return [`${symbol}, which ${object} calls, is a function of Linux's C library, and OSv's lacks it. ${way}`];
  }
  const unneeded = libraryInImage(image, symbol);
  if (unneeded !== undefined) {
    return [
      `${symbol}, which ${object} calls, is in ${unneeded}, which is in the image and is not loaded: nothing that starts names it as needed. Link ${object} with it.`,
    ];
  }
  return missing.map(
    (library) => `${symbol} may be in ${library.name}, ${lack(image, library)}. ${remedy(image, library)}`,
  );
}

function missingLibraries({ started }: ImageInCheck): readonly MissingLibrary[] {
  const all = started.flatMap(({ closure }) => closure.missing.map((library) => [library.name, library] as const));
  return [...new Map(all).values()];
}

/** By the file of that name in the image, where the loader does not look, or on this machine. */
function mayBring(image: ImageInCheck, name: string, symbol: string): boolean {
  const onHost = findOnHost(name, { ...image, machine: image.kernel.machine });
  const files = [
    ...image.named(name).map((path) => image.space.find(path)),
    onHost === undefined ? undefined : image.hostSpace?.find(onHost),
  ];
  return files.some((file) => file?.type === "file" && symbolsOf(file).has(symbol));
}

function hasSymbol({ exports }: Kernel, symbol: string): boolean {
  return exports?.has(symbol) === true;
}

/** Looked at in the directories of libraries only. */
const MOST_LIBRARIES = 500;

function libraryInImage({ space, kernel, started }: ImageInCheck, symbol: string): string | undefined {
  const loaded = new Set(started.flatMap(({ closure }) => closure.libraries.map(({ realPath }) => realPath)));
  const paths = libraryDirectories(kernel.machine).flatMap((directory) =>
    (space.list(directory) ?? []).filter((name) => name.includes(".so")).map((name) => `${directory}/${name}`),
  );
  return paths.slice(0, MOST_LIBRARIES).find((path) => {
    const file = space.find(path);
    return file?.type === "file" && !loaded.has(file.realPath) && symbolsOf(file).has(symbol);
  });
}

const anyKernel: Kernel = {
  kind: "osv",
  version: undefined,
  machine: "x86-64",
  title: "the kernel",
  supplies: usuallySupplied("x86-64"),
  exports: undefined,
  can: {
    native: true,
    linuxLoader: "explicit",
    staticPrograms: true,
    tlsLimit: undefined,
    fork: false,
    relocations: undefined,
  },
  libraryPath: ["/", "/usr/lib"],
};
