import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { type Layout, layoutOf } from "../../src/store/layout.ts";

/** The layout of a store that does not exist yet, and goes away with the test. */
export function temporaryStore(): Layout {
  const folder = mkdtempSync(join(tmpdir(), "capstan-store-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return layoutOf(join(folder, "root"));
}

/** A raw disk that a BIOS would boot: `size` bytes that end their first sector in 55 AA, with `mark` at their start. */
export function bootableDisk(size = 4096, mark = ""): Buffer {
  const disk = Buffer.alloc(size);
  disk.write(mark);
  disk.set([0x55, 0xaa], 510);
  return disk;
}

/** Puts files where the original would, as if they had always been there. */
export function fill(folder: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

/** Every file below a folder, hidden ones too, by its path from there; sorted. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
