import { FatZapField, ZAP_LEAF_HASH_BITS, ZAP_LEAF_HASH_SIZE } from "./layout.ts";

/** Of the 64 bits that a hash has on disk, only the upper 28 are ever set (zap.c: zap_hashbits). */
export const ZAP_HASH_BITS = 28;

/**
 * The hash of names in a ZAP with this salt (not 0): as the integer of its upper 28 bits, which a leaf's entry holds
 * shifted left by 36. For ZAPs with normalisation flags the name is given in upper case.
 *
 * CRC-64, reflected, polynomial 0xC96C5795D7870F42, over the name without its NUL, starting from the salt
 * (zap_micro.c: zap_hash; spa_misc.c: zfs_crc64_table). Kept as two halves: BigInt costs a microsecond a byte.
 */
export function zapHasher(salt: bigint): (name: Uint8Array) => number {
  const startHigh = Number(salt >> 32n) | 0;
  const startLow = Number(salt & 0xffff_ffffn) | 0;
  const { high: tableHigh, low: tableLow } = crcTable();
  return (name) => {
    let high = startHigh;
    let low = startLow;
    for (const byte of name) {
      const index = (low ^ byte) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (tableLow[index] ?? 0);
      high = (high >>> 8) ^ (tableHigh[index] ?? 0);
    }
    return high >>> (32 - ZAP_HASH_BITS);
  };
}

/** The slot of a pointer table with 2^shift of them. */
export function zapTableIndex(hash: number, shift: number): number {
  return shift === 0 ? 0 : hash >>> (ZAP_HASH_BITS - shift);
}

/** The place in the hash table of a leaf whose prefix has this length. */
export function zapLeafIndex(hash: number, prefixLength: number): number {
  const shift = ZAP_HASH_BITS - ZAP_LEAF_HASH_BITS - prefixLength;
  return (shift >= 0 ? hash >>> shift : hash << -shift) & (ZAP_LEAF_HASH_SIZE - 1);
}

/** Where the salt lies: in a micro ZAP's header, and in a fat one's. */
export const SALT_OFFSET = { micro: 8, fat: FatZapField.salt } as const;

let table: { readonly high: Int32Array; readonly low: Int32Array } | undefined;

function crcTable(): { readonly high: Int32Array; readonly low: Int32Array } {
  if (table !== undefined) return table;
  const high = new Int32Array(256);
  const low = new Int32Array(256);
  for (let index = 0; index < 256; index++) {
    let crc = BigInt(index);
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ (crc & 1n ? POLYNOMIAL : 0n);
    high[index] = Number(crc >> 32n) | 0;
    low[index] = Number(crc & 0xffff_ffffn) | 0;
  }
  table = { high, low };
  return table;
}

const POLYNOMIAL = 0xc96c5795d7870f42n;
