import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { DiskFile } from "../../src/disks/disk-file.ts";

const folder = mkdtempSync(join(tmpdir(), "capstan-disk-file-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MiB = 1024 * 1024;
const lacksProc = !existsSync("/proc/self/fd");

/** The descriptors of this process that lead to `path`. */
function descriptorsOf(path: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  }).length;
}

test.skipIf(lacksProc)(
  "writing out early changes nothing of the file, and in the end leaves no descriptor open",
  async () => {
    const path = join(folder, "disk");
    const file = DiskFile.create(path);
    file.writeOutEarly();
    expect(descriptorsOf(path)).toBe(2);
    const chunk = Buffer.alloc(MiB);
    for (let at = 0; at < 80; at++) file.write(chunk.fill(at), at * MiB);
    file.sync();
    // The background may still be at work: its descriptor goes when it is done, and not while it is used.
    file.close();
    await vi.waitFor(() => expect(descriptorsOf(path)).toBe(0), { timeout: 30_000 });
    const written = readFileSync(path);
    expect(written.length).toBe(80 * MiB);
    for (let at = 0; at < 80; at++) expect([written[at * MiB], written[(at + 1) * MiB - 1]]).toEqual([at, at]);
  },
);
