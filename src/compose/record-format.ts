import { createHash } from "node:crypto";
import { decodeName, encodeName } from "../support/name-bytes.ts";
import { isRecord } from "../support/records.ts";

/** What the file beside an image holds. */
export interface RecordParts {
  /** Tells the image from all others. */
  readonly image: string;
  /** Of files of this machine. */
  readonly paths: readonly string[];
  /** The same count for each of `paths`. */
  readonly hosts: Float64Array;
  readonly archives: readonly ArchiveNumbers[];
}

export interface ArchiveNumbers {
  readonly path: string;
  readonly identity: string;
  readonly numbers: Float64Array;
}

/**
 * A line of JSON, then numbers as they lie in memory, then the paths, each ended by a NUL: 20,000 files are read in a few
 * milliseconds. It never leaves this machine.
 */
export function packRecord({ image, paths, hosts, archives }: RecordParts): Buffer {
  const numbers = [hosts, ...archives.map((archive) => archive.numbers)];
  const body = Buffer.concat([
    ...numbers.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
    encodeName(paths.length === 0 ? "" : `${paths.join("\0")}\0`),
  ]);
  const counts = archives.map(({ path, identity, numbers: own }) => ({ path, identity, count: own.length }));
  const head = { format: FORMAT, digest: digestOf(body), image, hosts: hosts.length, archives: counts };
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body]);
}

/** Undefined where it is damaged, or of another version. The digest tells damage, not malice: who may write here may write to images. */
export function unpackRecord(bytes: Buffer): RecordParts | undefined {
  const end = bytes.indexOf("\n");
  const head = end === -1 ? undefined : parseHead(bytes.toString("utf8", 0, end));
  if (head === undefined) return undefined;
  const body = bytes.subarray(end + 1);
  if (digestOf(body) !== head.digest) return undefined;
  let at = 0;
  const take = (count: number): Float64Array => {
    const part = body.subarray(at, at + count * Float64Array.BYTES_PER_ELEMENT);
    at += part.length;
    // A copy: numbers must lie at a multiple of their size.
    return new Float64Array(part.buffer.slice(part.byteOffset, part.byteOffset + part.length));
  };
  const hosts = take(head.hosts);
  const archives = head.archives.map(({ path, identity, count }) => ({ path, identity, numbers: take(count) }));
  const paths = decodeName(body.subarray(at)).split("\0");
  paths.pop();
  return { image: head.image, paths, hosts, archives };
}

/** Raised when records of before cannot be read any more. */
const FORMAT = 1;

interface Head {
  readonly format: number;
  readonly digest: string;
  readonly image: string;
  readonly hosts: number;
  readonly archives: readonly { readonly path: string; readonly identity: string; readonly count: number }[];
}

function parseHead(text: string): Head | undefined {
  try {
    const head: unknown = JSON.parse(text);
    // What has our format is ours, once its digest is right.
    return isRecord(head) && head.format === FORMAT && Array.isArray(head.archives)
      ? (head as unknown as Head)
      : undefined;
  } catch {
    return undefined;
  }
}

function digestOf(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}
