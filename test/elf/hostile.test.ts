import { existsSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { readElf } from "../../src/elf/reader.ts";
import { CapstanError } from "../../src/support/errors.ts";
import { MemoryDevice } from "../support/memory-device.ts";
import { buildElf } from "./build-elf.ts";

const read = (bytes: Uint8Array) => readElf(new MemoryDevice(bytes), "/it");

/** Everything that can be read of a file. */
function readAll(bytes: Uint8Array): string {
  try {
    const elf = read(bytes);
    elf.symbols();
    elf.relocationTypes();
    elf.relocatedVariables();
    return "read";
  } catch (error) {
    if (!(error instanceof CapstanError)) throw error;
    return error.code;
  }
}

const rich = buildElf({
  interpreter: "/lib64/ld-linux-x86-64.so.2",
  needed: ["libm.so.6", "libc.so.6"],
  runpath: "$ORIGIN",
  notes: [{ owner: "GNU", type: 3, description: Buffer.alloc(20, 7) }],
  symbols: [
    { name: "puts", binding: 1, type: 2, section: 0, version: 2 },
    { name: "main", binding: 1, type: 2, section: 5, version: 3 },
  ],
  hash: "gnu",
  versionsNeeded: [
    { file: "libc.so.6", name: "GLIBC_2.34", index: 2 },
    { file: "libm.so.6", name: "GLIBC_2.29", index: 4 },
  ],
  versionsDefined: [{ name: "IT_1", index: 3 }],
  relocations: [6, 7],
});

test("the file that is damaged below is sound", () => {
  expect(readAll(rich)).toBe("read");
});

describe("a sound file cut off", () => {
  test("at every byte is a damaged one, never a crash", () => {
    for (let length = 0; length < rich.length; length++) {
      const codes = length < 4 ? ["not-elf"] : ["bad-elf", "read"];
      expect(codes, `${length} bytes`).toContain(readAll(rich.subarray(0, length)));
    }
  });
});

describe("a sound file with other bytes in it", () => {
  test("gives a result or an error for every byte and for many values", () => {
    for (let at = 4; at < rich.length; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const bytes = Buffer.from(rich);
        bytes[at] = value;
        expect(["read", "bad-elf"]).toContain(readAll(bytes));
      }
    }
  });

  test("gives a result or an error wherever words are overwritten", () => {
    const word = fc.constantFrom(0n, 1n, 0x7fffffffn, 0xffffffffn, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, 0x10000n, 64n);
    const change = fc.record({ at: fc.nat(rich.length / 4 - 3), word });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = Buffer.from(rich);
        for (const { at, word: value } of changes) bytes.writeBigUInt64LE(value, at * 4);
        expect(["read", "bad-elf", "not-elf"]).toContain(readAll(bytes));
      }),
      { numRuns: 3000 },
    );
  });
});

const program = ["/bin/ls", "/usr/bin/env", process.execPath].find((path) => existsSync(path)) ?? process.execPath;

test("a real program with flipped bytes and cut off gives a result or an error", () => {
  const whole = readFileSync(program).subarray(0, 4 * 1024 * 1024);
  // Where the tables are: the start and, without sections, the first segment.
  const reach = Math.min(whole.length, 64 * 1024);
  const change = fc.record({ at: fc.nat(reach - 1), value: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), fc.option(fc.nat(whole.length)), (changes, length) => {
      const bytes = Buffer.from(whole.subarray(0, length ?? whole.length));
      for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value;
      expect(["read", "bad-elf", "not-elf"]).toContain(readAll(bytes));
    }),
    { numRuns: 300 },
  );
});

