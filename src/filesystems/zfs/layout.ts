/**
 * Numbers of the on-disk format of ZFS, as far as OSv's kernels know it: FreeBSD's of about 2013, pool versions up to
 * 28 and 5000 with the first feature flags. All integers are little-endian, except in nvlists (XDR) and in the values
 * of fat ZAPs.
 *
 * Sources: OSv's bsd/sys/cddl/contrib/opensolaris/uts/common/fs/zfs/sys/{spa,dmu,dnode,dsl_dir,dsl_dataset,zap_leaf,
 * zap_impl,space_map,uberblock_impl,vdev_impl,zfs_sa,zfs_znode}.h, the same in v0.57.0 and at the head of 2026-08.
 */
import { KiB, MiB } from "../../support/bytes.ts";

/** SPA_MINBLOCKSHIFT: sizes and places are counted in these. */
export const SECTOR_SIZE = 512;
/** SPA_MAXBLOCKSIZE. */
export const MAX_BLOCK_SIZE = 128 * KiB;

/** The version with feature flags (SPA_VERSION_FEATURES), and the oldest and newest without (SPA_VERSION_BEFORE_FEATURES). */
export const POOL_VERSION = 5000;
export const LAST_NUMBERED_VERSION = 28;
/** ZPL_VERSION: with system attributes. */
export const ZPL_VERSION = 5;

/** zio.h: enum zio_checksum. */
export const Checksum = {
  inherit: 0,
  on: 1,
  off: 2,
  label: 3,
  gangHeader: 4,
  zilog: 5,
  fletcher2: 6,
  fletcher4: 7,
  sha256: 8,
} as const;

/** zio.h: enum zio_compress; gzip-1 to gzip-9 are 5 to 13. */
export const Compression = {
  inherit: 0,
  on: 1,
  off: 2,
  lzjb: 3,
  empty: 4,
  gzip1: 5,
  gzip9: 13,
  zle: 14,
  lz4: 15,
} as const;

/** dmu.h: enum dmu_object_type; all that occur in pools of OSv. */
export const ObjectType = {
  none: 0,
  objectDirectory: 1,
  objectArray: 2,
  packedNvlist: 3,
  packedNvlistSize: 4,
  bpobj: 5,
  bpobjHeader: 6,
  spaceMapHeader: 7,
  spaceMap: 8,
  intentLog: 9,
  dnode: 10,
  objset: 11,
  dslDir: 12,
  childMap: 13,
  snapshotMap: 14,
  dslProps: 15,
  dslDataset: 16,
  znode: 17,
  oldAcl: 18,
  plainFile: 19,
  directory: 20,
  masterNode: 21,
  deleteQueue: 22,
  nextClones: 37,
  userGroupUsed: 39,
  sa: 44,
  saMaster: 45,
  saRegistry: 46,
  saLayouts: 47,
  deadlist: 50,
  deadlistHeader: 51,
  dslClones: 52,
  /** DMU_OTN_ZAP_METADATA: the three ZAPs of feature flags. */
  metadataZap: 0xc4,
} as const;

/** dmu_objset.h and dmu.h: enum dmu_objset_type. */
export const ObjsetType = { meta: 1, zpl: 2 } as const;
/** OBJSET_FLAG_USERACCOUNTING_COMPLETE. */
export const OBJSET_USER_ACCOUNTED = 1;
/** An objset block: meta dnode, ZIL header (192 bytes), type and flags (u64 each), user-used and group-used dnode. */
export const OBJSET_SIZE = 2048;
export const ObjsetField = {
  metaDnode: 0,
  zilHeader: 512,
  type: 704,
  flags: 712,
  userUsed: 1024,
  groupUsed: 1536,
} as const;
/** OBJSET_OLD_PHYS_SIZE: without user accounting. */
export const OBJSET_OLD_SIZE = 1024;

/** dmu.h: DMU_POOL_DIRECTORY_OBJECT, and zfs_znode.h: MASTER_NODE_OBJ. */
export const OBJECT_DIRECTORY = 1;
export const MASTER_NODE = 1;

/** blkptr_t. */
export const BLOCK_POINTER_SIZE = 128;

/** dnode.h. */
export const DNODE_SIZE = 512;
export const DNODE_BLOCK_SIZE = 16 * KiB;
export const INDIRECT_SHIFT = 14;
export const INDIRECT_BLOCK_SIZE = 1 << INDIRECT_SHIFT;
/** Pointers in an indirect block of 16 KiB. */
export const POINTERS_PER_INDIRECT = INDIRECT_BLOCK_SIZE / BLOCK_POINTER_SIZE;
/** Where the pointers of a dnode start; the bonus follows them. */
export const DNODE_HEAD_SIZE = 64;
export const DNODE_SPILL_OFFSET = DNODE_SIZE - BLOCK_POINTER_SIZE;
/** DN_MAX_BONUSLEN; a spill pointer takes 128 bytes of it. */
export const MAX_BONUS = 320;
/** DN_META_DNODE_LEVELS: the kernel gives the meta dnode of every data set this many from the start. */
export const META_DNODE_LEVELS = 7;
/** Flags of a dnode: DNODE_FLAG_USED_BYTES, _USERUSED_ACCOUNTED, _SPILL_BLKPTR. */
export const DnodeFlag = { usedInBytes: 1, userAccounted: 2, spill: 4 } as const;

