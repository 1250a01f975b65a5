/** A version as numbers, most significant first: `7.2.22` is [7, 2, 22]. */
export type Version = readonly number[];

/** The version in the first line of `qemu-system-x86_64 -version`, or undefined when there is none. */
export function parseQemuVersion(text: string): Version | undefined {
  const found = /\bversion (\d{1,4}(?:\.\d{1,4}){1,3})/.exec(text.slice(0, 4096));
  return found?.[1]?.split(".").map(Number);
}

/** Whether `version` is `wanted` or newer. Missing parts count as 0. */
export function isAtLeast(version: Version, wanted: Version): boolean {
  for (let index = 0; index < Math.max(version.length, wanted.length); index++) {
    const difference = (version[index] ?? 0) - (wanted[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
