import type { Kernel } from "./kernel.ts";

/** Its banner, which the kernel has in one piece up to the version (guest/src/main.c). */
const BANNER = "Capstan demo kernel ";

/** The version of Capstan's own kernel, "1.0"; undefined for any other kernel. `start`: the first bytes of the kernel, unpacked. */
export function demoVersion(start: Buffer): string | undefined {
  for (let at = start.indexOf(BANNER); at >= 0; at = start.indexOf(BANNER, at + 1)) {
    const found = /^(\d+(?:\.\d+)+) \(.*not OSv\)/.exec(
      start.toString("latin1", at + BANNER.length, at + BANNER.length + 80),
    );
    if (found?.[1] !== undefined) return found[1];
  }
  return undefined;
}

/** What guest/README.md promises: programs on their own C library, by Linux system calls; one process, one thread. */
export function demoKernel(version: string): Kernel {
  return {
    kind: "demo",
    version,
    machine: "x86-64",
    title: `Capstan's demo kernel ${version}`,
    supplies: new Set(),
    exports: new Set(),
    can: {
      native: false,
      linuxLoader: "interpreter",
      staticPrograms: true,
      tlsLimit: undefined,
      fork: false,
      relocations: undefined,
      zfs: false,
    },
    libraryPath: [],
  };
}
