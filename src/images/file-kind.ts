import { closeSync, constants as files, openSync, readSync, statSync } from "node:fs";
import { constants, gunzipSync } from "node:zlib";
import { type DiskFormat, type OpenDiskOptions, openDisk } from "../disks/probe.ts";
import { isBootableDisk } from "../store/import-image.ts";
import { CapstanError, doing } from "../support/errors.ts";

/** What a file is, told by its content. */
export interface FileKind {
  /** For people: `QCOW2`, as the original says it; "" for what is not known. */
  readonly name: string;
  /** Whether it can be opened as a disk. */
  readonly isDisk: boolean;
  /** Whether a hypervisor takes it. */
  readonly isRunnable: boolean;
  /** Whether a disk may be packed in it. */
  readonly isArchive: boolean;
  readonly isElf: boolean;
}

/** Errors: CapstanError `not-a-file`, and those of the disk formats for a damaged disk. */
export function fileKind(path: string, options: OpenDiskOptions = {}): FileKind {
  const start = readStart(path);
  const other = MAGICS.find(({ offset, bytes }) => start.subarray(offset, offset + bytes.length).equals(bytes));
  if (other !== undefined) return { ...OTHER, ...other.kind, ...packedKind(start) };
  const disk = openDisk(path, { backing: "refuse", ...options });
  try {
    if (disk.format !== "raw") return { ...DISK, name: NAMES[disk.format] };
    if (isBootableDisk(disk.device)) return { ...DISK, name: NAMES.raw };
    return OTHER;
  } finally {
    disk.close();
  }
}

const NAMES: Readonly<Record<DiskFormat, string>> = {
  raw: "RAW",
  qcow2: "QCOW2",
  vmdk: "VMDK",
  vdi: "VDI",
  vpc: "VHD",
};

const DISK = { isDisk: true, isRunnable: true, isArchive: false, isElf: false } as const;
const OTHER: FileKind = { name: "", isDisk: false, isRunnable: false, isArchive: false, isElf: false };

/** What has a magic number of its own and is no disk by itself. */
const MAGICS = [
  {
    ...{ offset: 0, bytes: Buffer.from("\x7fELF", "latin1") },
    kind: { name: "ELF, a kernel or a program", isRunnable: true, isElf: true },
  },
  { offset: 0, bytes: Buffer.from([0x1f, 0x8b]), kind: { name: "gzip", isArchive: true } },
  { offset: 257, bytes: Buffer.from("ustar"), kind: { name: "tar", isArchive: true } },
  // What is no image here, and is told all the same.
  { offset: 0, bytes: Buffer.from("vhdxfile"), kind: { name: "VHDX, which qemu-img converts" } },
  { offset: 0, bytes: Buffer.from("QED\0"), kind: { name: "QED, which qemu-img converts" } },
  { offset: 0, bytes: Buffer.from("LUKS\xba\xbe", "latin1"), kind: { name: "an encrypted disk" } },
  { offset: 0, bytes: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), kind: { name: "xz" } },
  { offset: 0, bytes: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), kind: { name: "zstd" } },
  { offset: 0, bytes: Buffer.from("PK\x03\x04", "latin1"), kind: { name: "zip" } },
] as const;

/** The first entry of an archive tells what it is for: DSP0243, 5.3; Google's "Import boot disk images". */
function packedKind(start: Buffer): Partial<FileKind> {
  const name = firstEntry(start);
  if (name.endsWith(".ovf")) return { name: "OVA", isRunnable: true };
  if (/^\.?\/?meta(\/|$)/.test(name)) return { name: "a package" };
  return name === "disk.raw" ? { name: "GCE tarball", isRunnable: true } : {};
}

function firstEntry(start: Buffer): string {
  try {
    const isPacked = start.readUInt16BE(0) === 0x1f8b;
    // It is only the start: without this flush, that it is cut off would be an error.
    const bytes = isPacked ? gunzipSync(start, { finishFlush: constants.Z_SYNC_FLUSH }) : start;
    return bytes.toString("latin1", 0, 100).replace(/\0.*$/s, "");
  } catch {
    return "";
  }
}

/** A tar's first header, or enough of a gzip file to hold one. */
const START_SIZE = 4096;

function readStart(path: string): Buffer {
  const start = Buffer.alloc(START_SIZE);
  const length = doing(`Reading ${path}`, () => {
    if (!statSync(path).isFile()) {
      throw new CapstanError(`${path} is not a regular file`, { code: "not-a-file", hint: "Name a disk image." });
    }
    const file = openSync(path, files.O_RDONLY | files.O_NONBLOCK);
    try {
      return readSync(file, start, 0, start.length, 0);
    } finally {
      closeSync(file);
    }
  });
  return start.subarray(0, length);
}
