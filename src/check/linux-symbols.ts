import { readElfFile } from "../elf/reader.ts";
import type { FoundFile } from "../filesystems/file-space.ts";
import { CapstanError } from "../support/errors.ts";
import type { CheckInput } from "./image.ts";
import { findOnHost } from "./where-on-host.ts";

const C_LIBRARIES: readonly string[] = ["libc.so.6", "libm.so.6", "librt.so.1", "libresolv.so.2", "libcrypt.so.1"];

/**
 * What Linux's C library of this machine has, with the other libraries that the kernel replaces. Undefined where this
 * machine has none that can be read.
 */
export function linuxSymbols({ hostSpace, kernel }: CheckInput): ReadonlySet<string> | undefined {
  if (hostSpace === undefined) return undefined;
  const here = { hostSpace, machine: kernel.machine };
  const symbols = new Set<string>();
  for (const name of new Set([...C_LIBRARIES, ...kernel.supplies])) {
    const path = findOnHost(name, here);
    const file = path === undefined ? undefined : hostSpace.find(path);
    for (const symbol of file === undefined ? [] : symbolsOf(file)) symbols.add(symbol);
  }
  return symbols.size === 0 ? undefined : symbols;
}

/** Empty where the file cannot be read. */
export function symbolsOf(file: FoundFile): ReadonlySet<string> {
  try {
    return new Set(
      readElfFile(file)
        .symbols()
        .defined.map(({ name }) => name),
    );
  } catch (error) {
    if (error instanceof CapstanError) return new Set();
    throw error;
  }
}
