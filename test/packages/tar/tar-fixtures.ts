import { Buffer } from "node:buffer";

/** A header block made here by hand, so that the tests do not judge the writer by itself. */
export interface RawHeader {
  readonly name: string | Uint8Array;
  readonly type?: string;
  readonly mode?: string;
  readonly size?: string | Uint8Array;
  readonly mtime?: string | Uint8Array;
  readonly linkName?: string;
  readonly magic?: string;
  readonly prefix?: string;
  /** Put in place of the right one. */
  readonly checksum?: string;
}

export const POSIX = "ustar\x0000";
export const OLD_GNU = "ustar  \0";
export const SEVENTH_EDITION = "";

export function header(fields: RawHeader): Buffer {
  const block = Buffer.alloc(512);
  const put = (value: string | Uint8Array, offset: number) =>
    typeof value === "string" ? void block.write(value, offset, "latin1") : block.set(value, offset);
  put(typeof fields.name === "string" ? Buffer.from(fields.name) : fields.name, 0);
  put(fields.mode ?? "0000644\0", 100);
  put("0001750\0", 108);
  put("0001750\0", 116);
  put(fields.size ?? "00000000000\0", 124);
  put(fields.mtime ?? "00000000000\0", 136);
  put("        ", 148);
  put(fields.type ?? "0", 156);
  put(Buffer.from(fields.linkName ?? ""), 157);
  put(fields.magic ?? POSIX, 257);
  put("someone", 265);
  put(fields.prefix ?? "", 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(fields.checksum ?? `${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

export function octal(value: number): string {
  return `${value.toString(8).padStart(11, "0")}\0`;
}

/** Content, filled up to whole blocks. */
export function data(content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

export function file(name: string | Uint8Array, content = "", more: Partial<RawHeader> = {}): Buffer {
  return Buffer.concat([header({ name, size: octal(Buffer.byteLength(content)), ...more }), data(content)]);
}

export function pax(records: Readonly<Record<string, string>>, type = "x"): Buffer {
  const text = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    const length = [1, 2, 3, 4, 5, 6, 7]
      .map((digits) => rest + digits)
      .find((sum) => String(sum).length === sum - rest);
    return `${length} ${key}=${value}\n`;
  });
  const body = Buffer.from(text.join(""));
  return Buffer.concat([header({ name: "pax", type, size: octal(body.length) }), data(body)]);
}

export function gnuLong(type: "L" | "K", value: string): Buffer {
  const body = Buffer.from(`${value}\0`);
  return Buffer.concat([header({ name: "././@LongLink", type, size: octal(body.length), magic: OLD_GNU }), data(body)]);
}

export function end(): Buffer {
  return Buffer.alloc(1024);
}

/** The bytes as a stream of chunks of that size. */
export async function* chunked(bytes: Uint8Array, size = 65536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