/** vdev_impl.h: the parts of each of the four labels. */
export const LABEL_SIZE = 256 * KiB;
export const LABEL_NVLIST_OFFSET = 16 * KiB;
export const LABEL_NVLIST_SIZE = 112 * KiB;
export const UBERBLOCK_RING_OFFSET = 128 * KiB;
export const UBERBLOCK_RING_SIZE = 128 * KiB;
/** One slot with an ashift up to 10; else 1 << ashift (VDEV_UBERBLOCK_SHIFT). */
export const UBERBLOCK_SIZE = KiB;
/** Where block addresses start: two labels and the boot area (VDEV_LABEL_START_SIZE); and the two labels at the end. */
export const DATA_START = 4 * MiB;
export const DATA_END_RESERVE = 2 * LABEL_SIZE;
/** SPA_MINDEVSIZE. */
export const MIN_PARTITION_SIZE = 64 * MiB;
export const ASHIFT = 9;

/** zio_impl.h: ZEC_MAGIC; the last 40 bytes of a label's nvlist area and of an uberblock are this and four words. */
export const EMBEDDED_CHECKSUM_MAGIC = 0x0210da7ab10c7a11n;
export const EMBEDDED_CHECKSUM_SIZE = 40;
/** uberblock_impl.h: UBERBLOCK_MAGIC. */
export const UBERBLOCK_MAGIC = 0x00bab10c;

/** ZAPs. The first u64 of a block: ZBT_MICRO, ZBT_HEADER, ZBT_LEAF, all with bit 63. */
export const ZapBlock = {
  leaf: 0x8000000000000000n,
  header: 0x8000000000000001n,
  micro: 0x8000000000000003n,
} as const;
export const MICRO_ZAP_HEADER_SIZE = 64;
export const MICRO_ZAP_ENTRY_SIZE = 64;
/** Bytes of a name, without the NUL (MZAP_NAME_LEN - 1). */
export const MICRO_ZAP_NAME_MAX = 49;
export const MICRO_ZAP_NAME_OFFSET = 14;
/** MZAP_MAX_BLKSZ / MZAP_ENT_LEN - 1. */
export const MICRO_ZAP_MAX_ENTRIES = 2047;

/** zap_impl.h: ZAP_MAGIC, fzap_default_block_shift. */
export const FAT_ZAP_MAGIC = 0x2f52ab2abn;
export const FAT_ZAP_BLOCK_SHIFT = 14;
/** Fields of the header block (zap_phys_t), u64 each; the embedded pointer table is its second half. */
export const FatZapField = {
  magic: 8,
  tableBlock: 16,
  tableBlocks: 24,
  tableShift: 32,
  freeBlock: 56,
  leafCount: 64,
  entryCount: 72,
  salt: 80,
  normFlags: 88,
  flags: 96,
} as const;
/** zap_leaf.h: ZAP_LEAF_MAGIC, the fields of a leaf, its hash table and its chunks (with blocks of 16 KiB). */
export const ZAP_LEAF_MAGIC = 0x02ab1eaf;
export const ZapLeafField = {
  prefix: 16,
  magic: 24,
  freeChunks: 28,
  entryCount: 30,
  prefixLength: 32,
  freeList: 34,
  flags: 36,
  hashTable: 48,
} as const;
export const ZAP_LEAF_HASH_BITS = 9;
export const ZAP_LEAF_HASH_SIZE = 1 << ZAP_LEAF_HASH_BITS;
export const ZAP_CHUNK_SIZE = 24;
export const ZAP_CHUNKS_OFFSET = ZapLeafField.hashTable + 2 * ZAP_LEAF_HASH_SIZE;
export const ZAP_CHUNK_COUNT = 638;
/** Bytes of a name or value in one chunk of type array. */
export const ZAP_ARRAY_BYTES = 21;
/** The u8 at the start of a chunk. */
export const ZapChunk = { array: 251, entry: 252, free: 253 } as const;
/** CHAIN_END. */
export const ZAP_CHAIN_END = 0xffff;

/** Bonus of a DSL directory (dsl_dir_phys_t): offsets of its u64 words. */
export const DSL_DIR_SIZE = 256;
export const DslDirField = {
  creationTime: 0,
  headDataset: 8,
  parent: 16,
  origin: 24,
  childMap: 32,
  used: 40,
  compressed: 48,
  uncompressed: 56,
  quota: 64,
  reserved: 72,
  props: 80,
  deleg: 88,
  flags: 96,
  usedHead: 104,
  usedSnapshots: 112,
  usedChildren: 120,
  usedChildReserve: 128,
  usedRefReserve: 136,
  clones: 144,
} as const;
/** DD_FLAG_USED_BREAKDOWN. */
export const DSL_DIR_USED_BREAKDOWN = 1;

