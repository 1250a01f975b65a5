import fc from "fast-check";
import { expect, test } from "vitest";
import { payloadKind, unpackKernel } from "../../src/kernels/unpack.ts";
import { CapstanError } from "../../src/support/errors.ts";
import { MemoryDisk, noise } from "../disks/support.ts";
import { loaderImage } from "./loader-image.ts";

const MiB = 1024 * 1024;

test.each([1, 5000, 40_000, MiB - 1, MiB, MiB + 1, 2 * MiB + 3000])(
  "a kernel of %i bytes comes out of a loader image",
  (size) => {
    const kernel = Buffer.concat([
      noise(size).subarray(0, size - Math.min(size, 3000)),
      Buffer.alloc(Math.min(size, 3000), "osv"),
    ]);
    expect(unpackKernel(new MemoryDisk(loaderImage(kernel)), "l").equals(kernel)).toBe(true);
  },
);

test.each([8, 1000, 10_253, 60_000])("wherever in the unpacking program it lies: %i", (before) => {
  const kernel = noise(9000);
  const image = new MemoryDisk(loaderImage(kernel, before));
  expect(payloadKind(image)).toBe("packed");
  expect(unpackKernel(image, "l").equals(kernel)).toBe(true);
});

test("a kernel that is not packed is there as it is", () => {
  const elf = Buffer.from("\x7fELF\x02\x01\x01 and so on", "latin1");
  const image = new MemoryDisk(Buffer.concat([Buffer.alloc(65536), elf]));
  expect(payloadKind(image)).toBe("elf");
  expect(unpackKernel(image, "l").equals(elf)).toBe(true);
});

const whole = loaderImage(Buffer.alloc(30_000, "a kernel of sorts, "));

test.each<[string, Buffer]>([
  ["is too small", Buffer.alloc(65538)],
  ["has something else there", Buffer.alloc(70_000, 1)],
  ["has no table", whole.subarray(0, 65536 + 1100)],
  ["has a damaged segment", damaged(65536 + 1004, 0x60)],
  ["has a segment of another size", damaged(whole.length - 5000 - 8, 0x31)],
])("refused: an image that %s", (_, image) => {
  expect(() => unpackKernel(new MemoryDisk(image), "/loaders/osv.img")).toThrow(
    expect.objectContaining({ code: "bad-kernel", message: expect.stringContaining("/loaders/osv.img") }),
  );
});

test("changed bytes give another kernel or an error of ours", () => {
  fc.assert(
    fc.property(fc.nat(whole.length - 65537), fc.uint8Array({ minLength: 1, maxLength: 8 }), (at, bytes) => {
      const changed = Buffer.from(whole);
      changed.set(bytes.subarray(0, whole.length - 65536 - at), 65536 + at);
      try {
        expect(unpackKernel(new MemoryDisk(changed), "l").length).toBeLessThan(128 * MiB + 1);
      } catch (error) {
        expect(error).toBeInstanceOf(CapstanError);
        expect(error).toMatchObject({ code: "bad-kernel" });
      }
    }),
  );
});

function damaged(at: number, value: number): Buffer {
  const image = Buffer.from(whole);
  image[at] = value;
  return image;
}
