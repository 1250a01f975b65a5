import { posix } from "node:path";
import { roundUp } from "../support/bytes.ts";
import { type CopiedVariable, copiedVariables } from "./copied-variables.ts";
import type { LaunchRequest } from "./launch.ts";
import { type MissingSymbol, missingSymbols, nativeObjects } from "./missing-symbols.ts";

/** What speaks against a native launch. */
export interface NativeTroubles {
  /** Sentences: with these the program is not expected to run. */
  readonly stops: readonly string[];
  /** Sentences: with these it may run, and often does. */
  readonly notes: readonly string[];
}

/** Sources: OSv core/elf.cc; what about 70 programs of Debian did on both kernels. */
export function nativeTroubles(request: LaunchRequest): NativeTroubles {
  const { kernel, closure, prefersLinux } = request;
  const missing = missingSymbols(closure, kernel);
  const stops = [
    kernel.can.native ? undefined : `${capital(kernel.title)} has no linker and no C library of its own.`,
    prefersLinux?.replace(/[^.]$/, "$&."),
    goTrouble(request),
    tlsTrouble(request),
    relocationTrouble(request),
    relrTrouble(request),
    eagerTrouble(missing, request),
    startTrouble(missing, request),
    earlyCopyTrouble(request),
  ];
  const notes = [laterNote(missing, request)];
  return { stops: stops.filter(isSentence), notes: notes.filter(isSentence) };
}

/** What speaks against the Linux loader, for a dynamic program. */
export function linuxDoubts({ kernel, closure }: LaunchRequest): readonly string[] {
  const { program, interpreter } = closure;
  const wanted = program.elf.interpreter;
  const doubts = [
    kernel.can.linuxLoader === false
      ? `${capital(kernel.title)} cannot start the Linux loader: take an OSv kernel newer than v0.57.0.`
      : undefined,
    wanted === undefined
      ? "The program names no loader: it is a shared object, and not a program for Linux."
      : undefined,
    wanted !== undefined && interpreter === undefined
      ? `The loader of the program, ${wanted}, was not found.`
      : undefined,
    kernel.can.linuxLoader === "explicit" && wanted !== undefined && !GLIBC_LOADER.test(wanted)
      ? `OSv starts the loader of the GNU C library only, and the program wants ${wanted}.`
      : undefined,
  ];
  return doubts.filter(isSentence);
}

/** core/elf.cc, is_linux_dl: by the SONAME, ld-linux-x86-64.so.2 or ld-linux-aarch64.so.1. */
const GLIBC_LOADER = /\/ld-linux[^/]*$/;

export function staticDoubts({ kernel, closure }: LaunchRequest): readonly string[] {
  const { kind, language } = closure.program.elf;
  if (kind !== "static" && kind !== "static-pie")
    return ["The program is linked dynamically: it does not bring all it needs."];
  if (!kernel.can.staticPrograms) {
    return [
      `${capital(kernel.title)} cannot start static programs: take an OSv kernel newer than v0.57.0, or link it dynamically (cc -pie).`,
    ];
  }
  if (language === "go" && kernel.kind === "osv") {
    return ["Static Go programs hang on OSv: build it with 'go build -buildmode=pie', which links it dynamically."];
  }
  return [];
}

function goTrouble({ closure }: LaunchRequest): string | undefined {
  return closure.program.elf.language === "go"
    ? "Go programs bring their own threads and thread-local storage, for which they need the Linux loader."
    : undefined;
}

/** The block is rounded up to its alignment: core/elf.cc, get_aligned_tls_size. Shared objects have no fixed place for theirs. */
function tlsTrouble({ kernel, closure }: LaunchRequest): string | undefined {
  const { tlsSize, tlsAlignment, interpreter } = closure.program.elf;
  const limit = interpreter === undefined ? undefined : kernel.can.tlsLimit;
  const size = roundUp(tlsSize, Math.max(1, tlsAlignment));
  if (limit === undefined || size <= limit) return undefined;
  return `The program has ${size} bytes of thread-local storage, and ${kernel.title} has room for ${limit}.`;
}