/** Bonus of a DSL data set (dsl_dataset_phys_t): offsets of its u64 words, and of the pointer to its objset. */
export const DSL_DATASET_SIZE = 320;
export const DslDatasetField = {
  directory: 0,
  previousSnapshot: 8,
  previousSnapshotTxg: 16,
  nextSnapshot: 24,
  snapshotNames: 32,
  childCount: 40,
  creationTime: 48,
  creationTxg: 56,
  deadlist: 64,
  referenced: 72,
  compressed: 80,
  uncompressed: 88,
  unique: 96,
  fsidGuid: 104,
  guid: 112,
  flags: 120,
  blockPointer: 128,
  nextClones: 256,
  props: 264,
  userRefs: 272,
} as const;
/** DS_FLAG_UNIQUE_ACCURATE. */
export const DSL_DATASET_UNIQUE_ACCURATE = 4;

/**
 * Space maps: one u64 an entry. Bits 0-14 the length - 1 and 16-62 the place, in sectors; bit 15 says free; bit 63 an
 * entry for debugging, which is skipped. The bonus is three u64: own object number, length in bytes, bytes allocated.
 */
export const SPACE_MAP_BONUS_SIZE = 24;
export const SPACE_MAP_MAX_RUN = 32768;
export const SPACE_MAP_BLOCK_SIZE = 4 * KiB;

/** sa_impl.h: SA_MAGIC. A header is this as u32, a u16 (bits 0-9 layout, 10-15 size of the header / 8), u16 lengths. */
export const SA_MAGIC = 0x2f505a;

/** zfs_sa.c: the attributes that the ZPL registers, in the order of their numbers. Length 0 is variable. */
export const SA_ATTRIBUTES = [
  { name: "ZPL_ATIME", length: 16, byteswap: 0 },
  { name: "ZPL_MTIME", length: 16, byteswap: 0 },
  { name: "ZPL_CTIME", length: 16, byteswap: 0 },
  { name: "ZPL_CRTIME", length: 16, byteswap: 0 },
  { name: "ZPL_GEN", length: 8, byteswap: 0 },
  { name: "ZPL_MODE", length: 8, byteswap: 0 },
  { name: "ZPL_SIZE", length: 8, byteswap: 0 },
  { name: "ZPL_PARENT", length: 8, byteswap: 0 },
  { name: "ZPL_LINKS", length: 8, byteswap: 0 },
  { name: "ZPL_XATTR", length: 8, byteswap: 0 },
  { name: "ZPL_RDEV", length: 8, byteswap: 0 },
  { name: "ZPL_FLAGS", length: 8, byteswap: 0 },
  { name: "ZPL_UID", length: 8, byteswap: 0 },
  { name: "ZPL_GID", length: 8, byteswap: 0 },
  { name: "ZPL_PAD", length: 32, byteswap: 0 },
  { name: "ZPL_ZNODE_ACL", length: 88, byteswap: 3 },
  { name: "ZPL_DACL_COUNT", length: 8, byteswap: 0 },
  { name: "ZPL_SYMLINK", length: 0, byteswap: 3 },
  { name: "ZPL_SCANSTAMP", length: 32, byteswap: 3 },
  { name: "ZPL_DACL_ACES", length: 0, byteswap: 4 },
] as const;

/** Layouts of attributes, as OSv's kernel numbers them: a file or directory; with a short link; the spill of a long link. */
export const SA_LAYOUTS = {
  base: { number: 2, attributes: [5, 6, 4, 12, 13, 7, 11, 0, 1, 2, 3, 8, 16, 19] },
  shortLink: { number: 3, attributes: [5, 6, 4, 12, 13, 7, 11, 0, 1, 2, 3, 8, 16, 19, 17] },
  longLink: { number: 4, attributes: [17] },
} as const;

/** Values of directory entries: object number in bits 0-47, d_type in bits 60-63 (ZFS_DIRENT_OBJ, ZFS_DIRENT_TYPE). */
export const DirentType = { directory: 4, file: 8, symlink: 10 } as const;

/** The type bits of st_mode. */
export const ModeType = { mask: 0o170000, directory: 0o040000, file: 0o100000, symlink: 0o120000 } as const;

/** The features that OSv's kernels know (zfeature_common.c), with what feature_descriptions says of them. */
export const KNOWN_FEATURES = {
  "org.illumos:lz4_compress": { forRead: true, description: "LZ4 compression algorithm support." },
  "com.delphix:async_destroy": { forRead: false, description: "Destroy filesystems asynchronously." },
  "com.delphix:empty_bpobj": { forRead: false, description: "Snapshots use less space." },
} as const;
