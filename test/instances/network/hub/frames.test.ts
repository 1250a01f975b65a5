import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameReader, LONGEST_FRAME, packFrame } from "../../../../src/instances/network/hub/frames.ts";

/** The stream that these frames make, and the same in pieces. */
function streamOf(frames: readonly Uint8Array[], cuts: readonly number[]): Buffer[] {
  const stream = Buffer.concat(frames.map(packFrame));
  const places = [...new Set([0, ...cuts.map((cut) => cut % (stream.length + 1)), stream.length])].sort(
    (a, b) => a - b,
  );
  return places.slice(1).map((end, index) => stream.subarray(places[index], end));
}

test("frames come out as they went in, however the stream is cut", () => {
  const frame = fc.uint8Array({ minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 40 }), (frames, cuts) => {
      const reader = new FrameReader();
      const found = streamOf(frames, cuts).flatMap((piece) => reader.push(piece) ?? [Buffer.from("lost")]);
      expect(found.map((one) => [...one])).toEqual(frames.map((one) => [...one]));
    }),
  );
});

test("the longest frame comes byte by byte", () => {
  const reader = new FrameReader();
  const frame = Buffer.alloc(LONGEST_FRAME, 7);
  const stream = packFrame(frame);
  const found: Buffer[] = [];
  for (const byte of stream) found.push(...(reader.push(Buffer.from([byte])) ?? []));
  expect(found).toHaveLength(1);
  expect(found[0]?.equals(frame)).toBe(true);
});

test.each([
  ["no bytes", "00000000"],
  ["one more than there can be", (LONGEST_FRAME + 1).toString(16).padStart(8, "0")],
  ["4 GiB", "ffffffff"],
])("a frame of %s is the end of the stream, before anything of it is kept", (_, length) => {
  expect(new FrameReader().push(Buffer.from(length, "hex"))).toBeUndefined();
  const reader = new FrameReader();
  expect(reader.push(Buffer.from([0, 0, 0, 1, 9, 0xff]))).toEqual([Buffer.from([9])]);
  expect(reader.push(Buffer.from([0xff, 0xff, 0xff]))).toBeUndefined();
});
