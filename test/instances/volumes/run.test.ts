import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { parseVolume } from "../../../src/instances/volume.ts";
import { volumeUses } from "../../../src/instances/volumes/uses.ts";
import { temporaryFolder } from "../../hypervisors/tiny-guest.ts";
import { lacksProgram, testUnless } from "../../support/machine.ts";
import { image, remains, run } from "../support.ts";

const root = temporaryFolder();
const suite = testUnless(lacksProgram("qemu-system-x86_64"));

function volume(name: string, settings = "") {
  writeFileSync(join(root, name), Buffer.alloc(1024), { flag: "a" });
  return [parseVolume(`${name}${settings}`, root)];
}

suite("a running instance keeps its volume from another one, until it ends", async () => {
  const first = run(root, { image: image(root, "first", "E first"), volumes: volume("v") });
  await first.shows("first");
  expect(volumeUses(root)).toMatchObject([{ instance: "first", readonly: false }]);
  const second = () => run(root, { image: image(root, "second", "P second"), volumes: volume("v") });
  await expect(second().result).rejects.toMatchObject({
    code: "volume-in-use",
    message: expect.stringContaining("is in use by the instance first"),
  });
  expect(remains(root)).toEqual(["first"]);
  first.interrupt();
  await first.result;
  expect(volumeUses(root)).toEqual([]);
  await expect(second().result).resolves.toMatchObject({ outcome: "ok" });
  expect(remains(root)).toEqual([]);
});

suite("two that only read it have it at the same time", async () => {
  const runs = ["one", "two"].map((name) =>
    run(root, { image: image(root, name, `E ${name}`), volumes: volume("shared", ":readonly") }),
  );
  await Promise.all(runs.map((one, index) => one.shows(["one", "two"][index] ?? "")));
  expect(
    volumeUses(root)
      .map(({ instance }) => instance)
      .sort(),
  ).toEqual(["one", "two"]);
  for (const one of runs) one.interrupt();
  await Promise.all(runs.map(({ result }) => result));
});
