import { roundUp } from "../../../support/bytes.ts";
import { putU64 } from "../integers.ts";
import { SA_LAYOUTS, SA_MAGIC } from "../layout.ts";
import { BIRTH } from "./output.ts";

/** What the system attributes of a file, directory or link say. */
export interface Attributes {
  /** The whole of st_mode, with the type. */
  readonly mode: number;
  /** Bytes of a file or of the target of a link; entries and 2 of a directory. */
  readonly size: number;
  readonly uid: number;
  readonly gid: number;
  /** The object of the directory that it is in; the root's is itself. */
  readonly parent: number;
  readonly isDirectory: boolean;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly links: number;
  /** Of a link, where it is short enough. */
  readonly target?: Uint8Array | undefined;
}

/** Targets up to this length lie in the dnode, longer ones in a block of their own (zfs_sa.c: zfs_sa_symlink). */
export const MAX_SHORT_TARGET = 136;

/** How long the bonus of a dnode is with these. */
export function attributesLength({ target }: Pick<Attributes, "target">): number {
  return target === undefined ? 8 + FIXED_SIZE : roundUp(16 + FIXED_SIZE + target.length, 8);
}

/** Writes the bonus of a dnode. The places of uid and gid are known to the kernel's accounting. */
export function encodeAttributes(target: Buffer, attributes: Attributes, at: number): void {
  const link = attributes.target;
  const layout = link === undefined ? SA_LAYOUTS.base : SA_LAYOUTS.shortLink;
  const lengths = link === undefined ? ACL_ONLY : [ACL_SIZE, link.length];
  const start = at + encodeHeader(target, { layout: layout.number, lengths }, at);
  let end = start;
  // One call each: an array of them for each of 100,000 files would be garbage by the megabyte.
  end = putWord(target, attributes.mode, end);
  end = putWord(target, attributes.size, end);
  end = putWord(target, BIRTH, end); // generation
  end = putWord(target, attributes.uid, end);
  end = putWord(target, attributes.gid, end);
  end = putWord(target, attributes.parent, end);
  end = putWord(target, attributes.isDirectory ? DIRECTORY_FLAGS : FILE_FLAGS, end);
  // Access, modification, change, creation; seconds and nanoseconds each.
  for (let time = 0; time < 4; time++) end = putWord(target, 0, putWord(target, attributes.mtime, end));
  end = putWord(target, attributes.links, end);
  end = putWord(target, ACL_ENTRIES, end);
  end = encodeAcl(target, attributes.mode, end);
  if (link !== undefined) target.set(link, end);
}

/** The block of a link with a long target. */
export function encodeSpill(target: Uint8Array): Buffer {
  const block = Buffer.alloc(8 + target.length);
  block.set(target, encodeHeader(block, { layout: SA_LAYOUTS.longLink.number, lengths: [target.length] }, 0));
  return block;
}

/** Returns the size of the header. */
function encodeHeader(
  block: Buffer,
  { layout, lengths }: { readonly layout: number; readonly lengths: readonly number[] },
  at: number,
): number {
  const size = roundUp(6 + 2 * lengths.length, 8);
  block.writeUInt32LE(SA_MAGIC, at);
  block.writeUInt16LE(layout | ((size / 8) << 10), at + 4);
  for (const [index, length] of lengths.entries()) block.writeUInt16LE(length, at + 6 + 2 * index);
  return size;
}

/**
 * The access control list that says the same as the permissions. Owners that may do less than their group would need
 * entries of denial; OSv's programs all run as root, and never ask.
 */
function encodeAcl(target: Buffer, mode: number, at: number): number {
  let end = at;
  for (const { flags, base, shift } of ACL_CLASSES) {
    const bits = mode >> shift;
    const granted = (bits & 4 ? ACE_READ : 0) | (bits & 2 ? ACE_WRITE : 0) | (bits & 1 ? ACE_EXECUTE : 0);
    target.writeUInt16LE(0, end); // allow
    target.writeUInt16LE(flags, end + 2);
    target.writeUInt32LE(base | granted, end + 4);
    end += 8;
  }
  return end;
}

/** Returns where the next one goes. Times before 1970 are negative. */
function putWord(target: Buffer, value: number, at: number): number {
  if (value >= 0) putU64(target, value, at);
  else target.writeBigInt64LE(BigInt(value), at);
  return at + 8;
}

/** zfs_znode.h: ZFS_ARCHIVE, ZFS_AV_MODIFIED, ZFS_ACL_TRIVIAL, ZFS_NO_EXECS_DENIED; directories also ZFS_ACL_AUTO_INHERIT. */
const FILE_FLAGS = 0x408_0000_0104;
const DIRECTORY_FLAGS = 0x408_0000_0144;

/** zfs_acl.h and acl.h: owner@, group@ and everyone@, with what they have in any case. */
const ACL_CLASSES = [
  { flags: 0x1000, base: 0x1e0198, shift: 6 },
  { flags: 0x2040, base: 0x120088, shift: 3 },
  { flags: 0x4000, base: 0x120088, shift: 0 },
] as const;
const ACL_ENTRIES = ACL_CLASSES.length;
const ACL_SIZE = 8 * ACL_ENTRIES;
const ACL_ONLY = [ACL_SIZE];
/** Seventeen words, and the list. */
const FIXED_SIZE = 8 * 17 + ACL_SIZE;
const ACE_READ = 0x1;
const ACE_WRITE = 0x6;
const ACE_EXECUTE = 0x20;
