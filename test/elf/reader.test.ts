import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { isElf, readElf, readElfFile } from "../../src/elf/reader.ts";
import { MemoryDevice } from "../support/memory-device.ts";
import { buildElf, type ElfSpec } from "./build-elf.ts";

const read = (bytes: Uint8Array) => readElf(new MemoryDevice(bytes), "/it");

const shapes = [
  { bits: 64, byteOrder: "little", machine: 62, name: "x86-64" },
  { bits: 64, byteOrder: "little", machine: 183, name: "aarch64" },
  { bits: 64, byteOrder: "big", machine: 22, name: "s390" },
  { bits: 64, byteOrder: "big", machine: 21, name: "ppc64" },
  { bits: 32, byteOrder: "little", machine: 3, name: "i386" },
  { bits: 32, byteOrder: "little", machine: 40, name: "arm" },
  { bits: 32, byteOrder: "big", machine: 8, name: "mips" },
  { bits: 32, byteOrder: "little", machine: 62, name: "x86-64" },
  { bits: 64, byteOrder: "little", machine: 4711, name: "machine 4711" },
] as const;

describe.each(shapes)("$bits bit $byteOrder-endian $name", ({ bits, byteOrder, machine, name }) => {
  const shape = { bits, byteOrder, machine };

  test("what a program says of itself is read", () => {
    const elf = read(
      buildElf({
        ...shape,
        interpreter: "/lib/ld.so.1",
        needed: ["libm.so.6", "libc.so.6"],
        rpath: "/old",
        runpath: "$ORIGIN/../lib:/opt/lib",
        flags1: 0x8000800,
        entry: 0x10040,
        tls: { size: 4711, alignment: 64 },
        notes: [
          { owner: "GNU", type: 3, description: Buffer.from("c0ffee", "hex") },
          { owner: "Go", type: 4, description: Buffer.from("build") },
        ],
      }),
    );
    expect(elf).toMatchObject({
      path: "/it",
      bits,
      byteOrder,
      machine: name,
      kind: "pie",
      interpreter: "/lib/ld.so.1",
      needed: ["libm.so.6", "libc.so.6"],
      soname: undefined,
      rpath: ["/old"],
      runpath: ["$ORIGIN/../lib", "/opt/lib"],
      noDefaultLibraries: true,
      tlsSize: 4711,
      tlsAlignment: 64,
      buildId: "c0ffee",
      language: "go",
    });
  });

  test.each(["sysv", "gnu", "none"] as const)("its symbols are counted by the hash table '%s'", (hash) => {
    const elf = read(
      buildElf({
        ...shape,
        soname: "libit.so.1",
        hash,
        symbols: [
          { name: "puts", binding: 1, type: 2, section: 0, version: 2 },
          { name: "maybe", binding: 2, type: 0, section: 0, version: 1 },
          { name: "local", binding: 0, type: 2, section: 5, version: 0 },
          { name: "hidden", binding: 1, type: 2, section: 5, visibility: 2, version: 1 },
          { name: "state", binding: 1, type: 6, section: 5, version: 1 },
          { name: "old", binding: 1, type: 2, section: 5, version: 3 | 0x8000 },
          { name: "unique", binding: 10, type: 1, section: 5, visibility: 3, version: 3 },
          { name: "chosen", binding: 2, type: 10, section: 5, version: 3 },
        ],
        versionsNeeded: [{ file: "libc.so.6", name: "GLIBC_2.34", index: 2 }],
        versionsDefined: [
          { name: "libit.so.1", index: 1, base: true },
          { name: "IT_1", index: 3 },
        ],
      }),
    );
    expect(elf.versionsNeeded).toEqual([{ file: "libc.so.6", versions: [{ name: "GLIBC_2.34", weak: false }] }]);
    expect(elf.versionsDefined).toEqual(["IT_1"]);
    expect(elf.symbols()).toEqual({
      undefined: [
        { name: "puts", version: "GLIBC_2.34", file: "libc.so.6", weak: false, type: "function" },
        { name: "maybe", version: undefined, file: undefined, weak: true, type: "other" },
      ],
      defined: [
        { name: "state", version: undefined, hidden: false, type: "tls" },
        { name: "old", version: "IT_1", hidden: true, type: "function" },
        { name: "unique", version: "IT_1", hidden: false, type: "object" },
        { name: "chosen", version: "IT_1", hidden: false, type: "ifunc" },
      ],
    });
  });

  test("the types of its relocations are read, each once", () => {
    expect(read(buildElf({ ...shape, relocations: [8, 37, 8, 6] })).relocationTypes()).toEqual(new Set([8, 37, 6]));
  });
});