describe("what was made to keep a reader busy", () => {
  const damaged = (bytes: Buffer) => {
    try {
      read(bytes).symbols();
    } catch (error) {
      return error instanceof CapstanError && error.code === "bad-elf" ? error.message : error;
    }
    return "read";
  };

  test("a million symbols that share one long name", () => {
    const count = 1 << 20;
    const spec = { needed: ["x".repeat(60_000)], symbols: [] };
    const behind = 0x10000 + buildElf({ ...spec, tags: NO_TABLES }).length;
    const table = Buffer.alloc(count * 24);
    for (let index = 1; index < count; index++) {
      table.writeUInt32LE(1, index * 24);
      table[index * 24 + 4] = 0x12;
    }
    const hash = Buffer.alloc(16);
    hash.writeUInt32LE(count, 4);
    // The later of two tags counts.
    const tags = [
      [6, behind],
      [4, behind + table.length],
    ] as const;
    const bytes = Buffer.concat([buildElf({ ...spec, tags }), table, hash]);
    // The first program header maps all of the file: p_filesz.
    bytes.writeBigUInt64LE(BigInt(bytes.length), 64 + 32);
    expect(damaged(bytes)).toMatch(/the names of its symbols .* are longer than any program's/);
  });

  test("versions that all have the same long list of names", () => {
    const needed = Array.from({ length: 3000 }, (_, index) => ({ file: `f${index}`, name: "V", index: 2 }));
    const bytes = buildElf({ versionsNeeded: needed });
    const start = bytes.indexOf(Buffer.from([1, 0, 1, 0]), 64 + 2 * 56);
    for (let index = 0; index < needed.length; index++) {
      // A record of 16 bytes and its name of 16: vn_cnt is as large as can be, and vna_next leads to what follows.
      bytes.writeUInt16LE(0xffff, start + index * 32 + 2);
      bytes.writeUInt32LE(16, start + index * 32 + 28);
    }
    expect(damaged(bytes)).toMatch(/the versions that it needs .* are more than 32768/);
  });

  test("entries that all name one long string", () => {
    const needed = ["x".repeat(60_000)];
    const bytes = buildElf({ needed, tags: Array.from({ length: 30_000 }, () => [1, 1] as const) });
    expect(damaged(bytes)).toMatch(/the strings of its dynamic section are longer than any program's/);
  });

  test("a hash chain without an end", () => {
    const symbols = [{ name: "puts", binding: 1, type: 2, section: 0 }];
    const behind = buildElf({ symbols, tags: NO_TABLES.slice(1) }).length;
    const words = Buffer.alloc(4 * 1024 * 1024);
    // One bucket from symbol 1 on, one word of the filter, and in the chain nothing but even hashes.
    for (const [index, value] of [1, 1, 1, 0, 0, 0, 1].entries()) words.writeUInt32LE(value, index * 4);
    const chained = (hash: Buffer) => {
      const bytes = Buffer.concat([buildElf({ symbols, tags: [[0x6ffffef5, 0x10000 + behind]] }), hash]);
      bytes.writeBigUInt64LE(BigInt(bytes.length), 64 + 32);
      return bytes;
    };
    expect(damaged(chained(words))).toMatch(/the last chain of its GNU hash table \(at \d+\) does not end/);
    expect(damaged(chained(words.subarray(0, 40)))).toMatch(/its GNU hash table \(4 bytes at \d+\) lie outside/);
    words.writeUInt32LE(1, 28);
    expect(damaged(chained(words))).toBe("read");
  });

  test("a million segments", () => {
    const bytes = Buffer.concat([buildElf(), Buffer.alloc(56 * 0xffff)]);
    bytes.writeUInt16LE(0xfffe, 56);
    expect(["read", expect.stringContaining("is a damaged ELF file")]).toContainEqual(damaged(bytes));
  });

  test("a file that becomes shorter while it is read", () => {
    const device = new MemoryDevice(rich);
    const shrinking = {
      size: rich.length + 100_000,
      read: (target: Uint8Array, at: number) => device.read(target, at),
    };
    expect(() => readElf(shrinking, "/it")).toThrow(/it became shorter/);
  });
});

/** Two tags that take as much room as those that lead to a table. */
const NO_TABLES = [
  [0x60000000, 0],
  [0x60000000, 0],
] as const;

test("the message says what is wrong and where", () => {
  const bytes = Buffer.from(rich);
  bytes.writeUInt16LE(57, 54);
  expect(() => read(bytes)).toThrow(/'\/it' is a damaged ELF file: its program headers \(at 64\) have 57 bytes each/);
});

test("what is no ELF file is told apart from what is damaged", () => {
  expect(() => read(Buffer.from("#!/bin/sh\n"))).toThrow(expect.objectContaining({ code: "not-elf" }));
  expect(() => read(Buffer.from("\x7fELF\x09", "latin1"))).toThrow(expect.objectContaining({ code: "bad-elf" }));
});
