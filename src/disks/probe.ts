import { dirname, resolve } from "node:path";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { BlockDevice, Closable } from "./block-device.ts";
import { DiskFile } from "./disk-file.ts";
import { type BackingName, MAGIC as QCOW2_MAGIC, unsupportedError } from "./qcow2/layout.ts";
import { qcow2Device } from "./qcow2/reader.ts";
import { rawDevice } from "./raw.ts";
import { vdiDevice } from "./vdi/reader.ts";
import { vhdDevice } from "./vhd/reader.ts";
import { vmdkDevice } from "./vmdk/reader.ts";

/** Container formats by the names that qemu-img has for them; vpc is the VHD of Virtual PC and Hyper-V. */
export type DiskFormat = "raw" | "qcow2" | "vmdk" | "vdi" | "vpc";

/** How many images may lie upon each other. */
export const MAX_CHAIN = 16;

export interface OpenDisk extends Closable {
  readonly format: DiskFormat;
  readonly device: BlockDevice;
}

export interface OpenDiskOptions {
  /**
   * What becomes of an image that lies upon another file: `follow` (the default) opens that too; `refuse` is for images
   * from strangers, which could name any file of this machine.
   */
  readonly backing?: "follow" | "refuse";
}

/** The format of a disk image, told by its content; whatever has no known magic is raw. */
export function probeFormat(path: string): DiskFormat {
  const file = DiskFile.open(path);
  try {
    return probeFile(file);
  } finally {
    file.close();
  }
}

/** Opens a disk image of any of the formats for reading, with all that it lies upon. */
export function openDisk(path: string, options: OpenDiskOptions = {}): OpenDisk {
  const format = probeFormat(path);
  const device = openInChain(path, format, { above: [], backing: options.backing ?? "follow" });
  return { format, device, close: () => device.close() };
}

interface Chain {
  /** The images that lie upon this one, nearest last, and what identifies their files. */
  readonly above: readonly { readonly path: string; readonly identity: string }[];
  readonly backing: "follow" | "refuse";
}

function openInChain(path: string, format: string, chain: Chain): BlockDevice & Closable {
  const file = DiskFile.open(path);
  try {
    checkChain(file, chain);
    if (format !== "qcow2") return openPlain(file, format);
    const above = [...chain.above, { path, identity: file.identity }];
    return qcow2Device(file, (backing) => openBacking(path, backing, { ...chain, above }));
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Formats that never lie upon others, as far as they are read here. */
function openPlain(file: DiskFile, format: string): BlockDevice & Closable {
  switch (format) {
    case "raw":
      return rawDevice(file);
    case "vmdk":
      return vmdkDevice(file);
    case "vdi":
      return vdiDevice(file);
    case "vpc":
      return vhdDevice(file);
    default:
      throw foreignFormatError(file.path, format);
  }
}

function checkChain(file: DiskFile, { above }: Chain): void {
  const { identity } = file;
  if (above.some((image) => image.identity === identity)) {
    throw new CapstanError(`${file.path} is, over its backing files, its own backing file`, {
      code: "backing-loop",
      hint: "Give one of them another backing file with: qemu-img rebase -u",
      details: [...above.map(({ path }) => path), file.path],
    });
  }
  if (above.length > MAX_CHAIN) {
    throw new CapstanError(`${above[0]?.path} lies upon more than ${MAX_CHAIN} other images`, {
      code: "backing-depth",
      hint: "Make one image of them with: qemu-img convert -O qcow2",
    });
  }
}

function openBacking(overlay: string, backing: BackingName, chain: Chain): BlockDevice & Closable {
  if (chain.backing === "refuse") {
    throw new CapstanError(`${overlay} is only the difference to another image, ${backing.path}`, {
      code: "backing-refused",
      hint: `Make a whole image of it first: qemu-img convert -O qcow2 ${overlay} whole.qcow2`,
    });
  }
  const path = resolve(dirname(overlay), localName(overlay, backing.path));
  try {
    return openInChain(path, backing.format ?? probeFormat(path), chain);
  } catch (error) {
    throw isMissing(error, path) ? missingError(overlay, path, error) : error;
  }
}

/** A name with a colon before the first slash has a protocol, or is a description in JSON; only plain files are read. */
function localName(overlay: string, name: string): string {
  const plain = name.startsWith("file:") ? name.slice("file:".length) : name;
  if (/^[^/]*:/.test(plain)) throw unsupportedError(overlay, `the backing file '${name}'`);
  return plain;
}

function isMissing(error: unknown, path: string): boolean {
  return error instanceof CapstanError && error.code === "os-enoent" && error.message.includes(path);
}

function missingError(overlay: string, path: string, cause: unknown): CapstanError {
  return new CapstanError(`${overlay} needs its backing file ${path}, which does not exist`, {
    code: "backing-missing",
    hint: `Put it back, or name its new place: qemu-img rebase -u -b NEW_PATH ${overlay}`,
    exitCode: ExitCode.noInput,
    cause,
  });
}

function foreignFormatError(path: string, format: string): CapstanError {
  return new CapstanError(`${path} is a disk in the format ${format}, which cannot be read`, {
    code: "disk-format",
    hint: `Convert it first: qemu-img convert -O qcow2 ${path} converted.qcow2`,
  });
}

const PROBE_SIZE = 512;
const VPC_FOOTER = "conectix";
/** VirtualBox writes it as a little-endian number, 0xbeda107f. */
const VDI_MAGIC = { offset: 0x40, bytes: Buffer.from([0x7f, 0x10, 0xda, 0xbe]) };
/** Sparse extents of hosted products, of ESX, and the text file that describes extents. */
const VMDK_MAGICS = ["KDMV", "COWD", "# Disk DescriptorFile"];

/**
 * Sources of the magics: qcow2, VDI and VHD as in QEMU's block drivers, VMDK as in VMware's "Virtual Disk Format 5.0".
 * The footer of a VHD fills its last sector, and a growing one has a copy of it at the start.
 */
function probeFile(file: DiskFile): DiskFormat {
  const { size } = file;
  const start = Buffer.alloc(Math.min(PROBE_SIZE, size));
  file.read(start, 0);
  if (start.length >= 4 && start.readUInt32BE(0) === QCOW2_MAGIC) return "qcow2";
  if (VMDK_MAGICS.some((magic) => startsWith(start, magic))) return "vmdk";
  if (start.subarray(VDI_MAGIC.offset, VDI_MAGIC.offset + VDI_MAGIC.bytes.length).equals(VDI_MAGIC.bytes)) return "vdi";
  const end = Buffer.alloc(Math.min(PROBE_SIZE, size));
  file.read(end, size - end.length);
  return startsWith(start, VPC_FOOTER) || startsWith(end, VPC_FOOTER) ? "vpc" : "raw";
}

function startsWith(bytes: Buffer, text: string): boolean {
  return bytes.toString("latin1", 0, text.length) === text;
}
