import { expect, test } from "vitest";
import { decodeHeader, decodeL1Entry, decodeL2Entry, encodeHeader } from "../../../src/disks/qcow2/layout.ts";
import { capstanErrorOf } from "../support.ts";

const source = { path: "disk.qcow2", fileSize: 10 * 65536 };

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ""), "hex");
}

const fields = {
  clusterBits: 16,
  size: 0x4_0000_0200,
  l1Entries: 33,
  l1Offset: 0x20000,
  refcountTableOffset: 0x30000,
  refcountTableClusters: 1,
  backing: undefined,
};

const FIXED = `00000010 0000000400000200 00000000 00000021 0000000000020000 0000000000030000 00000001 00000000
  0000000000000000 0000000000000000 0000000000000000 0000000000000000 00000004 00000068`;

test("a header is the bytes of the specification", () => {
  const expected = hex(`514649fb 00000003 0000000000000000 00000000 ${FIXED} 0000000000000000`);
  expect(encodeHeader(fields).toString("hex")).toBe(expected.toString("hex"));
});

test("a backing file is its name, and its format in an extension", () => {
  // Format: type, length 3, "raw" padded to 8; end; then the name, "base" at 104 + 16 + 8 = 0x80, padded to 8.
  const expected = hex(`514649fb 00000003 0000000000000080 00000004 ${FIXED}
    e2792aca 00000003 7261770000000000 0000000000000000 6261736500000000`);
  const header = encodeHeader({ ...fields, backing: { path: "base", format: "raw" } });
  expect(header.toString("hex")).toBe(expected.toString("hex"));
});

test.each([undefined, { path: "../b/böse.img", format: "qcow2" }, { path: "x".repeat(1023), format: "raw" }])(
  "a header decodes to what was encoded",
  (backing) => {
    const header = decodeHeader(Buffer.concat([encodeHeader({ ...fields, backing }), Buffer.alloc(1000)]), source);
    expect(header).toEqual({ version: 3, clusterBits: 16, size: 0x4_0000_0200, l1Offset: 0x20000, backing });
  },
);

const none = Buffer.alloc(0);
const place = (offset: number, bytes: Buffer) => (header: Buffer) => void bytes.copy(header, offset);

test.each<[string, (header: Buffer) => void, string, RegExp]>([
  ["no magic", place(0, hex("514649fc")), "qcow2-damaged", /magic/],
  ["version 1", place(4, hex("00000001")), "qcow2-unsupported", /version 1/],
  ["version 4", place(4, hex("00000004")), "qcow2-unsupported", /version 4/],
  ["clusters of 256 bytes", place(20, hex("00000008")), "qcow2-damaged", /2\^8 /],
  ["clusters of 4 MiB", place(20, hex("00000016")), "qcow2-damaged", /2\^22 /],
  ["AES", place(32, hex("00000001")), "qcow2-unsupported", /encryption \(AES\)/],
  ["LUKS", place(32, hex("00000002")), "qcow2-unsupported", /encryption \(LUKS\)/],
  ["another encryption", place(32, hex("00000007")), "qcow2-unsupported", /encryption \(7\)/],
  ["a huge size", place(24, hex("7fffffffffffffff")), "qcow2-damaged", /disk size/],
  ["a size of which 2^53 is the least", place(24, hex("0020000000000000")), "qcow2-damaged", /disk size/],
  ["an L1 table that is too small", place(36, hex("00000020")), "qcow2-damaged", /32 entries.*needs 33/],
  ["no L1 table", place(40, hex("0000000000000000")), "qcow2-damaged", /L1 table/],
  ["an L1 table within a cluster", place(40, hex("0000000000020200")), "qcow2-damaged", /impossible offset/],
  ["an L1 table behind the file", place(40, hex("00000000000a0000")), "qcow2-damaged", /beyond the end/],
  ["an L1 table at 2^60", place(40, hex("1000000000000000")), "qcow2-damaged", /beyond the end/],
  ["a header of 96 bytes", place(100, hex("00000060")), "qcow2-damaged", /header length is 96/],
  ["a header of 105 bytes", place(100, hex("00000069")), "qcow2-damaged", /header length is 105/],
  ["a header of 4 GiB", place(100, hex("fffffff8")), "qcow2-damaged", /ends within the header/],
  ["an external data file", place(79, hex("04")), "qcow2-unsupported", /external data file/],
  [
    "zstd",
    (h) => [place(79, hex("08")), place(100, hex("00000070 01"))].forEach((change) => void change(h)),
    "qcow2-unsupported",
    /zstd/,
  ],
  ["zstd without its feature bit", place(100, hex("00000070 01")), "qcow2-damaged", /compression type/],
  ["extended L2 entries", place(79, hex("10")), "qcow2-unsupported", /extended L2/],
  ["the corrupt bit", place(79, hex("02")), "qcow2-corrupt", /marked as corrupt/],
  ["an unknown feature", place(72, hex("80")), "qcow2-unsupported", /feature of bit 63/],
  ["a backing name before the header's end", place(8, hex("0000000000000040 00000001")), "qcow2-damaged", /backing/],
  ["a backing name behind the header", place(8, hex("000000000000fff0 00000020")), "qcow2-damaged", /backing/],
  ["a backing name of 1024 bytes", place(8, hex("0000000000000080 00000400")), "qcow2-damaged", /1024 bytes/],
  ["a backing name with NUL", place(8, hex("0000000000000080 00000001")), "qcow2-damaged", /not text/],
  [
    "an extension without end",
    (h) =>
      [place(8, hex("0000000000000200 00000001")), place(104, hex("00000001 7fffffff"))].forEach(
        (change) => void change(h),
      ),
    "qcow2-damaged",
    /extension/,
  ],
])("a header with %s is refused", (_, change, code, message) => {
  const bytes = Buffer.concat([encodeHeader(fields), Buffer.alloc(65536)]);
  change(bytes);
  const error = capstanErrorOf(() => decodeHeader(bytes.subarray(0, 65536), source));
  expect(error.message).toMatch(message);
  expect(error.code).toBe(code);
  expect(error.message).toContain("disk.qcow2");
});

