import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eachNonZeroRun, WriteGatherer } from "../../src/disks/gather.ts";
import { noise } from "./support.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
/** What is gathered at most. */
const RUN = 512 * KiB;

function recorder() {
  const runs: { offset: number; length: number }[] = [];
  const bytes = Buffer.alloc(16 * MiB);
  const gatherer = new WriteGatherer(65536, (run, offset) => {
    runs.push({ offset, length: run.length });
    bytes.set(run, offset);
  });
  return { runs, bytes, gatherer };
}

describe("WriteGatherer", () => {
  test("small sequential writes become runs of 512 KiB", () => {
    const { runs, gatherer } = recorder();
    for (let at = 0; at < 2.5 * RUN; at += 512) gatherer.write(Buffer.alloc(512), at);
    gatherer.commit();
    expect(runs).toEqual([
      { offset: 0, length: RUN },
      { offset: RUN, length: RUN },
      { offset: 2 * RUN, length: RUN / 2 },
    ]);
  });

  test("a run that starts within a unit ends at a border of units", () => {
    const { runs, gatherer } = recorder();
    for (let at = 1000; at < 1.5 * RUN; at += 100) gatherer.write(Buffer.alloc(100), at);
    // Units of the recorder are of 64 KiB: the run is as long as can be from the start of the unit that it begins in.
    expect(runs).toEqual([{ offset: 1000, length: RUN - 1000 }]);
  });

  test("before large data only the begun unit is completed: the rest is not copied", () => {
    const { runs, gatherer } = recorder();
    gatherer.write(Buffer.alloc(100), 65536);
    gatherer.write(Buffer.alloc(MiB), 65636);
    expect(runs).toEqual([
      { offset: 65536, length: 65536 },
      { offset: 131072, length: MiB - 65536 },
    ]);
    gatherer.commit();
    expect(runs[2]).toEqual({ offset: 65536 + MiB, length: 100 });
  });

  test("large writes pass through in one piece, their last part of a unit waits", () => {
    const { runs, gatherer } = recorder();
    gatherer.write(Buffer.alloc(5 * MiB + 10), 65536);
    expect(runs).toEqual([{ offset: 65536, length: 5 * MiB }]);
    gatherer.commit();
    expect(runs[1]).toEqual({ offset: 65536 + 5 * MiB, length: 10 });
  });

  test.each([
    [0, 20, "...................."],
    [0, 21, "....................a"],
    [22, 3, "cde"],
    [29, 3, "j.."],
    [30, 5, "....."],
    [18, 14, "..abcdefghij.."],
  ])("what is held lies over what is read: at %i, %i bytes", (offset, length, expected) => {
    const { gatherer, runs } = recorder();
    const target = Buffer.alloc(length, ".");
    gatherer.layOver(target, offset);
    gatherer.write(Buffer.from("abcdefghij"), 20);
    gatherer.layOver(target, offset);
    expect(target.toString()).toBe(expected);
    expect(runs).toEqual([]);
  });

  test("a run whose writing failed is not tried again", () => {
    let calls = 0;
    const gatherer = new WriteGatherer(512, () => {
      calls++;
      throw new Error("disk full");
    });
    gatherer.write(Buffer.alloc(10), 0);
    expect(() => gatherer.commit()).toThrow("disk full");
    gatherer.commit();
    expect(calls).toBe(1);
  });

  test("whatever the writes, their bytes arrive in order", () => {
    const write = fc.record({
      offset: fc.integer({ min: 0, max: 9 * MiB }),
      length: fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: RUN - 3, max: 5 * MiB })),
      follows: fc.boolean(),
    });
    const source = noise(5 * MiB);
    fc.assert(
      fc.property(fc.array(write, { maxLength: 8 }), (writes) => {
        const { bytes, gatherer } = recorder();
        const model = Buffer.alloc(bytes.length);
        let end = 0;
        for (const { offset, length, follows } of writes) {
          const at = follows && end + length <= model.length ? end : offset;
          const data = source.subarray(0, length);
          gatherer.write(data, at);
          model.set(data, at);
          end = at + length;
        }
        gatherer.commit();
        expect(bytes.equals(model)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});

describe("eachNonZeroRun", () => {
  test.each<[string, string, number, [number, string][]]>([
    ["nothing", "", 0, []],
    ["zeros", "........", 0, []],
    ["one unit", "....a...", 0, [[4, "a..."]]],
    ["neighbours", "..a.b.......", 0, [[0, "..a.b..."]]],
    [
      "two runs",
      "a.......b",
      0,
      [
        [0, "a..."],
        [8, "b"],
      ],
    ],
    ["units of the device, not of the data", "..a...", 2, [[4, "a..."]]],
    ["the part of a unit at the start", ".a....", 2, [[2, ".a"]]],
  ])("%s", (_, text, offset, expected) => {
    const found: [number, string][] = [];
    eachNonZeroRun(Buffer.from(text.replaceAll(".", "\0")), { offset, unit: 4 }, (run, at) => {
      found.push([at, Buffer.from(run).toString().replaceAll("\0", ".")]);
    });
    expect(found).toEqual(expected);
  });
});
