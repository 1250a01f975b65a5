import { encodeName } from "../../../support/name-bytes.ts";
import type { TreeEntry } from "../../filetree.ts";
import { byteLength, sortByBytes } from "../../names.ts";
import { bonusOffset, pointerCountFor } from "../dnode.ts";
import {
  DirentType,
  DNODE_SIZE,
  DnodeFlag,
  META_DNODE_LEVELS,
  ModeType,
  OBJSET_USER_ACCOUNTED,
  ObjectType,
  ObjsetType,
  SA_ATTRIBUTES,
  SA_LAYOUTS,
  ZPL_VERSION,
} from "../layout.ts";
import { nodeOf, objectOf, ROOT_OBJECT, type ZfsNode, type ZfsPlan } from "../plan.ts";
import { type Attributes, attributesLength, encodeAttributes, encodeSpill, MAX_SHORT_TARGET } from "./attributes.ts";
import type { ObjectTable } from "./object-table.ts";
import { emptyObject, encodeDnode, type WrittenObjset, writeDnodes, writeObjset } from "./objset.ts";
import type { PoolOutput, Usage } from "./output.ts";
import { type WrittenObject, writeSingleBlock, writeZap, type ZapEntry } from "./zap.ts";

/** Object numbers of what every file system has (zfs_znode.c: zfs_create_fs); the kernel finds them by name. */
const Fixed = {
  master: 1,
  saMaster: 2,
  deleteQueue: 3,
  root: ROOT_OBJECT,
  registry: 5,
  layouts: 6,
  shares: 7,
} as const;
const SHARES_MODE = ModeType.directory | 0o555;

export interface FileSystemOptions {
  readonly plan: Pick<ZfsPlan, "nodes" | "latestTime">;
  /** What was written of the files, by their index in `nodes`; directories and links are added. */
  readonly objects: ObjectTable;
  /** With what the files take already. */
  readonly usage: Usage;
}

/** Writes a data set, but for the contents of its files: directories, links, dnodes, and the block it hangs on. */
export function writeFileSystem(output: PoolOutput, { plan, objects, usage }: FileSystemOptions): WrittenObjset {
  const { nodes } = plan;
  for (const [index, node] of nodes.entries()) {
    const { entry } = node;
    if (entry.type === "directory") objects.set(index, writeDirectory(output, { nodes, node, index, usage }));
    else if (entry.type === "symlink") {
      const spill = writeLongTarget(output, entry.target, usage);
      if (spill !== undefined) objects.set(index, spill);
    }
  }
  const fixed = writeFixedObjects(output, usage);
  const accounting = new Accounting();
  const dnodes = writeDnodes(output, {
    count: nodes.length === 1 ? Fixed.shares + 1 : objectOf(nodes.length - 1) + 1,
    levels: META_DNODE_LEVELS,
    usage,
    encode: (object, target, at) => {
      const index = nodeOf(object);
      const node = index === undefined ? undefined : nodes[index];
      if (node !== undefined && index !== undefined) {
        const written = objects.get(index);
        encodeNode(target, { node, written, latestTime: plan.latestTime }, at);
        accounting.add(node.entry, written.used);
        return true;
      }
      const found = fixed.get(object);
      if (found === undefined) return false;
      encodeFixed(target, found, at);
      if (object === Fixed.shares) accounting.add({}, found.object.used);
      return true;
    },
  });
  const kind = { type: ObjectType.userGroupUsed, pointerCount: 3, usage };
  const users = writeZap(output, { entries: accounting.users(), salt: 1n }, kind);
  const groups = writeZap(output, { entries: accounting.groups(), salt: 2n }, kind);
  return writeObjset(output, {
    type: ObjsetType.zpl,
    flags: OBJSET_USER_ACCOUNTED,
    accounting: { users, groups },
    ...{ dnodes, usage },
  });
}

interface DirectoryPlace {
  readonly nodes: readonly ZfsNode[];
  readonly node: ZfsNode;
  readonly index: number;
  readonly usage: Usage;
}

function writeDirectory(output: PoolOutput, { nodes, node, index, usage }: DirectoryPlace): WrittenObject {
  const names = node.entry.type === "directory" ? sortByBytes(node.entry.children.keys()) : [];
  const entries = names.map((name, place): ZapEntry => {
    const object = node.children[place] ?? 0;
    const child = nodes[nodeOf(object) ?? 0]?.entry;
    const type = DirentType[child?.type ?? "file"];
    return { name: encodeName(name), value: BigInt(object) | (BigInt(type) << 60n) };
  });
  return writeZap(output, { entries, salt: SALT + BigInt(objectOf(index)) }, directoryKind(usage));
}

/** Ours: any number but 0 does. */
const SALT = 0x5a_0000_0000n;

function directoryKind(usage: Usage) {
  return { type: ObjectType.directory, pointerCount: 1, usage };
}

/** The pointer of the block with the target; undefined where the dnode has room for it. */
function writeLongTarget(output: PoolOutput, target: string, usage: Usage): WrittenObject | undefined {
  if (byteLength(target) <= MAX_SHORT_TARGET) return undefined;
  return writeSingleBlock(output, encodeSpill(encodeName(target)), { type: ObjectType.sa, pointerCount: 1, usage });
}

interface NodePlace {
  readonly node: ZfsNode;
  readonly written: WrittenObject;
  readonly latestTime: number;
}

