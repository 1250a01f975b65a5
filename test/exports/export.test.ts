import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { EXPORT_FORMATS, type ExportFormat, exportDisk } from "../../src/exports/export.ts";
import { MemoryDisk, noise } from "../disks/support.ts";
import { failureOf, temporaryFolder, testContext } from "../packages/support.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";

const formats = Object.keys(EXPORT_FORMATS) as ExportFormat[];
const context = testContext("/");

/** Not of whole MiB, with a hole in the middle and at the end. */
function content(): Buffer {
  const bytes = Buffer.alloc(5 * 2 ** 20 + 512);
  noise(70_000).copy(bytes);
  noise(1_000_000, 2).copy(bytes, 3_000_000);
  return bytes;
}

async function exported(format: ExportFormat, name = `app${EXPORT_FORMATS[format]}`): Promise<string> {
  const path = join(temporaryFolder(), name);
  await exportDisk({ device: new MemoryDisk(content()), path, format, compress: false, force: false }, context);
  return path;
}

describe.each(formats)("as %s", (format) => {
  test("one file is there at the end, which is not overwritten without being asked to", async () => {
    const path = await exported(format);
    const folder = join(path, "..");
    expect(readdirSync(folder)).toEqual([`app${EXPORT_FORMATS[format]}`]);
    writeFileSync(path, "mine");
    const input = { device: new MemoryDisk(content()), path, format, compress: false };
    expect((await failureOf(() => exportDisk({ ...input, force: false }, context))).code).toBe("file-exists");
    expect(readFileSync(path, "utf8")).toBe("mine");
    await exportDisk({ ...input, force: true }, context);
    expect(statSync(path).size).toBeGreaterThan(1_000_000);
  });

  test("an end in the middle leaves the old file, and no other", async () => {
    const path = join(temporaryFolder(), "old");
    writeFileSync(path, "mine");
    const controller = new AbortController();
    const device = new MemoryDisk(content());
    const read = device.read.bind(device);
    device.read = (target, offset) => {
      if (offset > 2 ** 20) controller.abort();
      read(target, offset);
    };
    const input = { device, path, format, compress: false, force: true };
    const ended = testContext("/", { signal: controller.signal });
    await expect(exportDisk(input, ended)).rejects.toMatchObject({ code: "interrupted" });
    expect(readFileSync(path, "utf8")).toBe("mine");
    expect(readdirSync(join(path, ".."))).toEqual(["old"]);
  });

  test("nothing of the place where it was written is in it", async () => {
    expect(readFileSync(await exported(format)).includes(".part")).toBe(false);
  });
});

test.each(["vmdk", "vmdk-stream"] as const)(
  "the description of %s names the file by its final name",
  async (format) => {
    const bytes = readFileSync(await exported(format, "final.vmdk"));
    expect(bytes.toString("latin1")).toContain('SPARSE "final.vmdk"');
  },
);

test.each([
  ["", "not-a-file"],
  ["link-to-a-device", "not-a-file"],
  ["nowhere/app.raw", "no-such-folder"],
])("the place %j is refused, and stays what it is", async (place, code) => {
  const folder = temporaryFolder();
  symlinkSync("/dev/null", join(folder, "link-to-a-device"));
  const input = { device: new MemoryDisk(content()), format: "raw", compress: false, force: true } as const;
  const error = await failureOf(() => exportDisk({ ...input, path: join(folder, place) }, context));
  expect([error.code, error.exitCode]).toEqual([code, 73]);
  expect(readdirSync(folder)).toEqual(["link-to-a-device"]);
});

test.each(formats)("a failure of %s is told with the final name", async (format) => {
  const folder = temporaryFolder();
  // A name so long that the temporary one beside it cannot be.
  const path = join(folder, `${"n".repeat(250)}.x`);
  const input = { device: new MemoryDisk(content()), path, format, compress: false, force: false };
  const { message } = await failureOf(() => exportDisk(input, context));
  expect(message).toContain(path);
  expect(message).not.toContain(".part");
});

describeUnless(lacksProgram("qemu-img"))("sizes", () => {
  const PEERS: readonly (readonly [ExportFormat, readonly string[]])[] = [
    ["qcow2", ["qcow2"]],
    ["vmdk", ["vmdk"]],
    ["vmdk-stream", ["vmdk", "-o", "subformat=streamOptimized"]],
    ["vdi", ["vdi"]],
    ["vhd", ["vpc", "-o", "subformat=fixed,force_size=on"]],
    ["vhd-dynamic", ["vpc", "-o", "subformat=dynamic,force_size=on"]],
  ];

  // Zeros are left out in pieces of 64 KiB, and by QEMU in smaller ones: that shows at the ends of the data.
  test.each(PEERS)("%s takes no more room than QEMU's", async (format, options) => {
    const path = await exported(format);
    const [model, theirs] = [join(path, "..", "model"), join(path, "..", "theirs")];
    writeFileSync(model, content());
    execFileSync("qemu-img", ["convert", "-f", "raw", "-O", ...options, model, theirs]);
    const used = (file: string) => statSync(file).blocks * 512;
    expect(used(path)).toBeLessThan(used(theirs) * 1.02 + 2 ** 18);
  });
});
