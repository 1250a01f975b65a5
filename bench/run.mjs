// `npm run bench`: composing, starting and fetching, each against a peer on the same machine in the same run.
// Figures are ratios; the seconds beside them only show what was divided.
// `--quick` takes one round of small trees; names (start trees build formats zfs update package growth run linker console instances remotes) choose parts.
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, root, setUp } from "../scripts/setup.mjs";
import { benchBuild } from "./build.mjs";
import { benchConsole } from "./console.mjs";
import { benchFormats } from "./formats.mjs";
import { benchInstances } from "./instances.mjs";
import { benchRemotes } from "./remotes.mjs";
import { benchUpdate } from "./update.mjs";
import { benchZfs, emptyLoader } from "./zfs.mjs";

setUp(["qemu", "qemu-img", "tar"]);

const quick = process.argv.includes("--quick");
const rounds = quick ? 1 : 5;
const work = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "capstan-bench-"));
const store = join(work, "store");
const cli = join(root, "bin", "capstan");
const env = { ...process.env, CAPSTAN_ROOT: store, LC_ALL: "C", NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" };
const rows = [];
process.on("exit", () => rmSync(work, { recursive: true, force: true }));
process.on("SIGINT", () => process.exit(130));

console.log(`node ${process.versions.node}, ${rounds} rounds, the median of each; files on ${work}\n`);

const parts = {
  start: startUp,
  trees: async () => {
    for (const tree of trees()) await composeTree(tree);
  },
  build: () => benchBuild({ work, store, cli, quick, add, interleaved, makeTree, composeNew, shell, ratio, sec, must }),
  formats: () => benchFormats({ work, store, cli, quick, add, interleaved, makeTree, shell, timed, ratio, sec, must }),
  zfs: () => benchZfs({ work, store, quick, add, interleaved, makeTree, trees, composeNew, shell, ratio, sec }),
  update: () =>
    benchUpdate({ work, cli, quick, add, interleaved, makeTree, timed, loader: emptyLoader(work), ratio, sec }),
  package: fromPackage,
  growth,
  run: runStart,
  linker: resolvePrograms,
  console: () => benchConsole({ work, store, cli, env, quick, add, interleaved, must }),
  instances: () => benchInstances({ work, store, cli, env, quick, add, interleaved, timed, must }),
  remotes: () => benchRemotes({ work, store, cli, env, quick, add, interleaved, median, timed, must }),
};
const chosen = process.argv.slice(2).filter((word) => word in parts);
for (const [name, part] of Object.entries(parts)) {
  if (chosen.length === 0 || chosen.includes(name)) await part();
}

console.log(`\n${"what".padEnd(46)} ${"ratio".padStart(7)} ${"aim".padStart(7)}   measured`);
for (const row of rows) {
  console.log(`${row.what.padEnd(46)} ${row.ratio.padStart(7)} ${row.aim.padStart(7)}   ${row.note}`);
}

function* trees() {
  const scale = quick ? 10 : 1;
  yield { name: "1,000 files, 10 MB", files: 1000 / scale, bytes: 10e6 / scale, depth: 2 };
  yield { name: "20,000 files, 200 MB", files: 20000 / scale, bytes: 200e6 / scale, depth: 2 };
  yield { name: "2,000 files, 200 levels deep", files: 2000 / scale, bytes: 8e6 / scale, depth: 200 };
  yield { name: "one file of 500 MB", files: 1, bytes: 500e6 / scale, depth: 1 };
}

async function startUp() {
  const bare = await median(() => timed(process.execPath, ["-e", "0"]), 21);
  const ours = await median(() => timed(process.execPath, [cli, "--version"]), 21);
  add(
    "start-up: capstan --version over bare node",
    `${ms(ours.seconds - bare.seconds)}`,
    "30 ms",
    `${ms(ours.seconds)} and ${ms(bare.seconds)}`,
  );
}

async function composeTree(tree) {
  const folder = join(work, "tree");
  makeTree(folder, tree);
  const compose = () => composeNew(["compose", "bench", folder, "-l", "builtin", "-c", "/x", "-q"]);
  await compose();
  const [archive, copy] = [join(work, "out.tar"), join(work, "copy")];
  const results = await interleaved({
    tar: () => shell('tar cf "$1" -C "$2" . && sync "$1"', archive, folder),
    cp: () => shell('cp -r "$2" "$1" && sync -f "$1"', copy, folder),
    ours: compose,
  });
  const single = tree.files === 1;
  const aims = { tar: single ? "" : "1.5", cp: single ? "1.2" : "" };
  for (const peer of ["tar", "cp"]) {
    add(
      `compose: ${tree.name}, over ${peer === "tar" ? "tar cf" : "cp -r"}`,
      ratio(results.ours.seconds, results[peer].seconds),
      aims[peer],
      `${sec(results.ours.seconds)} and ${sec(results[peer].seconds)}`,
    );
  }
  add(`compose: ${tree.name}, peak memory`, `${Math.round(results.ours.peakMiB)} MiB`, "150 MiB", "");
  for (const name of ["tree", "copy", "out.tar"]) rmSync(join(work, name), { recursive: true, force: true });
}

async function fromPackage() {
  const tree = { files: quick ? 2000 : 20000, bytes: quick ? 20e6 : 200e6, depth: 2 };
  const folder = join(work, "package");
  makeTree(folder, tree);
  mkdirSync(join(folder, "meta"));
  writeFileSync(join(folder, "meta", "package.yaml"), "name: bench.files\ntitle: Files\nauthor: bench\n");
  must(process.execPath, [cli, "package", "import", folder, "-q"]);
  const project = join(work, "project");
  mkdirSync(join(project, "meta"), { recursive: true });
  writeFileSync(
    join(project, "meta", "package.yaml"),
    "name: bench\ntitle: Bench\nauthor: bench\nrequire:\n- bench.files\n",
  );
  const archive = join(store, "packages", "bench.files.mpm");
  const compose = () => composeNew(["package", "compose", "bench", "--run", "/x", "-l", "builtin", "-q"], project);
  await compose();
  const results = await interleaved({
    gunzip: () => shell('gunzip < "$2" | cat > "$1" && sync "$1"', join(work, "out.tar"), archive),
    ours: compose,
  });
  add(
    "package compose: 20,000 files of an .mpm, over gunzip | cat",
    ratio(results.ours.seconds, results.gunzip.seconds),
    "1.3",
    `${sec(results.ours.seconds)} and ${sec(results.gunzip.seconds)}`,
  );
  add("package compose: peak memory", `${Math.round(results.ours.peakMiB)} MiB`, "150 MiB", "");
  for (const name of ["package", "project", "out.tar"]) rmSync(join(work, name), { recursive: true, force: true });
}

async function growth() {
  const times = [];
  for (const files of quick ? [1000, 2000] : [25000, 50000, 100000]) {
    const folder = join(work, "tree");
    makeTree(folder, { files, bytes: files * 1000, depth: 2 });
    const compose = () => composeNew(["compose", "bench", folder, "-l", "builtin", "-c", "/x", "-q"]);
    await compose();
    times.push({ files, ...(await median(compose, Math.min(rounds, 3))) });
    rmSync(folder, { recursive: true, force: true });
  }
  const last = times.at(-1);
  const first = times[0];
  add(
    `growth: time a file, ${last.files} over ${first.files} files`,
    ratio(last.seconds / last.files, first.seconds / first.files),
    "1",
    times.map((time) => `${time.files}: ${sec(time.seconds)}, ${Math.round(time.peakMiB)} MiB`).join("; "),
  );
}

/** From the command to the moment that QEMU is executed: a wrapper in its place notes the time, then becomes it. */
async function runStart() {
  const folder = join(work, "tree");
  mkdirSync(join(folder, "etc"), { recursive: true });
  copyFileSync(join(root, "examples", "hello", "hello-static"), join(folder, "x"));
  writeFileSync(join(folder, "etc", "greeting.txt"), "");
  must(process.execPath, [cli, "compose", "bench", folder, "-l", "builtin", "-c", "/x", "-q"]);
  const wrapper = join(work, "qemu");
  const stamp = join(work, "stamp");
  writeFileSync(wrapper, `#!/bin/sh\ndate +%s%N > '${stamp}'\nexec '${findProgram("qemu-system-x86_64")}' "$@"\n`);
  chmodSync(wrapper, 0o755);
  const start = async () => {
    const wall = BigInt(Date.now()) * 1000000n;
    await timed(process.execPath, [cli, "run", "bench", "--accel", "tcg", "-q"], work, { CAPSTAN_QEMU_PATH: wrapper });
    return { seconds: Number(BigInt(readFileSync(stamp, "utf8").trim()) - wall) / 1e9, peakMiB: 0 };
  };
  await start();
  const result = await median(start, 7);
  add("run: from the command to QEMU's start", ms(result.seconds), "150 ms", "");
}

/** Every dynamic program of /usr/bin, by reading it, against what its own linker says (which `ldd` asks). */
async function resolvePrograms() {
  // By their real paths: ldd takes $ORIGIN from a link that it is given, which a program that starts never sees.
  const paths = readdirSync("/usr/bin")
    .map((name) => join("/usr/bin", name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .map((path) => realpathSync(path));
  const programs = [...new Set(paths)].filter(isElf);
  const bundle = join(work, "linker.mjs");
  // It is there only after the set-up.
  const { buildSync } = await import("esbuild");
  buildSync({
    entryPoints: [join(root, "bench", "linker.ts")],
    ...{ outfile: bundle, bundle: true, platform: "node", format: "esm", logLevel: "error" },
  });
  const { resolveAll } = await import(bundle);
  const resolved = resolveAll(programs);
  let [compared, equal, lddSeconds] = [0, 0, 0];
  for (const [path, ours] of resolved.programs) {
    const start = process.hrtime.bigint();
    const listed = spawnSync("ldd", [path], { encoding: "utf8", env });
    lddSeconds += Number(process.hrtime.bigint() - start) / 1e9;
    if (listed.status !== 0 || ours === undefined) continue;
    compared++;
    const theirs = new Map();
    for (const [, name, found] of listed.stdout.matchAll(/^\s*(\S+) => (\/\S+|not found)/gm)) {
      theirs.set(name, found === "not found" ? "" : found);
    }
    const names = [...new Set([...theirs.keys(), ...ours.keys()])].filter((name) => !name.startsWith("/"));
    const isLoader = (name) => /^ld-(linux|musl)/.test(name);
    const differs = names.filter((name) => !isLoader(name) && theirs.get(name) !== ours.get(name));
    if (differs.length === 0) equal++;
    else if (process.argv.includes("--verbose")) console.log(path, differs);
  }
  const each = (seconds) => `${((seconds / programs.length) * 1000).toFixed(2)} ms`;
  add("linker: programs of /usr/bin equal to ldd", `${equal}/${compared}`, "all", "");
  add(
    "linker: time a program, over ldd",
    ratio(resolved.seconds, lddSeconds),
    "5 ms",
    `${each(resolved.seconds)} and ${each(lddSeconds)}`,
  );
}

function isElf(path) {
  const descriptor = openSync(path, "r");
  const magic = Buffer.alloc(4);
  readSync(descriptor, magic);
  closeSync(descriptor);
  return magic.toString("latin1") === "\x7fELF";
}

function makeTree(folder, { files, bytes, depth }) {
  rmSync(folder, { recursive: true, force: true });
  const size = Math.floor(bytes / files);
  const content = pseudoText(Math.min(size, 1 << 20));
  let deep = folder;
  for (let index = 0; index < files; index++) {
    if (depth > 2 && index % Math.ceil(files / depth) === 0) deep = join(deep, "d");
    const place = depth === 1 ? folder : depth > 2 ? deep : join(folder, `d${Math.floor(index / 100)}`);
    mkdirSync(place, { recursive: true });
    const parts = [];
    for (let left = size; left > 0; left -= content.length)
      parts.push(content.subarray(0, Math.min(left, content.length)));
    parts[0] = Buffer.concat([Buffer.from(`${index}\n`), parts[0].subarray(Math.min(parts[0].length, 8))]);
    writeFileSync(join(place, `file-${index}.txt`), Buffer.concat(parts));
  }
}

/** Text that packs to about a third, as programs and scripts do; the same in every run. */
function pseudoText(length) {
  const words = Buffer.alloc(length);
  let state = 12345;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    words[index] = 97 + ((state >>> 16) % 7);
  }
  return words;
}

async function interleaved(jobs) {
  const samples = Object.fromEntries(Object.keys(jobs).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, job] of Object.entries(jobs)) samples[name].push(await job());
  }
  return Object.fromEntries(Object.entries(samples).map(([name, list]) => [name, middle(list)]));
}