function encodeNode(target: Buffer, { node, written, latestTime }: NodePlace, at: number): void {
  const { entry, parent, links } = node;
  const isLong = entry.type === "symlink" && byteLength(entry.target) > MAX_SHORT_TARGET;
  const attributes: Attributes = {
    mode: ModeType[entry.type] | entry.mode,
    size: sizeOf(entry),
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    parent,
    isDirectory: entry.type === "directory",
    mtime: Math.min(entry.mtime, latestTime),
    links,
    target: entry.type === "symlink" && !isLong ? encodeName(entry.target) : undefined,
  };
  const type = entry.type === "directory" ? ObjectType.directory : ObjectType.plainFile;
  if (!isLong) encodeSaDnode(target, { type, object: written, attributes }, at);
  else
    encodeSaDnode(
      target,
      { type, object: { ...NOTHING, used: written.used }, attributes, spill: written.pointers },
      at,
    );
}

function sizeOf(entry: TreeEntry): number {
  if (entry.type === "file") return entry.size;
  return entry.type === "symlink" ? byteLength(entry.target) : entry.children.size + 2;
}

interface SaDnode {
  readonly type: number;
  readonly object: WrittenObject;
  readonly attributes: Attributes;
  /** The pointer to the block of a long link. */
  readonly spill?: Buffer;
}

const NOTHING = emptyObject(1);

function encodeSaDnode(target: Buffer, { type, object, attributes, spill }: SaDnode, at: number): void {
  const bonusLength = attributesLength(attributes);
  const flags = DnodeFlag.userAccounted;
  encodeDnode(target, { type, object, sa: true, spill, bonusType: ObjectType.sa, bonusLength, flags }, at);
  encodeAttributes(target, attributes, at + SA_BONUS_OFFSET);
}

const SA_BONUS_OFFSET = bonusOffset({ pointerCount: pointerCountFor("sa") });

interface FixedObject {
  readonly type: number;
  readonly object: WrittenObject;
  readonly attributes?: Attributes;
}

function writeFixedObjects(output: PoolOutput, usage: Usage): ReadonlyMap<number, FixedObject> {
  const zap = (object: number, type: number, entries: readonly ZapEntry[]): [number, FixedObject] => [
    object,
    { type, object: writeZap(output, { entries, salt: SALT + BigInt(object) }, { type, pointerCount: 3, usage }) },
  ];
  const shares = writeZap(output, { entries: [], salt: SALT + BigInt(Fixed.shares) }, directoryKind(usage));
  return new Map([
    zap(
      Fixed.master,
      ObjectType.masterNode,
      numbers({
        ...{ ROOT: Fixed.root, DELETE_QUEUE: Fixed.deleteQueue, SA_ATTRS: Fixed.saMaster, SHARES: Fixed.shares },
        ...{ VERSION: ZPL_VERSION, normalization: 0, utf8only: 0, casesensitivity: 0 },
      }),
    ),
    zap(Fixed.saMaster, ObjectType.saMaster, numbers({ LAYOUTS: Fixed.layouts, REGISTRY: Fixed.registry })),
    zap(Fixed.deleteQueue, ObjectType.deleteQueue, []),
    zap(
      Fixed.registry,
      ObjectType.saRegistry,
      SA_ATTRIBUTES.map(({ name, length, byteswap }, number) => ({
        name: Buffer.from(name),
        value: length * 2 ** 24 + byteswap * 2 ** 16 + number,
      })),
    ),
    zap(
      Fixed.layouts,
      ObjectType.saLayouts,
      Object.values(SA_LAYOUTS).map(({ number, attributes }) => ({
        name: Buffer.from(`${number}`),
        value: attributes,
      })),
    ),
    [Fixed.shares, { type: ObjectType.directory, object: shares, attributes: SHARES }],
  ]);
}

const SHARES: Attributes = {
  ...{ mode: SHARES_MODE, size: 2, uid: 0, gid: 0, parent: Fixed.shares, isDirectory: true, mtime: 0, links: 2 },
};

function encodeFixed(target: Buffer, { type, object, attributes }: FixedObject, at: number): void {
  if (attributes === undefined) {
    encodeDnode(target, { type, object, flags: DnodeFlag.userAccounted }, at);
    return;
  }
  encodeSaDnode(target, { type, object, attributes }, at);
}

export function numbers(values: Readonly<Record<string, number>>): ZapEntry[] {
  return Object.entries(values).map(([name, value]) => ({ name: Buffer.from(name), value }));
}

/** What belongs to each user and group: the dnode and all blocks of their files (zfs_vfsops.c: zfs_space_delta_cb). */
class Accounting {
  readonly #users = new Map<number, number>();
  readonly #groups = new Map<number, number>();

  add({ uid = 0, gid = 0 }: Pick<TreeEntry, "uid" | "gid">, used: number): void {
    this.#users.set(uid, (this.#users.get(uid) ?? 0) + DNODE_SIZE + used);
    this.#groups.set(gid, (this.#groups.get(gid) ?? 0) + DNODE_SIZE + used);
  }

  users(): ZapEntry[] {
    return entriesOf(this.#users);
  }

  groups(): ZapEntry[] {
    return entriesOf(this.#groups);
  }
}

function entriesOf(sums: ReadonlyMap<number, number>): ZapEntry[] {
  return [...sums].map(([id, value]) => ({ name: Buffer.from(id.toString(16)), value }));
}
