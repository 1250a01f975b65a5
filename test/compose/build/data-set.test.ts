import { expect, test } from "vitest";
import { dataSetOf } from "../../../src/compose/build/base.ts";
import { openPool } from "../../../src/filesystems/zfs/read/pool.ts";
import { openZfs } from "../../../src/filesystems/zfs/reader.ts";
import type { ZfsRoot } from "../../../src/filesystems/zfs/writer.ts";
import { tree } from "../../filesystems/trees.ts";
import { forge } from "../../filesystems/zfs/forge.ts";
import { poolOf } from "../../filesystems/zfs/pools.ts";

test.each<ZfsRoot>(["osv", "osv/zfs", "both"])("a pool with the root %s stays one", async (root) => {
  const image = openZfs(await poolOf(tree({ a: "b" }), { root }));
  expect(dataSetOf({ ...image, zfs: image })).toBe(root);
});

test("a pool for both kernels stays one, whichever of them has written to it last", async () => {
  const device = await poolOf(tree({ a: "b" }), { root: "both" });
  const clone = openPool(device).datasets[1]?.object ?? 0;
  // The birth in the pointer of the data set: 192 bytes of dnode, 128 of data set, 80 of pointer.
  forge(device, { in: "mos", object: clone, dnode: (dnode) => void dnode.writeUInt32LE(5, 192 + 128 + 80) });
  const image = openZfs(device);
  expect(image.dataset).toBe("osv/zfs");
  expect(dataSetOf({ ...image, zfs: image })).toBe("both");
});
