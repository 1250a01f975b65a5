// The part `formats` of `npm run bench`: an image in each format, against `qemu-img convert` of the same image.
import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

/** What makes the same out of the image "$2" at "$1". An archive is packed as its importers' manuals say. */
const PEERS = {
  raw: 'qemu-img convert -O raw "$2" "$1"',
  qcow2: 'qemu-img convert -O qcow2 "$2" "$1"',
  "qcow2 --compress": 'qemu-img convert -c -O qcow2 "$2" "$1"',
  vmdk: 'qemu-img convert -O vmdk "$2" "$1"',
  "vmdk-stream": 'qemu-img convert -O vmdk -o subformat=streamOptimized "$2" "$1"',
  vdi: 'qemu-img convert -O vdi "$2" "$1"',
  vhd: 'qemu-img convert -O vpc -o subformat=fixed,force_size=on "$2" "$1"',
  "vhd-dynamic": 'qemu-img convert -O vpc -o subformat=dynamic,force_size=on "$2" "$1"',
  gce: 'mkdir "$1.d" && qemu-img convert -O raw "$2" "$1.d/disk.raw" && truncate -s 1G "$1.d/disk.raw" && tar --format=oldgnu -Sczf "$1" -C "$1.d" disk.raw && rm -r "$1.d"',
  ova: 'qemu-img convert -O vmdk -o subformat=streamOptimized "$2" "$1.vmdk" && tar cf "$1" "$1.vmdk" && rm "$1.vmdk"',
};

/** Those that pack take long, QEMU's longest: they get a smaller image. */
const PACKED = ["qcow2 --compress", "vmdk-stream", "gce", "ova"];

/** `bench` has what run.mjs measures with: work, store, cli, quick, add, interleaved, makeTree, shell, timed, ratio, sec, must. */
export async function benchFormats(bench) {
  const { work, store, cli, quick, must, makeTree } = bench;
  const scale = quick ? 10 : 1;
  const image = join(store, "repository", "bench", "bench.qemu");
  for (const isPacked of [false, true]) {
    const folder = join(work, "tree");
    makeTree(folder, { files: 400 / scale, bytes: (isPacked ? 40e6 : 400e6) / scale, depth: 2 });
    must(process.execPath, [cli, "compose", "bench", folder, "-l", "builtin", "-c", "/x", "-q", "--no-check"]);
    rmSync(folder, { recursive: true, force: true });
    const chosen = Object.entries(PEERS).filter(([name]) => PACKED.includes(name) === isPacked);
    for (const [name, line] of chosen) await exportTo(bench, { name, line, image });
  }
}

async function exportTo(bench, { name, line, image }) {
  const { work, cli, add, ratio, sec } = bench;
  const [format, ...flags] = name.split(" ");
  const [folder, ours, theirs] = [
    join(work, "formats"),
    join(work, "formats", "ours"),
    join(work, "formats", "theirs"),
  ];
  mkdirSync(folder, { recursive: true });
  const command = ["image", "export", "bench", "-O", format, ...flags, "-o", ours, "-q"];
  const sizes = {};
  const results = await bench.interleaved({
    qemu: async () => {
      const taken = await bench.shell(`${line} && sync "$1"`, theirs, image);
      sizes.theirs = used(theirs);
      rmSync(theirs);
      return taken;
    },
    ours: async () => {
      const taken = await bench.timed(process.execPath, [cli, ...command]);
      sizes.ours = used(ours);
      rmSync(ours);
      return taken;
    },
  });
  const note = `${sec(results.ours.seconds)} and ${sec(results.qemu.seconds)}`;
  add(`formats: ${name}, over qemu-img convert`, ratio(results.ours.seconds, results.qemu.seconds), "1.1", note);
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  add(
    `formats: ${name}, size`,
    ratio(sizes.ours, sizes.theirs),
    "1.02",
    `${megabytes(sizes.ours)} and ${megabytes(sizes.theirs)}`,
  );
  add(`formats: ${name}, peak memory`, `${Math.round(results.ours.peakMiB)} MiB`, "150 MiB", "");
  rmSync(folder, { recursive: true, force: true });
}

/** What it takes of the disk: holes do not count. */
function used(path) {
  return statSync(path).blocks * 512;
}
