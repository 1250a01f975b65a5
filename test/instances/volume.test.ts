import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createQcow2 } from "../../src/disks/qcow2/writer.ts";
import { formatVolume, parseVolume } from "../../src/instances/volume.ts";
import { temporaryFolder } from "../hypervisors/tiny-guest.ts";

const folder = temporaryFolder();
const usual = { format: "raw", aio: "threads", cache: "writeback", readonly: false } as const;

function file(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.alloc(1024));
  return path;
}
file("v.img");
file("with:colon");
file("a:readonly");

test.each([
  ["v.img", {}],
  ["v.img:format=qcow2", { format: "qcow2" }],
  ["v.img:aio=native", { aio: "native", cache: "none" }],
  ["v.img:aio=native:cache=directsync", { aio: "native", cache: "directsync" }],
  ["v.img:cache=none:format=raw:readonly=on", { cache: "none", readonly: true }],
  ["v.img:readonly", { readonly: true }],
  ["v.img:readonly=off", {}],
])("%s", (text, expected) => {
  expect(parseVolume(text, folder)).toEqual({ path: join(folder, "v.img"), ...usual, ...expected });
});

test("a path may be absolute, hold colons, or go through a link", () => {
  symlinkSync(join(folder, "v.img"), join(folder, "link"));
  expect(parseVolume(`${folder}/v.img`, "/").path).toBe(join(folder, "v.img"));
  expect(parseVolume("with:colon:cache=none", folder)).toMatchObject({
    path: join(folder, "with:colon"),
    cache: "none",
  });
  expect(parseVolume("link", folder).path).toBe(join(folder, "link"));
});

test("the format is told by the content", () => {
  createQcow2(join(folder, "v.qcow2"), { size: 1 << 20 }).close();
  expect(parseVolume("v.qcow2", folder).format).toBe("qcow2");
  writeFileSync(join(folder, "v.vmdk"), Buffer.concat([Buffer.from("KDMV"), Buffer.alloc(1000)]));
  expect(parseVolume("v.vmdk", folder).format).toBe("vmdk");
});

describe("errors", () => {
  mkdirSync(join(folder, "sub"));

  test.each([
    ["", "path is missing", "bad-volume"],
    [":format=raw", "path is missing", "bad-volume"],
    ["v.img:frmat=raw", "Did you mean 'format'?", "bad-volume"],
    ["v.img:format=qcow", "Did you mean 'qcow2'? Choose from raw, qcow2", "bad-volume"],
    ["v.img:aio=io_uring", "Choose from threads, native", "bad-volume"],
    ["v.img:cache=", "'' is no cache", "bad-volume"],
    ["v.img:readonly=maybe", "Choose from on, off", "bad-volume"],
    ["v.img:format=raw:format=raw", "set twice", "bad-volume"],
    ["v.img:aio=native:cache=writeback", "aio=native goes with", "bad-volume"],
    ["sub", "neither a file nor a block device", "bad-volume"],
    ["/dev/null", "neither a file nor a block device", "bad-volume"],
    ["nothing.img", "There is no volume", "no-such-volume"],
    ["v.img/under", "There is no volume", "no-such-volume"],
    ["v.img:raw", "There is no volume", "no-such-volume"],
  ])("'%s'", (text, why, code) => {
    expect(() => parseVolume(text, folder)).toThrow(
      expect.objectContaining({
        code,
        exitCode: code === "bad-volume" ? 64 : 66,
        message: expect.stringContaining(why),
      }),
    );
  });
});

test("what is formatted is read back", () => {
  for (const text of ["v.img", "with:colon:readonly", "v.img:aio=native:cache=directsync:format=vdi"]) {
    const volume = parseVolume(text, folder);
    expect(parseVolume(formatVolume(volume), "/")).toEqual(volume);
  }
});
