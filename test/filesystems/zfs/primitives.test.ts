import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type BlockPointer,
  decodeBlockPointer,
  encodeBlockPointer,
} from "../../../src/filesystems/zfs/block-pointer.ts";
import { decodeDnodeHead, encodeDnodeHead, pointerCountFor } from "../../../src/filesystems/zfs/dnode.ts";
import { Fletcher4, fletcher4 } from "../../../src/filesystems/zfs/fletcher4.ts";
import { uberblockOffset, vdevGeometry } from "../../../src/filesystems/zfs/geometry.ts";
import { decodeNvList, encodeNvList, NvListError, type NvValue } from "../../../src/filesystems/zfs/nvlist.ts";
import {
  decodeUberblock,
  encodeUberblock,
  isSealed,
  sealArea,
  sha256Words,
} from "../../../src/filesystems/zfs/uberblock.ts";
import { zapHasher, zapLeafIndex, zapTableIndex } from "../../../src/filesystems/zfs/zap-hash.ts";

const MiB = 1024 * 1024;

function words(sum: Uint8Array): string {
  const bytes = Buffer.from(sum);
  return [0, 8, 16, 24].map((at) => bytes.readBigUInt64LE(at).toString(16)).join(" ");
}

/** Straight from the definition. */
function slowFletcher(bytes: Uint8Array, kind: 2 | 4): string {
  const view = Buffer.from(bytes);
  const sums = [0n, 0n, 0n, 0n] as [bigint, bigint, bigint, bigint];
  const add = (at: number, value: bigint) => {
    sums[at as 0] = BigInt.asUintN(64, sums[at as 0] + value);
  };
  for (let at = 0; at < view.length; at += kind === 4 ? 4 : 16) {
    if (kind === 4) {
      add(0, BigInt(view.readUInt32LE(at)));
      for (const next of [1, 2, 3]) add(next, sums[(next - 1) as 0]);
    } else {
      add(0, view.readBigUInt64LE(at));
      add(1, view.readBigUInt64LE(at + 8));
      add(2, sums[0]);
      add(3, sums[1]);
    }
  }
  return sums.map((sum) => sum.toString(16)).join(" ");
}

describe("fletcher", () => {
  test.each([
    [Uint8Array.from({ length: 512 }, (_, index) => index), "40c03fbf00 da342e27500 214fa7f828a80 3d9765c9f3c980"],
    [new Uint8Array(131072).fill(0xff), "7fffffff8000 20003fffdfffc000 75557aaa8aaa8000 c7556d5537ffe000"],
    [new Uint8Array(0), "0 0 0 0"],
    [Uint8Array.of(1, 0, 0, 0), "1 1 1 1"],
  ])("fletcher4 of known bytes, %#", (bytes, sum) => {
    expect(words(fletcher4(bytes))).toBe(sum);
  });

  test.each([2, 4] as const)("fletcher%d is what its definition says, wherever the bytes lie in memory", (kind) => {
    const machine = new Fletcher4(70_000);
    expect(machine.memory.length).toBe(131072);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400, minLength: 16 }), fc.nat(1000), fc.nat(8), (bytes, offset, at) => {
        const used = bytes.subarray(0, bytes.length - (bytes.length % (kind === 4 ? 4 : 16)));
        machine.memory.set(bytes, offset);
        const target = new Uint8Array(40);
        if (kind === 4) machine.sum(offset, used.length, target, at);
        else machine.sumFletcher2(offset, used.length, target, at);
        expect(words(target.subarray(at, at + 32))).toBe(slowFletcher(used, kind));
        expect(target.subarray(0, at)).toEqual(new Uint8Array(at));
      }),
    );
  });

  test("ranges outside the memory are refused", () => {
    const machine = new Fletcher4(1);
    const target = new Uint8Array(32);
    expect(machine.memory.length).toBe(65536);
    for (const [offset, length] of [
      [65536, 4],
      [-4, 4],
      [0, 65540],
      [0, 6],
    ] as const) {
      expect(() => machine.sum(offset, length, target, 0)).toThrow(RangeError);
    }
    machine.sum(0, 65536, target, 0);
  });
});

