// The part `build` of `npm run bench`: building from a Capstanfile with a base of 200 MB, against copying the base's file.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** `bench` has what run.mjs measures with: work, store, quick, add, interleaved, makeTree, composeNew, shell, ratio, sec, must. */
export async function benchBuild(bench) {
  const scale = bench.quick ? 10 : 1;
  await overBase(bench, { name: "2,000 files, 200 MB", files: 2000 / scale, bytes: 200e6 / scale, depth: 2 }, "rofs");
  await overBase(
    bench,
    { name: "20,000 files, 200 MB", files: 20_000 / scale, bytes: 200e6 / scale, depth: 2 },
    "rofs",
  );
}

async function overBase(bench, tree, fs) {
  const { work, store, cli, add, ratio, sec } = bench;
  const folder = join(work, "tree");
  bench.makeTree(folder, tree);
  bench.must(process.execPath, [cli, "compose", "base", folder, "-l", "builtin", "-c", "/x", "-q", "--no-check"]);
  rmSync(folder, { recursive: true, force: true });
  const project = join(work, "project");
  mkdirSync(project, { recursive: true });
  writeFileSync(join(project, "app"), "x".repeat(1e6));
  writeFileSync(join(project, "Capstanfile"), "base: base\ncmdline: /app\nfiles: { /app: app }\n");
  const base = join(store, "repository", "base", "base.qemu");
  const build = () => bench.composeNew(["build", "bench", "-q", "--no-check"], project);
  await build();
  const results = await bench.interleaved({
    cp: () => bench.shell('cp "$2" "$1" && sync "$1"', join(work, "copy.qemu"), base),
    build,
  });
  const note = `${sec(results.build.seconds)} and ${sec(results.cp.seconds)}`;
  add(`build: a base of ${tree.name} (${fs}), over cp`, ratio(results.build.seconds, results.cp.seconds), "1.5", note);
  add(`build: a base of ${tree.name} (${fs}), peak memory`, `${Math.round(results.build.peakMiB)} MiB`, "150 MiB", "");
  for (const name of ["project", "copy.qemu"]) rmSync(join(work, name), { recursive: true, force: true });
}
