import { execFileSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import { encodeHeader, paddingOf, TRAILER } from "../../src/filesystems/cpio/layout.ts";

/** An ar archive. */
export function ar(members: Readonly<Record<string, Uint8Array>>): Buffer {
  const parts: Uint8Array[] = [Buffer.from("!<arch>\n")];
  for (const [name, bytes] of Object.entries(members)) {
    const header = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(bytes.length).padEnd(10)}\`\n`;
    parts.push(Buffer.from(header, "latin1"), bytes, Buffer.alloc(bytes.length % 2));
  }
  return Buffer.concat(parts);
}

/** The content of a folder as tar, packed by the program of that name. */
export function tarOf(folder: string, pack: "none" | "gzip" | "xz" | "zstd" | "bzip2" = "none"): Buffer {
  const tar = execFileSync("tar", ["cf", "-", "--owner=0", "--group=0", "-C", folder, "."], { maxBuffer: 1 << 28 });
  if (pack === "none") return tar;
  return execFileSync(pack, ["-c"], { input: tar, maxBuffer: 1 << 28 });
}

export interface DebParts {
  readonly folder: string;
  /** Of the control file, without `Package`, `Version` and the like that every package has. */
  readonly control?: string;
  readonly pack?: Parameters<typeof tarOf>[1];
  readonly controlTar: Buffer;
}

const ENDINGS = { none: "", gzip: ".gz", xz: ".xz", zstd: ".zst", bzip2: ".bz2" } as const;

export function deb({ folder, pack = "gzip", controlTar }: DebParts): Buffer {
  return ar({
    "debian-binary": Buffer.from("2.0\n"),
    "control.tar.gz": gzipSync(controlTar),
    [`data.tar${ENDINGS[pack]}`]: tarOf(folder, pack),
  });
}

export interface CpioFile {
  readonly path: string;
  /** With its type: 0o100755. */
  readonly mode: number;
  readonly content?: string | Uint8Array;
  readonly inode?: number;
  readonly links?: number;
}

export function cpio(files: readonly CpioFile[]): Buffer {
  const parts: Buffer[] = [];
  for (const [index, { path, mode, content = "", inode = index + 1, links = 1 }] of [
    ...files,
    { path: TRAILER, mode: 0 } as CpioFile,
  ].entries()) {
    const name = Buffer.from(`${path}\0`);
    const bytes = Buffer.from(content);
    const header = encodeHeader({
      inode,
      mode,
      linkCount: links,
      mtime: 1_000_000,
      size: bytes.length,
      nameSize: name.length,
    });
    const padded = (buffer: Buffer) => Buffer.concat([buffer, Buffer.alloc(paddingOf(buffer.length))]);
    parts.push(padded(Buffer.concat([header, name])), padded(bytes));
  }
  return Buffer.concat(parts);
}

/** An RPM of version 3: lead, signature, header with what a reader asks for, packed files; `compressor` null: nothing is said of it. */
export function rpm(payload: Buffer, compressor: string | null = "gzip", format = "cpio"): Buffer {
  const lead = Buffer.alloc(96);
  lead.writeUInt32BE(0xedabeedb, 0);
  const signature = header([[1000, "nothing"]]);
  const padding = Buffer.alloc((8 - ((lead.length + signature.length) % 8)) % 8);
  return Buffer.concat([
    lead,
    signature,
    padding,
    header([[1124, format], ...(compressor === null ? [] : [[1125, compressor] as const])]),
    payload,
  ]);
}

function header(texts: readonly (readonly [tag: number, text: string])[]): Buffer {
  const store = Buffer.from(texts.map(([, text]) => `${text}\0`).join(""), "latin1");
  const start = Buffer.alloc(16);
  start.writeUInt32BE(0x8eade801, 0);
  start.writeUInt32BE(texts.length, 8);
  start.writeUInt32BE(store.length, 12);
  let offset = 0;
  const entries = texts.map(([tag, text]) => {
    const entry = Buffer.alloc(16);
    for (const [index, value] of [tag, 6, offset, 1].entries()) entry.writeUInt32BE(value, index * 4);
    offset += text.length + 1;
    return entry;
  });
  return Buffer.concat([start, ...entries, store]);
}
