import type { ReadableDevice } from "./device.ts";

/**
 * How many bytes all files of an image may have together: files can share blocks, have holes and be compressed, but what a
 * forged image says of their sizes would fill any disk that they are copied to, and take for ever to be read.
 */
export function mostContentOn({ size, mostData = size }: ReadableDevice): number {
  return Math.min(size, mostData) * MOST_PER_BYTE;
}

const MOST_PER_BYTE = 1024;
