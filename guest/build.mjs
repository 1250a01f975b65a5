// SPDX-License-Identifier: BSD-3-Clause
// Builds the demo kernel:  node guest/build.mjs [DIRECTORY] | --check
//
// The same sources and tools give the same bytes: fixed flags, sorted inputs,
// no build ids, no paths. --check proves it against guest/prebuilt.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const prebuilt = join(here, "prebuilt");
const ELF = "osv-demo-loader.elf";
const IMAGE = "osv-demo-loader.img";
const TOOLCHAIN = "TOOLCHAIN";

/** Disk layout of OSv loaders: the payload starts at byte 65536 and is counted in 32 KiB units at 0x10. */
const PAYLOAD_OFFSET = 65536;
const PAYLOAD_UNIT = 32768;

const FLAGS = [
  "-std=gnu11",
  "-O2",
  "-ffreestanding",
  "-nostdlib",
  "-fno-pic",
  "-fno-pie",
  "-mcmodel=kernel",
  "-mno-red-zone",
  "-mgeneral-regs-only",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  "-fcf-protection=none",
  "-fno-tree-loop-distribute-patterns",
  "-fno-ident",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-g0",
  `-ffile-prefix-map=${source}=.`,
  "-frandom-seed=capstan",
];

const argument = process.argv[2];
if (argument === "--check") process.exitCode = check();
else process.stdout.write(`${build(resolve(argument ?? prebuilt)).join("\n")}\n`);

function build(directory) {
  const work = mkdtempSync(join(tmpdir(), "capstan-guest-"));
  try {
    const elf = linkKernel(work);
    const image = makeImage(work, elf);
    mkdirSync(directory, { recursive: true });
    replace(directory, ELF, readFileSync(elf));
    replace(directory, IMAGE, image);
    replace(directory, TOOLCHAIN, toolchain());
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return [join(directory, ELF), join(directory, IMAGE)];
}

function check() {
  const recorded = readFileSync(join(prebuilt, TOOLCHAIN), "utf8");
  const present = toolchain();
  if (recorded !== present) {
    process.stdout.write(
      `Comparison skipped: guest/prebuilt was built with another toolchain.\nrecorded: ${oneLine(recorded)}\npresent:  ${oneLine(present)}\n`,
    );
    return 0;
  }
  const directory = mkdtempSync(join(tmpdir(), "capstan-guest-check-"));
  try {
    build(directory);
    const different = [ELF, IMAGE].filter(
      (name) => !readFileSync(join(directory, name)).equals(readFileSync(join(prebuilt, name))),
    );
    if (different.length > 0) {
      process.stderr.write(
        `guest/prebuilt differs from its sources: ${different.join(", ")}. Run: node guest/build.mjs\n`,
      );
      return 1;
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  process.stdout.write("guest/prebuilt is what its sources give, byte for byte.\n");
  return 0;
}

function linkKernel(work) {
  const names = readdirSync(source)
    .filter((name) => /\.[cS]$/.test(name) && name !== "boot16.S")
    .sort();
  const objects = names.map((name) => {
    const object = join(work, `${name}.o`);
    run("gcc", [...FLAGS, "-c", name, "-o", object]);
    return object;
  });
  const elf = join(work, ELF);
  run("ld", [
    "-nostdlib",
    "-static",
    "--build-id=none",
    "-z",
    "noexecstack",
    "-z",
    "max-page-size=4096",
    "--strip-all",
    "-T",
    "link.ld",
    "-o",
    elf,
    ...objects,
  ]);
  return elf;
}

/** Boot sector + command line area + the kernel's bytes as they lie in memory. */
function makeImage(work, elf) {
  const object = join(work, "boot16.o");
  const sector = join(work, "boot16.bin");
  const payload = join(work, "payload.bin");
  run("gcc", ["-c", "-Wa,--fatal-warnings", "boot16.S", "-o", object]);
  run("ld", [
    "-nostdlib",
    "--build-id=none",
    "-m",
    "elf_x86_64",
    "-Ttext=0x7c00",
    "--oformat=binary",
    "-o",
    sector,
    object,
  ]);
  run("objcopy", ["-O", "binary", elf, payload]);
  const boot = readFileSync(sector);
  if (boot.length !== 512) throw new Error(`the boot sector has ${boot.length} bytes instead of 512`);
  const kernel = readFileSync(payload);
  const units = Math.ceil(kernel.length / PAYLOAD_UNIT);
  const image = Buffer.alloc(PAYLOAD_OFFSET + units * PAYLOAD_UNIT);
  boot.copy(image);
  image.writeUInt16LE(units, 0x10);
  kernel.copy(image, PAYLOAD_OFFSET);
  return image;
}

function toolchain() {
  return [
    ["gcc", "--version"],
    ["ld", "--version"],
    ["objcopy", "--version"],
  ]
    .map(([tool, option]) => `${tool}: ${firstLine(execFileSync(tool, [option], { encoding: "utf8" }))}\n`)
    .join("");
}

function run(command, args) {
  execFileSync(command, args, {
    cwd: source,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, LC_ALL: "C" },
  });
}

/** Beside, then renamed: nobody ever reads half a kernel. */
function replace(directory, name, content) {
  const path = join(directory, name);
  const beside = join(directory, `.${basename(path)}.${process.pid}`);
  writeFileSync(beside, content);
  renameSync(beside, path);
}

function firstLine(text) {
  return text.split("\n", 1)[0];
}

function oneLine(text) {
  return text.trim().replaceAll("\n", "; ");
}