describe("the hash of names", () => {
  test.each([
    [0x5a00000009n, "a.txt", 0xb28cfa6],
    [0x5a00000009n, "file-00000.dat", 0xebbf69d],
    [1n, "root_dataset", 0x39df210],
  ])("salt %s, %s", (salt, name, hash) => {
    expect(zapHasher(salt)(Buffer.from(name))).toBe(hash);
  });

  test("its parts", () => {
    expect(zapTableIndex(0xfff_ffff, 10)).toBe(1023);
    expect(zapTableIndex(0xfff_ffff, 0)).toBe(0);
    expect(zapLeafIndex(0b101_000000001_0000000000000000, 3)).toBe(1);
    expect(zapLeafIndex(0b111111111_0000000000000000000, 0)).toBe(511);
  });
});

describe("nvlists", () => {
  test("{a: 1}", () => {
    const expected = "01010000000000000000000100000020000000200000000161000000" + "00000008000000010000000000000001";
    expect(encodeNvList(new Map([["a", 1]])).toString("hex")).toBe(`${expected}${"00".repeat(8)}`);
  });

  const value: fc.Arbitrary<NvValue> = fc.letrec<{ value: NvValue; list: ReadonlyMap<string, NvValue> }>((tie) => ({
    list: fc.array(fc.tuple(fc.string(), tie("value")), { maxLength: 4 }).map((pairs) => new Map(pairs)),
    value: fc.oneof(
      { maxDepth: 3 },
      fc.nat(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
      fc.string({ unit: "grapheme" }),
      fc.constant(true),
      tie("list"),
      fc.array(tie("list"), { maxLength: 3 }),
    ),
  })).value;

  test("decoding gives what was encoded", () => {
    fc.assert(
      fc.property(value, (inner) => {
        const list = new Map<string, NvValue>([
          ["before", 5000],
          ["inner", inner],
          ["after", "osv"],
        ]);
        expect(decodeNvList(Buffer.concat([encodeNvList(list), Buffer.alloc(100)]))).toEqual(list);
      }),
    );
  });

  test("damaged ones end in an error or in a list, never otherwise", () => {
    const good = encodeNvList(
      new Map<string, NvValue>([["children", [new Map([["a", "text"]]), new Map([["b", 1]])]]]),
    );
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, length) => {
        const bad = Buffer.from(good.subarray(0, length));
        if (at < length) bad[at] = byte;
        try {
          decodeNvList(bad);
        } catch (error) {
          expect(error).toBeInstanceOf(NvListError);
        }
      }),
    );
  });

  test("lists in lists without end are refused", () => {
    let list = new Map<string, NvValue>([["a", 1]]);
    for (let depth = 0; depth < 20; depth++) list = new Map([["a", list]]);
    expect(() => decodeNvList(encodeNvList(list))).toThrow(NvListError);
  });
});

describe("geometry", () => {
  test.each([
    [64, 62390272, 19, 119],
    [128, 129499136, 20, 123],
    [250, 257425408, 21, 122],
    [256, 263716864, 21, 125],
    [512, 532152320, 22, 126],
    [1024, 1069023232, 23, 127],
    [10240, 10732699648, 26, 159],
    [1048576, 1099506909184, 33, 127],
  ])("%d MiB", (size, asize, metaslabShift, metaslabCount) => {
    expect(vdevGeometry(size * MiB + 511)).toEqual({
      psize: size * MiB,
      asize,
      metaslabShift,
      metaslabCount,
      labels: [0, 262144, size * MiB - 524288, size * MiB - 262144],
    });
  });

  test("the ring of uberblocks", () => {
    expect(uberblockOffset(0, 16)).toBe(131072 + 16 * 1024);
    expect(uberblockOffset(262144, 128)).toBe(262144 + 131072);
    expect(uberblockOffset(0, 33, 4096)).toBe(131072 + 4096);
  });
});

