// The part `console` of `npm run bench`: a guest that says much, under capstan and under QEMU alone, nothing lost.
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setUp } from "../scripts/setup.mjs";

/** Numbered lines of 64 bytes, the line's end counted. */
const PROGRAM = `
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    for (long line = 0; line < atol(argv[1]); line++)
        printf("line %09ld abcdefghijklmnopqrstuvwxyz 0123456789 ABCDEFGHIJ\\n", line);
    return 0;
}
`;

/** `bench` has what run.mjs measures with: work, store, cli, env, quick, add, interleaved, must. */
export async function benchConsole(bench) {
  setUp(["gcc", "libc"]);
  const { work, store, cli, quick } = bench;
  const lines = quick ? 2000 : 40_000;
  const folder = join(work, "chatty");
  for (const path of [folder, store]) mkdirSync(path, { recursive: true });
  writeFileSync(join(work, "chatty.c"), PROGRAM);
  bench.must("gcc", ["-O1", "-static", "-o", join(folder, "chatty"), join(work, "chatty.c")]);
  bench.must(process.execPath, [cli, "compose", "chatty", folder, "-l", "builtin", "-c", `/chatty ${lines}`, "-q"]);
  const run = ["run", "chatty", "-m", "256M", "-c", "1", "--accel", "tcg", "-q"];
  // Kept, so that QEMU alone finds the same disk.
  bench.must(process.execPath, [cli, ...run, "--persist"]);
  const dry = spawnSync(process.execPath, [cli, ...run, "--dry-run", "--json"], { env: bench.env, encoding: "utf8" });
  const [qemu, ...args] = JSON.parse(dry.stdout).argv;
  const [ours, plain, log] = ["ours.txt", "plain.txt", "log.txt"].map((name) => join(work, name));
  const results = await bench.interleaved({
    plain: () => toFile(plain, qemu, args, bench.env),
    ours: () => toFile(ours, process.execPath, [cli, ...run], bench.env),
  });
  toFile(log, process.execPath, [cli, "logs", "chatty", "--tail", String(lines)], bench.env);
  const megabyte = (lines * 64) / 1e6;
  bench.add(
    `console: ${megabyte.toFixed(1)} MB through run, over QEMU alone`,
    (results.ours.seconds / results.plain.seconds).toFixed(2),
    "1.2",
    `${results.ours.seconds.toFixed(2)} s and ${results.plain.seconds.toFixed(2)} s, start and end included`,
  );
  const missing = [ours, plain, log].map((path) => lines - linesInOrder(path));
  bench.add("console: lines missing in output, QEMU alone, log", missing.join(" "), "0 0 0", `of ${lines}`);
  bench.must(process.execPath, [cli, "delete", "chatty", "-q"]);
  for (const path of [ours, plain, log, folder, join(work, "chatty.c")]) rmSync(path, { recursive: true });
}

function toFile(path, program, args, env) {
  const file = openSync(path, "w");
  const started = process.hrtime.bigint();
  const { status } = spawnSync(program, args, { env, stdio: ["ignore", file, "inherit"] });
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  closeSync(file);
  if (status !== 0) throw new Error(`${program} ended with ${status}`);
  return { seconds, peakMiB: 0 };
}

/** How many of the numbered lines are there, whole and each after the one before it. */
function linesInOrder(path) {
  let next = 0;
  for (const line of readFileSync(path, "latin1").split(/\r?\n/)) {
    const number = /^line (\d{9}) abcdefghijklmnopqrstuvwxyz 0123456789 ABCDEFGHIJ$/.exec(line)?.[1];
    if (Number(number) === next) next++;
  }
  return next;
}
