export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;

/** The smallest multiple of `unit` that is not below `value`. Exact for integers below 2^53. */
export function roundUp(value: number, unit: number): number {
  const rest = value % unit;
  return rest === 0 ? value : value - rest + unit;
}

/** `1.4 MiB`: in powers of 1024. */
export function formatSize(bytes: number): string {
  if (bytes < KiB) return `${bytes} B`;
  let value = bytes;
  let unit = "";
  for (unit of ["KiB", "MiB", "GiB", "TiB"]) {
    value /= KiB;
    if (value < 1000) break;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** Whether every byte is zero. Runs at memory speed: compares against a zeroed buffer of the same length. */
export function isZero(bytes: Uint8Array): boolean {
  for (let start = 0; start < bytes.length; start += ZEROS.length) {
    const length = Math.min(ZEROS.length, bytes.length - start);
    const view = Buffer.from(bytes.buffer, bytes.byteOffset + start, length);
    if (view.compare(ZEROS, 0, length) !== 0) return false;
  }
  return true;
}

const ZEROS = Buffer.alloc(64 * KiB);
