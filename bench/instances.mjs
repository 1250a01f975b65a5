// The part `instances` of `npm run bench`: what a list of a hundred instances takes, some of which run, and what their processes do.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setUp } from "../scripts/setup.mjs";

const PROGRAM = `
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    puts("here");
    fflush(stdout);
    for (;;)
        sleep(3600);
}
`;

/** `bench` has what run.mjs measures with: work, store, cli, env, quick, add, interleaved, timed, must. */
export async function benchInstances(bench) {
  setUp(["gcc", "libc"]);
  const { work, store, cli, quick } = bench;
  const [all, live] = quick ? [20, 2] : [100, 8];
  const folder = join(work, "waiting");
  for (const path of [folder, store]) mkdirSync(path, { recursive: true });
  writeFileSync(join(work, "waiting.c"), PROGRAM);
  bench.must("gcc", ["-O1", "-static", "-o", join(folder, "waiting"), join(work, "waiting.c")]);
  bench.must(process.execPath, [cli, "compose", "waiting", folder, "-l", "builtin", "-c", "/waiting", "-q"]);
  const names = Array.from({ length: live }, (_, index) => `live-${index}`);
  const start = (name) => ["run", "-d", "waiting", "--name", name, "-m", "64M", "-c", "1", "--accel", "tcg", "-q"];
  try {
    for (const name of names) bench.must(process.execPath, [cli, ...start(name)]);
    await stopped(bench, all - live, start);
    const list = [cli, "instances", "--json"];
    const { stdout } = spawnSync(process.execPath, list, { env: bench.env, encoding: "utf8" });
    const states = JSON.parse(stdout).map(({ status }) => status);
    const told = [states.length, states.filter((status) => status === "running").length];
    bench.add("instances: listed, and running", told.join(" "), `${all} ${live}`, "");
    const results = await bench.interleaved({
      bare: () => bench.timed(process.execPath, ["-e", "0"]),
      ours: () => bench.timed(process.execPath, list),
    });
    const ms = ({ seconds }) => `${Math.round(seconds * 1000)} ms`;
    bench.add(
      `instances: a list of ${all}, ${live} of which run`,
      ms(results.ours),
      "200 ms",
      `bare node: ${ms(results.bare)}`,
    );
    bench.add(
      "instances: memory of a supervisor",
      `${supervisorMiB(bench, names)} MiB`,
      "60 MiB",
      "VmRSS, the largest",
    );
  } finally {
    spawnSync(process.execPath, [cli, "delete", "-f", "-q", ...names], { env: bench.env });
    for (const path of [folder, join(work, "waiting.c"), join(store, "instances")]) rmSync(path, { recursive: true });
  }
}

/** One that has run and was stopped, and copies of it. */
function stopped({ store, cli, must }, count, start) {
  const all = join(store, "instances", "qemu");
  must(process.execPath, [cli, ...start("stopped-1")]);
  must(process.execPath, [cli, "stop", "stopped-1", "-q"]);
  for (let index = 2; index <= count; index++) {
    cpSync(join(all, "stopped-1"), join(all, `stopped-${index}`), { recursive: true });
  }
}

function supervisorMiB({ cli, env }, names) {
  const { stdout } = spawnSync(process.execPath, [cli, "instances", "--json"], { env, encoding: "utf8" });
  const pids = JSON.parse(stdout).flatMap(({ name, supervisor }) => (names.includes(name) ? [supervisor] : []));
  if (!readdirSync("/").includes("proc")) return "?";
  const sizes = pids.map((pid) => /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  return Math.round(Math.max(...sizes) / 1024);
}
