// The part `update` of `npm run bench`: an image of 20,000 files composed afresh, found unchanged, and updated for one
// changed file, as ROFS and as ZFS. Waiting for a disk varies, so the processor's time stands beside that of the clock.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

/** Longer than a file counts as written to a moment ago, which is read again. */
const REST = 300;

/**
 * `bench` has what run.mjs measures with: work, quick, add, interleaved, makeTree, timed, cli, loader, ratio, sec.
 * `loader` is the path of one whose kernel does not show whether it mounts ZFS.
 */
export async function benchUpdate(bench) {
  const scale = bench.quick ? 10 : 1;
  const files = 20_000 / scale;
  const project = join(bench.work, "update");
  bench.makeTree(project, { files, bytes: 200e6 / scale, depth: 2 });
  mkdirSync(join(project, "meta"));
  writeFileSync(join(project, "meta", "package.yaml"), "name: update\ntitle: Update\nauthor: bench\n");
  for (const fs of ["rofs", "zfs"]) await updates(bench, { fs, files, project });
}

async function updates(bench, { fs, files, project }) {
  const { add, ratio, sec } = bench;
  const words = ["package", "compose", `update-${fs}`, "--run", "/x", "-l", bench.loader, "-q", "--no-check"];
  if (fs === "zfs") words.push("--fs", "zfs", "--zfs-root", "osv");
  const compose = (more = []) => bench.timed(process.execPath, [bench.cli, ...words, ...more], project);
  let changed = 0;
  await compose();
  const results = await bench.interleaved({
    afresh: () => compose(),
    unchanged: () => compose(["--update"]),
    one: async () => {
      const number = (changed++ * 7919) % files;
      const path = join(project, `d${Math.floor(number / 100)}`, `file-${number}.txt`);
      writeFileSync(path, `${changed}\n${"changed ".repeat(1250)}`);
      await setTimeout(REST);
      return await compose(["--update"]);
    },
  });
  const { afresh } = results;
  for (const [what, text] of [
    ["unchanged", "nothing changed"],
    ["one", `one file of ${files} changed`],
  ]) {
    const { seconds, cpuSeconds } = results[what];
    const note = `${sec(seconds)} and ${sec(afresh.seconds)}; processor ${sec(cpuSeconds)} and ${sec(afresh.cpuSeconds)}`;
    add(`update: ${fs}, ${text}, over composing afresh`, ratio(seconds, afresh.seconds), "0.5 s", note);
  }
}
