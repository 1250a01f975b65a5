import { readElf } from "../elf/reader.ts";
import { CapstanError } from "../support/errors.ts";
import type { Kernel, KernelAbilities, KernelFiles } from "./kernel.ts";
import { kernelFile } from "./kernel-bytes.ts";
import { type KernelElf, kernelElf } from "./kernel-elf.ts";
import { lazy } from "./lazy.ts";
import {
  copiesTooEarly,
  ignoresRelr,
  knownRelocations,
  LEAST_TLS,
  type OsvMachine,
  startsForeignLinkers,
  suppliedNames,
  tlsReserve,
  usuallySupplied,
  versionText,
  zfsRoot,
} from "./osv-facts.ts";

/** An OSv kernel, by its ELF; see `readKernel`. */
export function osvKernel(files: KernelFiles): Kernel {
  const read = lazy(() => readWhatShows(files));
  const supplies = lazy(() => {
    const { elf, exports, machine } = read();
    return elf === undefined ? usuallySupplied(machine) : suppliedNames(elf, exports());
  });
  const can = lazy(() => abilities(read()));
  return {
    kind: "osv",
    get version() {
      return read().version;
    },
    get machine() {
      return read().machine;
    },
    get title() {
      return title(files.name, read());
    },
    get supplies() {
      return supplies();
    },
    get exports() {
      return read().exports();
    },
    get can() {
      return can();
    },
    // core/elf.cc, program::program: set_search_path
    libraryPath: ["/", "/usr/lib"],
  };
}

interface Shown {
  readonly elf: KernelElf | undefined;
  readonly version: string | undefined;
  readonly machine: OsvMachine;
  readonly exports: () => ReadonlySet<string> | undefined;
}

function readWhatShows(files: KernelFiles): Shown {
  const file = whereKnown(() => kernelFile(files));
  const elf = file && kernelElf(file);
  if (file === undefined || elf === undefined) {
    return { elf: undefined, version: undefined, machine: "x86-64", exports: () => undefined };
  }
  const path = files.elf ?? files.image;
  const header = lazy(() => whereKnown(() => readElf(deviceOf(file), path)));
  return {
    elf,
    version: versionText(elf),
    machine: header()?.machine === "aarch64" ? "aarch64" : "x86-64",
    exports: lazy(() =>
      whereKnown(
        () =>
          new Set(
            header()
              ?.symbols()
              .defined.map((symbol) => symbol.name),
          ),
      ),
    ),
  };
}

/** A kernel that makes no sense to us may boot all the same. */
function whereKnown<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof CapstanError && UNREADABLE.has(error.code)) return undefined;
    throw error;
  }
}

const UNREADABLE: ReadonlySet<string> = new Set(["bad-kernel", "not-elf", "bad-elf"]);

function deviceOf(bytes: Buffer) {
  return {
    size: bytes.length,
    read: (target: Uint8Array, offset: number) => target.set(bytes.subarray(offset, offset + target.length)),
  };
}

function abilities({ elf, machine, version }: Shown): KernelAbilities {
  const foreign = elf !== undefined && startsForeignLinkers(elf);
  return {
    native: true,
    linuxLoader: foreign ? "explicit" : false,
    staticPrograms: foreign,
    tlsLimit: (elf && tlsReserve(elf)) ?? LEAST_TLS,
    fork: false,
    relocations: knownRelocations(machine, elf),
    copiesTooEarly: copiesTooEarly(version),
    ignoresRelr: ignoresRelr(version),
    zfs: elf && zfsRoot(elf),
  };
}

function title(name: string, { elf, version }: Shown): string {
  if (version !== undefined) return `OSv ${version}`;
  if (elf !== undefined) return `the OSv of ${name}, which does not tell its version`;
  return `the kernel of ${name}, which cannot be looked into and is taken for OSv v0.57.0`;
}