function relocationTrouble({ kernel, closure }: LaunchRequest): string | undefined {
  const known = kernel.can.relocations;
  if (known === undefined) return undefined;
  for (const { path, elf } of nativeObjects(closure, kernel)) {
    const strange = [...elf.relocationTypes()].find((type) => !known.has(type));
    if (strange !== undefined) {
      return `The linker of ${kernel.title} does not know relocations of type ${strange}, which ${posix.basename(path)} has.`;
    }
  }
  return undefined;
}

/** Objects with packed relocations ask for this version, so that C libraries from before 2.36 refuse them. */
const RELR_VERSION = "GLIBC_ABI_DT_RELR";

function relrTrouble({ kernel, closure }: LaunchRequest): string | undefined {
  if (kernel.can.ignoresRelr !== true) return undefined;
  const packed = nativeObjects(closure, kernel).find(({ elf }) =>
    elf.versionsNeeded.some(({ versions }) => versions.some(({ name }) => name === RELR_VERSION)),
  );
  if (packed === undefined) return undefined;
  return `${capital(kernel.title)} does not know packed relocations (DT_RELR), which ${posix.basename(packed.path)} has.`;
}

function eagerTrouble(missing: readonly MissingSymbol[], { kernel }: LaunchRequest): string | undefined {
  const eager = missing.filter(({ bound }) => bound === "eager");
  if (eager.length === 0) return undefined;
  return `The program cannot be loaded without variables that ${kernel.title} lacks: ${listed(eager)}.`;
}

/**
 * Functions that whatever asks for them calls in any case: timers for the whole life of a program (Ruby, HAProxy), and what glibc 2.38
 * and later has in the place of strtol, sscanf and the like. Programs that load libselinux ask it for the labels of files.
 */
function isCalledAtStart({ symbol, object }: MissingSymbol): boolean {
  if (symbol === "lgetxattr") return posix.basename(object).startsWith("libselinux.so");
  return /^(timer_create|__isoc23_\w+)$/.test(symbol);
}

function startTrouble(missing: readonly MissingSymbol[], { kernel }: LaunchRequest): string | undefined {
  const called = missing.filter((one) => !one.weak && isCalledAtStart(one));
  if (called.length === 0) return undefined;
  return `The program calls functions that ${kernel.title} lacks, most likely when it starts: ${listed(called)}.`;
}

/** OSv v0.57.0-398 crashes with gawk's __gmp_version, and runs bash, whose copied pointers are null until termcap sets them. */
function earlyCopyTrouble(request: LaunchRequest): string | undefined {
  const copies = earlyCopies(request);
  if (copies.length === 0) return undefined;
  const shown = listed(copies.map(({ symbol, library }) => ({ symbol, object: library.path })));
  return `The program has variables of libraries with addresses in them, which ${request.kernel.title} copies before they are right: ${shown}.`;
}

/** The kernel's own variables are right from the first. */
function earlyCopies({ kernel, closure }: LaunchRequest): readonly CopiedVariable[] {
  if (kernel.can.copiesTooEarly !== true) return [];
  const inImage = new Set(nativeObjects(closure, kernel));
  return copiedVariables(closure).filter(({ library, holdsAddresses }) => inImage.has(library) && holdsAddresses());
}

function laterNote(missing: readonly MissingSymbol[], { kernel }: LaunchRequest): string | undefined {
  const later = missing.filter((one) => one.bound === "lazy" && !one.weak && !isCalledAtStart(one));
  if (later.length === 0) return undefined;
  return `It stops if it comes to call what ${kernel.title} lacks: ${listed(later)}.`;
}

const SHOWN = 6;

/** "a, b (libx.so.1) and 3 more", the program's own first. */
function listed(missing: readonly Pick<MissingSymbol, "symbol" | "object">[]): string {
  const names = [
    ...new Set(
      missing.map(({ symbol, object }) => (LIBRARY.test(object) ? `${symbol} (${posix.basename(object)})` : symbol)),
    ),
  ];
  const shown = names.slice(0, SHOWN).join(", ");
  return names.length > SHOWN ? `${shown} and ${names.length - SHOWN} more` : shown;
}

const LIBRARY = /\.so(\.|$)/;

function isSentence(text: string | undefined): text is string {
  return text !== undefined;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
