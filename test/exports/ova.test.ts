import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { XMLParser } from "fast-xml-parser";
import { describe, expect, test } from "vitest";
import { writeOva } from "../../src/exports/ova/ova.ts";
import { formatOvf } from "../../src/exports/ova/ovf.ts";
import { failureOf, temporaryFolder } from "../packages/support.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { MemoryDevice } from "../support/memory-device.ts";

const options = { name: "app", flavour: "virtualbox", memory: 512, cpus: 1, mtime: 1_700_000_000 } as const;

function disk(): MemoryDevice {
  const device = new MemoryDevice(3_000_320);
  device.write(Buffer.from("start"), 0);
  device.write(Buffer.alloc(200_000, "data"), 1_500_000);
  return device;
}

const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: "@", parseTagValue: false });

describe("the descriptor", () => {
  const machine = { ...options, capacity: 4096, file: { name: "app-disk1.vmdk", size: 77 } };
  const itemsOf = (text: string): Record<string, string>[] =>
    parser.parse(text).Envelope.VirtualSystem.VirtualHardwareSection.Item;

  test("names the disk and its sizes", () => {
    const { Envelope } = parser.parse(formatOvf(machine));
    expect(Envelope.References.File).toMatchObject({
      "@ovf:href": "app-disk1.vmdk",
      "@ovf:size": "77",
      "@ovf:id": "file1",
    });
    expect(Envelope.DiskSection.Disk).toMatchObject({ "@ovf:capacity": "4096", "@ovf:fileRef": "file1" });
    expect(Envelope.DiskSection.Disk["@ovf:format"]).toContain("streamOptimized");
  });

  test.each([
    ["virtualbox", "20 AHCI", "10 virtio-net"],
    ["vmware", "6 VirtualSCSI", "10 VmxNet3"],
  ] as const)("of %s has devices that OSv has drivers for", (flavour, controller, card) => {
    const devices = itemsOf(formatOvf({ ...machine, flavour })).map((item) =>
      `${item["rasd:ResourceType"]} ${item["rasd:ResourceSubType"] ?? item["rasd:VirtualQuantity"] ?? ""}`.trim(),
    );
    expect(devices).toEqual(["3 1", "4 512", controller, "17", card]);
  });

  test("has the elements of each item in the order of the schema, and numbers of their own", () => {
    const items = itemsOf(formatOvf(machine));
    for (const item of items) expect(Object.keys(item)).toEqual(Object.keys(item).sort());
    expect(new Set(items.map((item) => item["rasd:InstanceID"])).size).toBe(items.length);
  });

  test("holds any name as text", () => {
    const { Envelope } = parser.parse(formatOvf({ ...machine, name: '<a & "b">' }));
    expect(Envelope.VirtualSystem["@ovf:id"]).toBe('<a & "b">');
  });
});

describeUnless(lacksProgram("tar", "qemu-img"))("the archive", () => {
  async function unpacked(more: Partial<typeof options> & { name?: never } = {}) {
    const folder = temporaryFolder();
    await writeOva(disk(), join(folder, "a.ova"), { ...options, ...more });
    const names = execFileSync("tar", ["-tf", "a.ova"], { cwd: folder, encoding: "utf8" }).trim().split("\n");
    execFileSync("tar", ["-xf", "a.ova"], { cwd: folder });
    return { folder, names };
  }

  test("has the descriptor first, then the digests, then the disk", async () => {
    const { folder, names } = await unpacked();
    expect(names).toEqual(["app.ovf", "app.mf", "app-disk1.vmdk"]);
    expect(statSync(join(folder, "a.ova")).size % 10_240).toBe(0);
  });

  test("has the digests and the size of what is in it", async () => {
    const { folder } = await unpacked();
    const sha256 = (name: string) =>
      createHash("sha256")
        .update(readFileSync(join(folder, name)))
        .digest("hex");
    expect(readFileSync(join(folder, "app.mf"), "utf8")).toBe(
      `SHA256(app.ovf)= ${sha256("app.ovf")}\nSHA256(app-disk1.vmdk)= ${sha256("app-disk1.vmdk")}\n`,
    );
    const { Envelope } = parser.parse(readFileSync(join(folder, "app.ovf")));
    expect(Number(Envelope.References.File["@ovf:size"])).toBe(statSync(join(folder, "app-disk1.vmdk")).size);
  });

  test("has the disk as a sound VMDK with the same content", async () => {
    const { folder } = await unpacked();
    execFileSync("qemu-img", ["check", "-q", "-f", "vmdk", "app-disk1.vmdk"], { cwd: folder });
    execFileSync("qemu-img", ["convert", "-f", "vmdk", "-O", "raw", "app-disk1.vmdk", "out"], { cwd: folder });
    const content = Buffer.alloc(disk().size);
    disk().read(content, 0);
    expect(readFileSync(join(folder, "out")).subarray(0, content.length).equals(content)).toBe(true);
  });
});

test.each(["../../etc/x", "a b/ü", "", "-rf", ".hidden"])("the name %j leads nowhere", async (name) => {
  const path = join(temporaryFolder(), "a.ova");
  await writeOva(disk(), path, { ...options, name });
  const first = readFileSync(path).toString("latin1", 0, 100).replace(/\0.*/s, "");
  expect(first).toMatch(/^[A-Za-z0-9_][A-Za-z0-9._-]*\.ovf$/);
});

test("a failure leaves nothing, and what is there is kept", async () => {
  const path = join(temporaryFolder(), "a.ova");
  const controller = new AbortController();
  controller.abort();
  const large = new MemoryDevice(40 * 65_536);
  for (let at = 0; at < large.size; at += 65_536) large.write(Buffer.from("x"), at);
  await failureOf(() => writeOva(large, path, { ...options, signal: controller.signal }));
  expect(existsSync(path)).toBe(false);
  await writeOva(disk(), path, options);
  expect((await failureOf(() => writeOva(disk(), path, options))).code).toBe("file-exists");
});