describe("sealed areas", () => {
  test("an empty slot at 128 KiB", () => {
    const slot = Buffer.alloc(1024);
    sealArea(slot, 131072);
    expect(slot.subarray(-40).toString("hex")).toBe(
      `117a0cb17ada1002${Buffer.from("983be871da3047a9048a3e6f63c266c3a8a57aff47276e01d99a1a18cafdede2", "hex").swap64().toString("hex")}`,
    );
    expect(isSealed(slot, 131072)).toBe(true);
    expect(isSealed(slot, 131072 + 1024)).toBe(false);
    slot[5] = 1;
    expect(isSealed(slot, 131072)).toBe(false);
  });

  test("SHA-256 has its words in the byte order of the disk", () => {
    expect(sha256Words(Buffer.from("a"), Buffer.from("bc")).swap64().toString("hex")).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });
});

const POINTER = {
  lsize: 131072,
  psize: 512,
  compression: 14,
  checksum: 7,
  type: 19,
  level: 1,
  birth: 4,
  fill: 300,
  sum: new Uint8Array(32).fill(9),
};

describe("block pointers", () => {
  test("fields lie where the format says", () => {
    const bytes = Buffer.alloc(256, 0xee);
    encodeBlockPointer(bytes, { ...POINTER, offset: 0x1200, asize: 1024 }, 64);
    expect(bytes.subarray(64, 80).toString("hex")).toBe("02000000000000000900000000000000");
    expect(bytes.readBigUInt64LE(64 + 48).toString(16)).toBe("8113070e000000ff");
    expect(bytes.readUInt8(192)).toBe(0xee);
  });

  test("decoding gives what was encoded", () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(2 ** 30), fc.nat(31), fc.maxSafeNat(), (sectors, place, level, fill) => {
        const pointer = { ...POINTER, psize: (sectors + 1) * 512, level, fill };
        const bytes = Buffer.alloc(128);
        encodeBlockPointer(bytes, { ...pointer, offset: place * 512 }, 0);
        expect(decodeBlockPointer(bytes, 0)).toEqual({
          ...pointer,
          dvas: [{ vdev: 0, asize: pointer.psize, offset: place * 512, gang: false }],
          physicalBirth: 0,
          littleEndian: true,
          dedup: false,
        } satisfies BlockPointer);
      }),
    );
  });

  test("holes, embedded data, and places beyond any disk", () => {
    expect(decodeBlockPointer(Buffer.alloc(128), 0)).toBeUndefined();
    const bytes = Buffer.alloc(128);
    encodeBlockPointer(bytes, { ...POINTER, offset: 0 }, 0);
    bytes.writeUInt32LE(0x8fff_ffff, 12);
    expect(decodeBlockPointer(bytes, 0)).toBe("bad");
    bytes[52] = 0x80 | 15;
    expect(decodeBlockPointer(bytes, 0)).toEqual({ embedded: true });
  });
});

test("dnodes and uberblocks", () => {
  const head = {
    type: 19,
    indirectShift: 14,
    levels: 2,
    pointerCount: 1,
    bonusType: 44,
    flags: 3,
    blockSize: 131072,
    bonusLength: 168,
    maxBlockId: 2 ** 40,
    used: 2 ** 41 + 512,
  };
  const bytes = Buffer.alloc(1024, 0xff);
  encodeDnodeHead(bytes, head, 512);
  expect(decodeDnodeHead(bytes, 512)).toEqual({ ...head, checksum: 0, compression: 0, extraSlots: 0 });
  expect(bytes.subarray(544).every((byte) => byte === 0)).toBe(true);
  expect(["sa", 0, 8, 48, 64, 256, 320].map((bonus) => pointerCountFor(bonus as number | "sa"))).toEqual([
    1, 3, 3, 3, 3, 1, 1,
  ]);

  const uberblock = { version: 5000, txg: 16, guidSum: 2n ** 64n - 1n, timestamp: 1_700_000_000 };
  const slot = encodeUberblock({ ...uberblock, root: { ...POINTER, offset: 512 } });
  expect(slot.length).toBe(1024);
  expect(decodeUberblock(slot)).toMatchObject({ ...uberblock, root: { fill: 300, lsize: 131072 } });
  expect(decodeUberblock(Buffer.alloc(1024))).toBeUndefined();
});
