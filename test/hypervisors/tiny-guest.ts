import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { Context } from "../../src/support/context.ts";
import type { ReportEvent } from "../../src/support/reporter.ts";

/**
 * Two guests of about a hundred bytes, which a real QEMU boots in a tenth of a second: a boot sector, and a multiboot
 * kernel. Both print their command line (from byte 512 of the disk, or after the first blank of what QEMU hands over), then
 * - power off, if it begins with P;
 * - else send back what comes on the serial port, and power off at the power button, unless it begins with D (deaf).
 * Assembled from `in`, `out` and loops over the ports 0x3f8 (serial), 0x600 (ACPI PM1 event), 0x604 (PM1 control).
 */
const BOOT_SECTOR =
  "fa31c08ed88ec08ed0bc007cfbb80402b9020030f6bb007ecd13ba0206b80001efbe007eac84c07405e83400ebf68a1e007e80fb50741f80fb44" +
  "7409ba0006edf6c4017511bafd03eca80174eabaf803ece80c00ebe1ba0406b80020eff4ebfd50bafd03eca82074f858baf803eec3";
const KERNEL =
  "02b0ad1b00000000fe4f52e4bc00000900ba02060000b80001000066ef8b7310ac84c074123c2075f789f7ac84c07407e847000000ebf4b00ae8" +
  "3e0000008a1f80fb50742880fb44740cba0006000066edf6c4017517bafd030000eca80174e5baf8030000ece811000000ebd8ba04060000b800" +
  "20000066eff4ebfd50bafd030000eca82074f658baf8030000eec3";
const ENTRY = 12;
const LOAD_ADDRESS = 0x100000;

/** Writes a raw disk of 1 MiB with that command line (at most 2,000 bytes are printed). */
export function writeTinyDisk(path: string, commandLine: string): string {
  const disk = Buffer.alloc(1 << 20);
  Buffer.from(BOOT_SECTOR, "hex").copy(disk);
  disk.writeUInt16LE(0xaa55, 510);
  disk.write(commandLine, 512);
  writeFileSync(path, disk);
  return path;
}

/** Writes a 32-bit ELF with one segment. */
export function writeTinyKernel(path: string): string {
  const code = Buffer.from(KERNEL, "hex");
  const elf = Buffer.alloc(0x1000 + code.length);
  elf.write("\x7fELF\x01\x01\x01", "latin1");
  // type EXEC, machine 386, version, entry, program headers at 52, header sizes, one program header
  elf.writeUInt16LE(2, 16);
  elf.writeUInt16LE(3, 18);
  elf.writeUInt32LE(1, 20);
  elf.writeUInt32LE(LOAD_ADDRESS + ENTRY, 24);
  elf.writeUInt32LE(52, 28);
  elf.writeUInt16LE(52, 40);
  elf.writeUInt16LE(32, 42);
  elf.writeUInt16LE(1, 44);
  // type LOAD, offset, virtual and physical address, sizes, flags RWX, alignment
  [1, 0x1000, LOAD_ADDRESS, LOAD_ADDRESS, code.length, code.length, 7, 0x1000].forEach((value, index) => {
    elf.writeUInt32LE(value, 52 + 4 * index);
  });
  code.copy(elf, 0x1000);
  writeFileSync(path, elf);
  return path;
}

/** A folder that is removed when the tests of the file are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "capstan-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface TestContext extends Context {
  readonly events: ReportEvent[];
  readonly abort: (reason?: unknown) => void;
}

export function testContext(changes: Partial<Context> = {}): TestContext {
  const events: ReportEvent[] = [];
  const controller = new AbortController();
  return {
    cwd: "/",
    env: process.env,
    now: () => new Date(),
    signal: controller.signal,
    reporter: { report: (event) => events.push(event), verbose: true },
    ...changes,
    events,
    abort: (reason) => controller.abort(reason),
  };
}
