import { corrupt, unsupported } from "../errors.ts";
import { getU64 } from "../integers.ts";
import { ObjectType, SA_MAGIC } from "../layout.ts";
import type { Objset, ZfsObject } from "./object.ts";
import { readZap, readZapNumbers, zapNumber } from "./zap.ts";

/** What a file system says of a file, directory or link. */
export interface Attributes {
  /** st_mode: type and permission bits. */
  readonly mode: number;
  readonly size: number;
  readonly generation: number;
  readonly uid: number;
  readonly gid: number;
  /** The object of the directory that holds it. */
  readonly parent: number;
  readonly links: number;
  /** Whole seconds since 1970; 0 for what is before. */
  readonly mtime: number;
  /** The target of a link, where it lies among the attributes. */
  readonly linkTarget: Buffer | undefined;
}

/** Reads the attributes of one object. Errors: CapstanError `bad-zfs`, `zfs-feature`. */
export type AttributeReader = (object: ZfsObject) => Attributes;

/**
 * Of a data set with system attributes (ZPL version 5): their numbers and layouts are its own. `master` is the object
 * that the master node names; undefined in older versions. Objects with a znode in the bonus can be among both.
 */
export function attributeReader(objset: Objset, master: number | undefined): AttributeReader {
  const tables = master === undefined ? undefined : readTables(objset, master);
  return (object) => {
    if (object.head.bonusType === ObjectType.znode) return readZnode(object);
    if (object.head.bonusType !== ObjectType.sa || tables === undefined) {
      return corrupt(`${object.what} has no attributes`);
    }
    return readSystemAttributes(object, tables);
  };
}

interface Tables {
  /** Names and lengths by number; length 0 is variable. */
  readonly attributes: ReadonlyMap<number, { readonly name: string; readonly length: number }>;
  /** Numbers of attributes, by the number of the layout. */
  readonly layouts: ReadonlyMap<number, readonly number[]>;
}

function readTables(objset: Objset, master: number): Tables {
  const parts = readZapNumbers(objset.object(master, ObjectType.saMaster));
  const [registry, layoutList] = [parts.get("REGISTRY"), parts.get("LAYOUTS")];
  if (registry === undefined || layoutList === undefined) return corrupt(`${objset.what} has no list of attributes`);
  const attributes = new Map<number, { name: string; length: number }>();
  for (const entry of readZap(objset.object(registry, ObjectType.saRegistry))) {
    const value = zapNumber(entry) ?? 0;
    const name = entry.name.toString("latin1");
    attributes.set(value & 0xffff, { name, length: Math.floor(value / 0x100_0000) & 0xffff });
  }
  const layouts = new Map<number, number[]>();
  for (const entry of readZap(objset.object(layoutList, ObjectType.saLayouts))) {
    if (entry.integerSize !== 2) continue;
    const numbers = Array.from({ length: entry.value.length / 2 }, (_, index) => entry.value.readUInt16BE(2 * index));
    layouts.set(Number(entry.name.toString("latin1")), numbers);
  }
  return { attributes, layouts };
}

function readSystemAttributes(object: ZfsObject, tables: Tables): Attributes {
  const found = new Map<string, Buffer>();
  collect(object.bonus, { object, tables, found });
  const spill = object.spill();
  if (spill !== undefined) collect(spill, { object, tables, found });
  const number = (name: string): number => {
    const value = found.get(name);
    if (value === undefined || value.length < 8) return corrupt(`${object.what} lacks the attribute ${name}`);
    return getU64(value, 0) ?? corrupt(`the attribute ${name} of ${object.what} is beyond any disk`);
  };
  return {
    mode: number("ZPL_MODE"),
    size: number("ZPL_SIZE"),
    generation: number("ZPL_GEN"),
    uid: number("ZPL_UID"),
    gid: number("ZPL_GID"),
    parent: number("ZPL_PARENT"),
    links: number("ZPL_LINKS"),
    mtime: readTime(found.get("ZPL_MTIME") ?? corrupt(`${object.what} lacks the attribute ZPL_MTIME`), 0),
    linkTarget: found.get("ZPL_SYMLINK"),
  };
}

interface Collection {
  readonly object: ZfsObject;
  readonly tables: Tables;
  readonly found: Map<string, Buffer>;
}

/** The attributes of a bonus or spill block: a header, then each padded to 8 bytes. */
function collect(bytes: Buffer, { object, tables, found }: Collection): void {
  if (bytes.length < 8 || bytes.readUInt32LE(0) !== SA_MAGIC) corrupt(`the attributes of ${object.what} are damaged`);
  const info = bytes.readUInt16LE(4);
  const layout = tables.layouts.get(info & 0x3ff);
  const headerSize = (info >>> 10) * 8;
  // Numbers 0 and 1 are the kernel's own: nothing, and what it could not make sense of.
  if (layout === undefined) corrupt(`the layout of the attributes of ${object.what} is unknown`);
  let at = headerSize;
  let lengthAt = 6;
  for (const number of layout) {
    const attribute = tables.attributes.get(number) ?? corrupt(`${object.what} has an attribute that is not listed`);
    let { length } = attribute;
    if (length === 0) {
      if (lengthAt + 2 > headerSize) corrupt(`the attributes of ${object.what} are damaged`);
      length = bytes.readUInt16LE(lengthAt);
      lengthAt += 2;
    }
    if (at + length > bytes.length) corrupt(`the attributes of ${object.what} are cut off`);
    found.set(attribute.name, bytes.subarray(at, at + length));
    at += Math.ceil(length / 8) * 8;
  }
}

/** znode_phys_t, of ZPL versions before 5 (zfs_znode.h). The target of a short link follows it. */
function readZnode(object: ZfsObject): Attributes {
  const { bonus, what } = object;
  if (bonus.length < ZNODE_SIZE) corrupt(`the attributes of ${what} are cut off`);
  const number = (at: number): number => getU64(bonus, at) ?? corrupt(`an attribute of ${what} is beyond any disk`);
  const size = number(80);
  const isInline = bonus.length > ZNODE_SIZE && ZNODE_SIZE + size <= bonus.length;
  return {
    mode: number(72),
    size,
    generation: number(64),
    uid: number(128),
    gid: number(136),
    parent: number(88),
    links: number(96),
    mtime: readTime(bonus, 16),
    linkTarget: isInline ? bonus.subarray(ZNODE_SIZE, ZNODE_SIZE + size) : undefined,
  };
}

const ZNODE_SIZE = 264;

function readTime(bytes: Buffer, at: number): number {
  if (bytes.length < at + 16) return corrupt("a time is cut off");
  const seconds = Number(bytes.readBigInt64LE(at));
  return Number.isSafeInteger(seconds) ? seconds : 0;
}

/** Masters of data sets before system attributes. */
export function checkZplVersion(version: number | undefined): void {
  if (version === undefined || version < 1) corrupt("a file system has no version");
  if (version !== undefined && version > 5)
    unsupported(`its file system has version ${version}; 5 is the newest known`);
}
