// The part `zfs` of `npm run bench`: composing a ZFS against a ROFS, tar, and OSv's own builder.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const { CAPSTAN_TEST_LOADER, CAPSTAN_TEST_BUILDER } = process.env;

/**
 * `bench` has what run.mjs measures with: work, store, quick, add, interleaved, makeTree, trees, composeNew, shell, ratio, sec.
 * CAPSTAN_TEST_BUILDER and CAPSTAN_TEST_LOADER, an OSv with ZFS and its builder, add the comparison with that.
 */
export async function benchZfs(bench) {
  const loader = CAPSTAN_TEST_LOADER ?? emptyLoader(bench.work);
  const scale = bench.quick ? 10 : 1;
  for (const tree of bench.trees()) await composeTree(bench, tree, loader);
  const large = { name: `${100_000 / scale} files, ${100 / scale} MB`, files: 100_000 / scale, bytes: 100e6 / scale };
  await composeTree(bench, { ...large, depth: 2 }, loader);
  if (CAPSTAN_TEST_LOADER !== undefined && CAPSTAN_TEST_BUILDER !== undefined) {
    const tree = { name: "200 files, 10 MB", files: 200, bytes: 10e6, depth: 2 };
    await overBuilder(bench, tree, { loader, builder: CAPSTAN_TEST_BUILDER });
  } else {
    console.log("zfs: without the builder, as CAPSTAN_TEST_LOADER and CAPSTAN_TEST_BUILDER are not set");
  }
}

async function composeTree(bench, tree, loader) {
  const { work, add, ratio, sec } = bench;
  const folder = join(work, "tree");
  bench.makeTree(folder, tree);
  const common = ["compose", "bench", folder, "-l", loader, "-c", "/x", "-q", "--no-check"];
  const zfs = () => bench.composeNew([...common, "--fs", "zfs", "--zfs-root", "osv"]);
  await zfs();
  const archive = join(work, "out.tar");
  const results = await bench.interleaved({
    tar: () => bench.shell('tar cf "$1" -C "$2" . && sync "$1"', archive, folder),
    rofs: () => bench.composeNew(common),
    zfs,
  });
  for (const [peer, name, aim] of [
    ["rofs", "ROFS", "2"],
    ["tar", "tar cf", "3"],
  ]) {
    const note = `${sec(results.zfs.seconds)} and ${sec(results[peer].seconds)}`;
    add(`zfs: ${tree.name}, over ${name}`, ratio(results.zfs.seconds, results[peer].seconds), aim, note);
  }
  add(`zfs: ${tree.name}, peak memory`, `${Math.round(results.zfs.peakMiB)} MiB`, "200 MiB", "");
  for (const name of ["tree", "out.tar"]) rmSync(join(work, name), { recursive: true, force: true });
}

async function overBuilder(bench, tree, { loader, builder }) {
  const { add, ratio, sec } = bench;
  const folder = join(bench.work, "tree");
  bench.makeTree(folder, tree);
  const common = ["compose", "bench", folder, "-l", loader, "-c", "/x", "-q", "--no-check", "--fs", "zfs"];
  const results = await bench.interleaved({
    builder: () => bench.composeNew([...common, "--builder", "vm", "--builder-kernel", builder]),
    ours: () => bench.composeNew(common),
  });
  const note = `${sec(results.builder.seconds)} and ${sec(results.ours.seconds)}`;
  add(`zfs: ${tree.name}, OSv's builder over ours`, ratio(results.builder.seconds, results.ours.seconds), "20", note);
  rmSync(folder, { recursive: true, force: true });
}

/** The shape of a loader, with a kernel that says nothing of itself: it is copied, and never booted. */
export function emptyLoader(work) {
  const path = join(work, "loader.img");
  const [bootSize, unit] = [65536, 32768];
  const image = Buffer.alloc(4 * 2 ** 20, 1);
  image.fill(0, 0, bootSize);
  image.set([0x55, 0xaa], 0x1fe);
  // How many pieces of 32 KiB the boot sector reads.
  image.writeUInt16LE((image.length - bootSize) / unit, 0x10);
  writeFileSync(path, image);
  return path;
}
