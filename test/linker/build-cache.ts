/** Caches of the dynamic linker, made field by field after sysdeps/generic/dl-cache.h of glibc. */
export interface Entry {
  readonly name: string;
  readonly path: string;
  /** 0x0303 is a library for x86-64. */
  readonly flags?: number;
  /** Index of a subdirectory of glibc-hwcaps. */
  readonly hwcap?: number;
  readonly legacyHwcap?: bigint;
}

export interface CacheSpec {
  readonly byteOrder?: "little" | "big";
  /** The byte that says the byte order; 0 in older ones. */
  readonly orderFlag?: number;
  readonly hwcaps?: readonly string[];
}

export function oldCache(entries: readonly Entry[], spec: CacheSpec = {}): Buffer {
  const strings = new Strings(0);
  const records = entries.map(({ name, path, flags = 0x0303 }) =>
    words(spec, flags, strings.add(name), strings.add(path)),
  );
  return Buffer.concat([Buffer.from("ld.so-1.7.0\0"), words(spec, entries.length), ...records, strings.bytes()]);
}

export function newCache(entries: readonly Entry[], spec: CacheSpec = {}): Buffer {
  const { hwcaps = [], byteOrder = "little" } = spec;
  const strings = new Strings(48 + entries.length * 24);
  const records = entries.map(({ name, path, flags = 0x0303, hwcap, legacyHwcap = 0n }) => {
    const capability = Buffer.alloc(8);
    const value = hwcap === undefined ? legacyHwcap : (1n << 62n) | BigInt(hwcap);
    if (byteOrder === "little") capability.writeBigUInt64LE(value);
    else capability.writeBigUInt64BE(value);
    return Buffer.concat([words(spec, flags, strings.add(name), strings.add(path), 0), capability]);
  });
  const names = words(spec, ...hwcaps.map((name) => strings.add(name)));
  const text = strings.bytes();
  const at = 48 + entries.length * 24 + Math.ceil(text.length / 4) * 4;
  const extension =
    hwcaps.length === 0 ? [] : [words(spec, 0xeaa42174, 2, 0, 0, at, 0, 1, 0, at + 40, names.length), names];
  return Buffer.concat([
    Buffer.from("glibc-ld.so.cache1.1"),
    words(spec, entries.length, text.length),
    Buffer.from([spec.orderFlag ?? 0, 0, 0, 0]),
    words(spec, hwcaps.length === 0 ? 0 : at, 0, 0, 0),
    ...records,
    text,
    Buffer.alloc(at - 48 - entries.length * 24 - text.length),
    ...extension,
  ]);
}

/** The old one, with the new one behind it at a multiple of 8. */
export function bothCaches(old: readonly Entry[], recent: readonly Entry[], spec: CacheSpec = {}): Buffer {
  const head = Buffer.concat([Buffer.from("ld.so-1.7.0\0"), words(spec, old.length), Buffer.alloc(old.length * 12)]);
  return Buffer.concat([head, Buffer.alloc(-head.length & 7), newCache(recent, spec)]);
}

class Strings {
  readonly #parts: Buffer[] = [];
  #at: number;

  constructor(start: number) {
    this.#at = start;
  }

  add(text: string): number {
    const at = this.#at;
    const bytes = Buffer.from(`${text}\0`);
    this.#parts.push(bytes);
    this.#at += bytes.length;
    return at;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

function words({ byteOrder = "little" }: CacheSpec, ...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) {
    if (byteOrder === "little") bytes.writeUInt32LE(value, index * 4);
    else bytes.writeUInt32BE(value, index * 4);
  }
  return bytes;
}