test("an unknown feature has the name that the image gives it", () => {
  const bytes = Buffer.concat([encodeHeader(fields), Buffer.alloc(1000)]);
  bytes[76] = 0x01;
  bytes.writeUInt32BE(0x6803f857, 104);
  bytes.writeUInt32BE(96, 108);
  bytes.set([1, 24], 112);
  bytes.write("compatible, so another", 114);
  bytes.set([0, 24], 160);
  bytes.write("moon phase", 162);
  expect(capstanErrorOf(() => decodeHeader(bytes, source)).message).toContain("'moon phase' (bit 24)");
});

test("the dirty bit does not keep from reading", () => {
  const bytes = encodeHeader(fields);
  bytes[79] = 1;
  expect(decodeHeader(bytes, source).size).toBe(fields.size);
});

test.each([0, 3, 71, 72, 103])("a file of %d bytes is refused", (length) => {
  const bytes = length === 0 ? none : encodeHeader(fields).subarray(0, length);
  expect(capstanErrorOf(() => decodeHeader(bytes, source)).message).toContain("ends within the header");
});

test.each<[string, number, 2 | 3, string, object]>([
  ["nothing", 16, 3, "0000000000000000", { kind: "unallocated" }],
  ["zero", 16, 3, "0000000000000001", { kind: "zero" }],
  ["zero, allocated", 16, 3, "8000000000050001", { kind: "zero" }],
  ["data", 16, 3, "8000000000050000", { kind: "data", offset: 0x50000 }],
  ["data beyond 4 GiB", 16, 3, "0000123480050000", { kind: "data", offset: 0x1234_8005_0000 }],
  ["data, clusters of 512", 9, 2, "8000000000000200", { kind: "data", offset: 512 }],
  // 64 KiB: 62 - 8 = 54 bits of offset, then 8 bits of sectors.
  ["compressed", 16, 3, "4000000000050123", { kind: "compressed", offset: 0x50123, length: 512 - 0x123 }],
  ["compressed, 4 sectors", 16, 3, "40c0000000050000", { kind: "compressed", offset: 0x50000, length: 2048 }],
  ["compressed, 256 sectors", 16, 3, "7fc0000000050000", { kind: "compressed", offset: 0x50000, length: 131072 }],
  // 512: 61 bits of offset, 1 bit of sectors. 2 MiB: 49 and 13.
  ["compressed, clusters of 512", 9, 3, "6000000000000210", { kind: "compressed", offset: 0x210, length: 1024 - 16 }],
  ["compressed, clusters of 2 MiB", 21, 3, "4002000000200000", { kind: "compressed", offset: 0x200000, length: 1024 }],
])("an L2 entry: %s", (_, clusterBits, version, entry, expected) => {
  expect(decodeL2Entry(hex(entry), 0, { version, clusterBits })).toEqual(expected);
});

test.each<[string, number, 2 | 3, string]>([
  ["zero in version 2", 16, 2, "0000000000000001"],
  ["not on a cluster", 16, 3, "8000000000050200"],
  ["reserved bits below", 16, 3, "8000000000050100"],
  ["reserved bits above", 16, 3, "8100000000050000"],
  ["compressed beyond 2^53", 9, 3, "4020000000000000"],
])("an L2 entry is refused: %s", (_, clusterBits, version, entry) => {
  expect(decodeL2Entry(hex(entry), 0, { version, clusterBits }).kind).toBe("invalid");
});

test.each<[string, number | string]>([
  ["0000000000000000", 0],
  ["8000000000050000", 0x50000],
  ["80ffffffffff0000", 0xffffffffff0000],
  ["8000000000050001", "reserved bits are set"],
  ["c000000000050000", "reserved bits are set"],
  ["8000000000050200", "the offset 328192 is not aligned"],
])("an L1 entry %s", (entry, expected) => {
  expect(decodeL1Entry(hex(entry), 0, 16)).toBe(expected);
});
