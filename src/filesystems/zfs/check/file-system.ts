import { decodeName } from "../../../support/name-bytes.ts";
import { quotePath } from "../../names.ts";
import { asBuffer } from "../integers.ts";
import { DirentType, DNODE_SIZE, ModeType, ObjectType } from "../layout.ts";
import type { Attributes } from "../read/attributes.ts";
import type { ZfsObject } from "../read/object.ts";
import { readZap, readZapNumbers } from "../read/zap.ts";
import type { FileSystem } from "../reader.ts";
import type { Problems } from "./problems.ts";
import type { CheckedObject } from "./traverse.ts";
import { checkZap } from "./zaps.ts";

/** Whether the directories, attributes and accounts of a file system agree with each other. */
export function checkFileSystem(fileSystem: FileSystem, objects: readonly CheckedObject[], problems: Problems): void {
  const nodes = readNodes(fileSystem, objects, problems);
  for (const node of nodes.values()) {
    if (node.attributes.generation === 0) problems.add(`${node.object.what} has no generation: no kernel finds it`);
    if (node.type === DirentType.directory) checkDirectory(node, nodes, problems);
  }
  checkNames(fileSystem, nodes, problems);
  checkAccounts(fileSystem, nodes, problems);
}

interface Node {
  readonly number: number;
  readonly object: ZfsObject;
  readonly attributes: Attributes;
  /** Of `DirentType`; undefined for devices and the like. */
  readonly type: number | undefined;
  readonly allocated: number;
  /** How many entries of directories lead to it, and from where. */
  names: number;
  readonly parents: Set<number>;
}

function readNodes(fileSystem: FileSystem, objects: readonly CheckedObject[], problems: Problems): Map<number, Node> {
  const nodes = new Map<number, Node>();
  for (const { number, object, sums } of objects) {
    const { type, bonusType } = object.head;
    if (ZAP_TYPES.has(type)) checkZap(object, problems);
    if (bonusType !== ObjectType.sa && bonusType !== ObjectType.znode) continue;
    const attributes = problems.guard(() => fileSystem.attributes(object));
    if (attributes === undefined) continue;
    const kind = DIRENT_TYPES.get(attributes.mode & ModeType.mask);
    if ((type === ObjectType.directory) !== (kind === DirentType.directory)) {
      problems.add(`${object.what} is of type ${type}, with the mode ${attributes.mode.toString(8)}`);
      continue;
    }
    const node = {
      number,
      object,
      attributes,
      type: kind,
      allocated: sums.allocated,
      names: 0,
      parents: new Set<number>(),
    };
    nodes.set(number, node);
  }
  return nodes;
}

const ZAP_TYPES: ReadonlySet<number> = new Set([
  ObjectType.directory,
  ObjectType.masterNode,
  ObjectType.deleteQueue,
  ObjectType.saMaster,
  ObjectType.saRegistry,
  ObjectType.saLayouts,
]);

const DIRENT_TYPES: ReadonlyMap<number, number> = new Map([
  [ModeType.directory, DirentType.directory],
  [ModeType.file, DirentType.file],
  [ModeType.symlink, DirentType.symlink],
]);

function checkDirectory(node: Node, nodes: ReadonlyMap<number, Node>, problems: Problems): void {
  let [entries, directories] = [0, 0];
  problems.guard(() => {
    for (const { name, value } of readZap(node.object)) {
      entries++;
      const number = asBuffer(value).readUIntBE(2, 6);
      const child = nodes.get(number);
      const what = `${quotePath(decodeName(name))} in ${node.object.what}`;
      if (child === undefined) {
        problems.add(`${what} leads to object ${number}, which is no file`);
        continue;
      }
      child.names++;
      child.parents.add(node.number);
      if (child.type === DirentType.directory) directories++;
      if (child.type !== undefined) problems.same((value[0] ?? 0) >>> 4, child.type, `${what} says its type`);
    }
  });
  problems.same(node.attributes.size, entries + 2, `${node.object.what} has as size its entries and 2`);
  problems.same(node.attributes.links, directories + 2, `${node.object.what} has as links its directories and 2`);
}

function checkNames(fileSystem: FileSystem, nodes: ReadonlyMap<number, Node>, problems: Problems): void {
  const { root, masterNode, objset } = fileSystem;
  const queue = masterNode.get("DELETE_QUEUE");
  const deleted = new Set(
    queue === undefined ? [] : problems.guard(() => [...readZapNumbers(objset.object(queue)).values()]),
  );
  for (const node of nodes.values()) {
    const { number, object, attributes, names, parents } = node;
    if (number === root || number === masterNode.get("SHARES")) {
      problems.same(attributes.parent, number, `${object.what} is its own parent`);
      continue;
    }
    if (deleted.has(number)) continue;
    if (names === 0) problems.add(`${object.what} has no name`);
    else if (!parents.has(attributes.parent)) problems.add(`${object.what} has another parent than it says`);
    if (node.type === DirentType.directory) problems.same(names, 1, `${object.what} has one name`);
    else problems.same(attributes.links, names, `${object.what} has as links its names`);
  }
}

/** What each user and group takes: all their objects, with 512 bytes for each. */
function checkAccounts(fileSystem: FileSystem, nodes: ReadonlyMap<number, Node>, problems: Problems): void {
  const { userUsed, groupUsed } = fileSystem.objset;
  for (const [account, key] of [
    [userUsed, "uid"],
    [groupUsed, "gid"],
  ] as const) {
    if (account === undefined) continue;
    const sums = new Map<string, number>();
    for (const { attributes, allocated } of nodes.values()) {
      const id = attributes[key].toString(16);
      sums.set(id, (sums.get(id) ?? 0) + allocated + DNODE_SIZE);
    }
    const found = problems.guard(() => readZapNumbers(account)) ?? new Map<string, number>();
    for (const id of new Set([...sums.keys(), ...found.keys()])) {
      problems.same(found.get(id) ?? 0, sums.get(id) ?? 0, `${account.what}: what ${key} 0x${id} takes`);
    }
  }
}
