import { roundUp } from "../../../support/bytes.ts";
import { putU64 } from "../integers.ts";
import {
  MICRO_ZAP_ENTRY_SIZE,
  MICRO_ZAP_HEADER_SIZE,
  MICRO_ZAP_MAX_ENTRIES,
  MICRO_ZAP_NAME_MAX,
  MICRO_ZAP_NAME_OFFSET,
  SECTOR_SIZE,
  ZapBlock,
} from "../layout.ts";
import { SALT_OFFSET, zapHasher } from "../zap-hash.ts";
import type { ZapContent, ZapEntry } from "./zap.ts";

export function fitsMicroZap(entries: readonly ZapEntry[]): boolean {
  return (
    entries.length <= MICRO_ZAP_MAX_ENTRIES &&
    entries.every(
      ({ name, value }) =>
        name.length <= MICRO_ZAP_NAME_MAX && (typeof value === "number" || typeof value === "bigint"),
    )
  );
}

/** One block, in whole sectors. */
export function encodeMicroZap({ entries, salt, normFlags = 0 }: ZapContent): Buffer {
  const size = MICRO_ZAP_HEADER_SIZE + entries.length * MICRO_ZAP_ENTRY_SIZE;
  const block = Buffer.alloc(roundUp(size, SECTOR_SIZE));
  block.writeBigUInt64LE(ZapBlock.micro, 0);
  block.writeBigUInt64LE(salt, SALT_OFFSET.micro);
  putU64(block, normFlags, 16);
  const hash = zapHasher(salt);
  const seen = new Map<number, number>();
  let at = MICRO_ZAP_HEADER_SIZE;
  for (const { name, value } of entries) {
    // The hash is not stored: the kernel drops an entry that has hash and differentiator in common with another.
    const key = hash(normFlags === 0 ? name : upperCase(name));
    const differentiator = seen.get(key) ?? 0;
    seen.set(key, differentiator + 1);
    if (typeof value === "bigint") block.writeBigUInt64LE(value, at);
    else if (typeof value === "number") putU64(block, value, at);
    block.writeUInt32LE(differentiator, at + 8);
    block.set(name, at + MICRO_ZAP_NAME_OFFSET);
    at += MICRO_ZAP_ENTRY_SIZE;
  }
  return block;
}

function upperCase(name: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(name).toString().toUpperCase());
}
