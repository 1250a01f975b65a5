import { corrupt } from "../errors.ts";
import { getU64 } from "../integers.ts";
import { ObjectType, SECTOR_SIZE, SPACE_MAP_BONUS_SIZE } from "../layout.ts";
import type { ZfsObject } from "../read/object.ts";
import type { Pool } from "../read/pool.ts";
import type { Problems } from "./problems.ts";
import { Space } from "./space.ts";

/** What the space maps of the pool say is taken, and whether each of them is what a kernel expects. */
export function readSpaceMaps(pool: Pool, problems: Problems): Space {
  const { metaslabArray, metaslabShift, asize } = pool.label;
  const count = Math.floor(asize / 2 ** metaslabShift);
  const space = new Space(metaslabShift, count);
  const array = problems.guard(() => pool.mos.object(metaslabArray, ObjectType.objectArray));
  if (array === undefined) return space;
  // What lies behind the end of the array is as good as 0: untouched.
  const numbers = Buffer.alloc(8 * count);
  problems.guard(() => array.read(numbers, 0));
  for (let index = 0; index < count; index++) {
    const number = getU64(numbers, 8 * index);
    if (number === 0) continue;
    problems.guard(() => {
      const map = pool.mos.object(number ?? 0, ObjectType.spaceMap);
      replay(map, number ?? 0, { start: index * 2 ** metaslabShift, space, problems });
    });
  }
  return space;
}

interface Replay {
  /** Of the metaslab, in bytes. */
  readonly start: number;
  readonly space: Space;
  readonly problems: Problems;
}

function replay(map: ZfsObject, number: number, { start, space, problems }: Replay): void {
  if (map.bonus.length < SPACE_MAP_BONUS_SIZE) corrupt(`${map.what} is no space map`);
  const [object, length, allocated] = [0, 8, 16].map((at) => getU64(map.bonus, at) ?? -1) as [number, number, number];
  problems.same(object, number, `${map.what} names its object`);
  if (length < 0 || length % 8 !== 0 || length > map.size) corrupt(`${map.what} has a length of ${length}`);
  const before = space.taken;
  const block = Buffer.alloc(Math.min(map.head.blockSize, length));
  for (let done = 0; done < length; done += block.length) {
    const part = block.subarray(0, Math.min(block.length, length - done));
    map.read(part, done);
    for (let at = 0; at < part.length; at += 8) apply(part, at, { map, start, space, problems });
  }
  problems.same(allocated, space.taken - before, `${map.what} says how much is allocated`);
}

function apply(part: Buffer, at: number, { map, start, space, problems }: Replay & { readonly map: ZfsObject }): void {
  const low = part.readUInt32LE(at);
  const high = part.readUInt32LE(at + 4);
  if (high >>> 31 === 1) return; // for debugging
  const length = ((low & 0x7fff) + 1) * SECTOR_SIZE;
  const offset = start + ((low >>> 16) + (high & 0x7fff_ffff) * 0x1_0000) * SECTOR_SIZE;
  const isFree = (low & 0x8000) !== 0;
  if (!space.fits(offset, length) || offset < start) {
    problems.add(`${map.what} has a run of ${length} bytes at ${offset}, outside its metaslab`);
  } else if (!space.set(offset, length, !isFree)) {
    problems.add(`${map.what} ${isFree ? "frees" : "takes"} ${length} bytes at ${offset} twice`);
  }
}