describe("kinds", () => {
  const PIE = 0x8000000;
  test.each<[string, string, ElfSpec]>([
    ["a program at a fixed address", "position-dependent", { type: 2, interpreter: "/ld", needed: ["c"] }],
    ["one that needs nothing", "position-dependent", { type: 2, interpreter: "/ld" }],
    ["a static one", "static", { type: 2, dynamic: false }],
    ["a program that was not marked as such", "pie", { interpreter: "/ld", entry: 1, needed: ["c"] }],
    ["a program without interpreter", "pie", { flags1: PIE, needed: ["c"] }],
    ["a static program for any address", "static-pie", { flags1: PIE, entry: 1 }],
    ["one that was not marked as such", "static-pie", { entry: 1, debug: true }],
    ["a library", "shared-object", { soname: "liba.so", needed: ["c"] }],
    ["a library that needs nothing", "shared-object", { soname: "liba.so" }],
    ["a plugin without a name that needs nothing", "shared-object", {}],
    ["a plugin whose linker gave it an entry", "shared-object", { entry: 1 }],
    ["the dynamic linker", "shared-object", { soname: "ld-linux-x86-64.so.2", entry: 1 }],
    ["the C library, which can be run", "shared-object", { soname: "libc.so.6", interpreter: "/ld", entry: 1 }],
    ["an object file", "other", { type: 1 }],
    ["a core", "other", { type: 4 }],
  ])("%s is '%s'", (_, kind, spec) => {
    expect(read(buildElf(spec)).kind).toBe(kind);
  });
});

test("the oldest kernel comes from the ABI tag", () => {
  const words = Buffer.alloc(16);
  words.writeUInt32LE(3, 4);
  words.writeUInt32LE(2, 8);
  expect(read(buildElf({ notes: [{ owner: "GNU", type: 1, description: words }] })).oldestKernel).toBe("3.2.0");
});

test.each([
  [[[36, 0x10000]] as const, true],
  [[] as const, false],
])("with the tags %j, packed relocations are %s", (tags, expected) => {
  expect(read(buildElf({ tags })).packedRelocations).toBe(expected);
});

test("names that are no UTF-8 are read as one character a byte, others as UTF-8", () => {
  const elf = buildElf({ needed: ["libä.so", "libXX.so"] });
  Buffer.from([0xe4, 0xf6]).copy(elf, elf.indexOf("XX"));
  expect(read(elf).needed).toEqual(["libä.so", "libäö.so"]);
});

test("any names come back as they were put in", () => {
  const name = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.includes("\0"));
  const shape = fc.record({
    bits: fc.constantFrom<32 | 64>(32, 64),
    byteOrder: fc.constantFrom<"little" | "big">("little", "big"),
    needed: fc.array(name, { maxLength: 20 }),
    soname: name,
    interpreter: name,
  });
  fc.assert(
    fc.property(shape, (spec) => {
      const { bits, byteOrder, needed, soname, interpreter } = read(buildElf(spec));
      expect({ bits, byteOrder, needed, soname, interpreter }).toEqual(spec);
    }),
  );
});

test("the file is closed after reading, and opened again for its symbols", () => {
  const bytes = buildElf({ symbols: [{ name: "puts", binding: 1, type: 2, section: 0 }], hash: "sysv" });
  const counts = { opened: 0, closed: 0 };
  const open = () => {
    counts.opened++;
    const device = new MemoryDevice(bytes);
    return { size: device.size, read: device.read.bind(device), close: () => counts.closed++ };
  };
  const elf = readElfFile({ realPath: "/it", open });
  expect(counts).toEqual({ opened: 1, closed: 1 });
  expect(elf.symbols()).toBe(elf.symbols());
  expect(counts).toEqual({ opened: 2, closed: 2 });
});

test("the file is closed when it is a damaged one", () => {
  let closed = 0;
  const device = new MemoryDevice(buildElf().subarray(0, 40));
  const open = () => ({ size: device.size, read: device.read.bind(device), close: () => closed++ });
  expect(() => readElfFile({ realPath: "/it", open })).toThrow(expect.objectContaining({ code: "bad-elf" }));
  expect(closed).toBe(1);
});

test.each([
  ["an empty file", "", false],
  ["a script", "#!/bin/sh\n", false],
  ["four bytes", "\x7fELF", true],
])("isElf of %s", (_, text, expected) => {
  expect(isElf(new MemoryDevice(Buffer.from(text, "latin1")))).toBe(expected);
});
