import type { ElfBytes } from "./bytes.ts";
import type { Dynamic } from "./dynamic.ts";
import type { Section } from "./headers.ts";
import { readRelocatedAddresses } from "./relocations.ts";
import { readVariables } from "./symbols.ts";

/** The names of the variables that relocations write into: they hold addresses. Errors: CapstanError `bad-elf`. */
export function readRelocatedVariables(
  bytes: ElfBytes,
  dynamic: Dynamic | undefined,
  sections: readonly Section[],
): ReadonlySet<string> {
  const addresses = Float64Array.from(readRelocatedAddresses(bytes, dynamic)).sort();
  const variables = readVariables(bytes, dynamic, sections);
  return new Set(variables.filter(({ start, end }) => firstFrom(addresses, start) < end).map(({ name }) => name));
}

/** The first of the sorted addresses that is not below another; infinity without one. */
function firstFrom(addresses: Float64Array, least: number): number {
  let low = 0;
  for (let high = addresses.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((addresses[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return addresses[low] ?? Number.POSITIVE_INFINITY;
}
