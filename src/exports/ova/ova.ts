import { createHash } from "node:crypto";
import type { BlockDevice } from "../../disks/block-device.ts";
import { DiskFile } from "../../disks/disk-file.ts";
import { type StreamTarget, writeVmdkTo } from "../../disks/vmdk/stream.ts";
import { BLOCK_SIZE, encodeHeader, MAX_OCTAL_NUMBER, paddingOf, TypeFlag } from "../../packages/tar/layout.ts";
import { KiB, roundUp } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";
import { formatOvf, type OvaFlavour, type OvfMachine } from "./ovf.ts";

export interface OvaOptions {
  /** Of the machine, and with other characters replaced of the files in the archive. */
  readonly name: string;
  readonly flavour: OvaFlavour;
  /** In MiB. */
  readonly memory: number;
  readonly cpus: number;
  /** Of the entries, in whole seconds since 1970. */
  readonly mtime: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes of the disk that are behind. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/**
 * Writes a disk as an OVA, at a path where nothing is yet: a tar of the descriptor, its digests and the disk as a
 * stream-optimised VMDK, in this order (DSP0243, 5.3). The disk is written once, to its final place: the two small files
 * before it have a fixed size, and are filled in when its size and digest are known.
 * @throws CapstanError `disk-size`, `file-exists`, `ova-too-large`
 */
export async function writeOva(device: BlockDevice, path: string, options: OvaOptions): Promise<void> {
  const { flavour, memory, cpus, mtime, signal, onProgress } = options;
  const name = safeFileName(options.name);
  const names = { ovf: `${name}.ovf`, manifest: `${name}.mf`, disk: `${name}-disk1.vmdk` };
  const machine = (size: number): OvfMachine => ({
    ...{ name, flavour, memory, cpus },
    capacity: device.size,
    file: { name: names.disk, size },
  });
  const ovfSize = Buffer.byteLength(formatOvf(machine(MAX_OCTAL_NUMBER)));
  const manifestSize = formatManifest(names, ZERO_DIGEST, ZERO_DIGEST).length;
  const places = layOut([ovfSize, manifestSize]);
  const file = DiskFile.create(path);
  try {
    const disk = new HashedPart(file, places.disk);
    const fileName = names.disk;
    const size = await writeVmdkTo(disk, device, { fileName, signal, onProgress });
    if (size > MAX_OCTAL_NUMBER) throw tooLarge(path);
    const ovf = padded(formatOvf(machine(size)), ovfSize);
    const manifest = formatManifest(names, sha256(ovf), disk.digest());
    const put = (entry: string, content: Uint8Array, place: number) => {
      file.write(header(entry, content.length, mtime), place - BLOCK_SIZE);
      file.write(content, place);
    };
    put(names.ovf, ovf, places.ovf);
    put(names.manifest, Buffer.from(manifest), places.manifest);
    file.write(header(names.disk, size, mtime), places.disk - BLOCK_SIZE);
    const end = places.disk + size + paddingOf(size);
    // Two blocks of zeros end a tar, which is written in records of twenty.
    file.truncate(roundUp(end + 2 * BLOCK_SIZE, 20 * BLOCK_SIZE));
    file.sync();
    file.close();
  } catch (error) {
    file.discard();
    throw error;
  }
}

/** Where the contents of the three entries start; before each stands its header. */
function layOut([ovfSize, manifestSize]: readonly [number, number]) {
  const ovf = BLOCK_SIZE;
  const manifest = roundUp(ovf + ovfSize, BLOCK_SIZE) + BLOCK_SIZE;
  const disk = roundUp(manifest + manifestSize, BLOCK_SIZE) + BLOCK_SIZE;
  return { ovf, manifest, disk };
}

/** A part of a file that is written in the order of its bytes, with a digest of all of them. */
class HashedPart implements StreamTarget {
  readonly #file: DiskFile;
  readonly #start: number;
  readonly #hash = createHash("sha256");
  #at = 0;

  constructor(file: DiskFile, start: number) {
    this.#file = file;
    this.#start = start;
  }

  write(bytes: Uint8Array, position: number): void {
    if (position < this.#at) throw new RangeError(`byte ${position} was written already`);
    while (this.#at < position) {
      const zeros = ZEROS.subarray(0, Math.min(ZEROS.length, position - this.#at));
      this.#hash.update(zeros);
      this.#at += zeros.length;
    }
    this.#file.write(bytes, this.#start + position);
    this.#hash.update(bytes);
    this.#at += bytes.length;
  }

  digest(): string {
    return this.#hash.digest("hex");
  }
}

const ZEROS = Buffer.alloc(64 * KiB);
const ZERO_DIGEST = "0".repeat(64);

/** DSP0243, 5.1: a line a file. SHA-256 is what VirtualBox and VMware have read for years, SHA-1 what they read before. */
function formatManifest(names: { readonly ovf: string; readonly disk: string }, ovf: string, disk: string): string {
  return `SHA256(${names.ovf})= ${ovf}\nSHA256(${names.disk})= ${disk}\n`;
}

/** XML may end in white space. */
function padded(text: string, size: number): Buffer {
  const bytes = Buffer.alloc(size, "\n");
  bytes.write(text);
  return bytes;
}

function header(name: string, size: number, mtime: number): Uint8Array {
  return encodeHeader({ type: TypeFlag.file, name, mode: 0o644, size, mtime });
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What is a name in a tar, an XML identifier, and a file name everywhere. */
function safeFileName(name: string): string {
  const text = name.replace(/[^A-Za-z0-9._-]/g, "-").slice(0, 80);
  return text === "" || text.startsWith(".") || text.startsWith("-") ? `image${text}` : text;
}

function tooLarge(path: string): CapstanError {
  return new CapstanError(`${path} would hold a disk file of more than 8 GiB, which its kind of tar cannot express`, {
    code: "ova-too-large",
    hint: "Export the disk alone with --format vmdk-stream.",
  });
}