async function median(job, count) {
  const list = [];
  for (let round = 0; round < count; round++) list.push(await job());
  return middle(list);
}

function middle(list) {
  const of = (what) => list.map((one) => one[what] ?? 0).sort((a, b) => a - b)[Math.floor(list.length / 2)];
  return {
    seconds: of("seconds"),
    cpuSeconds: of("cpuSeconds"),
    peakMiB: Math.max(...list.map((one) => one.peakMiB)),
  };
}

/** A shell line that makes `target` out of `source`. Nothing is there before: removing it would take as long as making it. */
function shell(line, target, source) {
  rmSync(target, { recursive: true, force: true });
  return timed("sh", ["-c", line, "sh", target, source]);
}

/** Composes an image that is not there yet. */
function composeNew(args, cwd) {
  rmSync(join(store, "repository", "bench"), { recursive: true, force: true });
  return timed(process.execPath, [cli, ...args], cwd);
}

/**
 * Runs a program to its end: wall time, and its processor time, to some hundredths of a second, and peak resident memory
 * as /proc tells them (0 where it does not).
 */
function timed(program, args, cwd = work, more = {}) {
  return new Promise((resolve, reject) => {
    const started = process.hrtime.bigint();
    const child = spawn(program, args, { cwd, env: { ...env, ...more }, stdio: ["ignore", "ignore", "inherit"] });
    let [peakMiB, cpuSeconds] = [0, 0];
    const watch = setInterval(() => {
      try {
        const kib = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
        if (kib !== null) peakMiB = Math.max(peakMiB, Number(kib[1]) / 1024);
        // proc(5): behind the name in parentheses the 12th and 13th are ticks in user and system mode, 100 a second.
        const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
        const [user, system] = stat
          .slice(stat.lastIndexOf(")") + 2)
          .split(" ")
          .slice(11, 13)
          .map(Number);
        cpuSeconds = Math.max(cpuSeconds, (user + system) / 100);
      } catch {
        // it has just ended
      }
    }, 10);
    child.on("exit", (code) => {
      clearInterval(watch);
      const seconds = Number(process.hrtime.bigint() - started) / 1e9;
      if (code === 0) resolve({ seconds, cpuSeconds, peakMiB });
      else reject(new Error(`${program} ${args.join(" ")} ended with ${code}`));
    });
  });
}

function must(program, args) {
  const result = spawnSync(program, args, { cwd: work, env, stdio: ["ignore", "ignore", "inherit"] });
  if (result.status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${result.status}`);
  statSync(store);
}

function add(what, ratioText, aim, note) {
  rows.push({ what, ratio: ratioText, aim, note });
  console.log(`${what}: ${ratioText}${note === "" ? "" : ` (${note})`}`);
}

function ratio(a, b) {
  return (a / b).toFixed(2);
}

function sec(seconds) {
  return `${seconds.toFixed(2)} s`;
}

function ms(seconds) {
  return `${Math.round(seconds * 1000)} ms`;
}
