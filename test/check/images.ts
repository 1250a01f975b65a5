import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkImage } from "../../src/check/check.ts";
import type { Finding } from "../../src/check/finding.ts";
import type { CheckInput } from "../../src/check/image.ts";
import { treeSpace } from "../../src/filesystems/tree-space.ts";
import type { Kernel, KernelAbilities } from "../../src/kernels/kernel.ts";
import { type SketchFolder, tree } from "../filesystems/trees.ts";

/** The machine that gcc compiles for here, as ElfFile names it. */
export const machine = process.arch === "arm64" ? "aarch64" : "x86-64";

/** A kernel like OSv's head, which offers what a small C program needs. */
export function kernel(can: Partial<KernelAbilities> = {}, more: Partial<Kernel> = {}): Kernel {
  return {
    kind: "osv",
    version: "v0.57.0-398",
    machine,
    title: "the kernel OSv of test",
    supplies: new Set(["libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"]),
    exports: new Set([
      "__libc_start_main",
      "__cxa_finalize",
      "puts",
      "getpid",
      "fork",
      "system",
      "stdout",
      "setuid",
      "sigsuspend",
      "inotify_init",
      "socket",
      "__stack_chk_fail",
    ]),
    can: {
      native: true,
      linuxLoader: "explicit",
      staticPrograms: true,
      tlsLimit: 536,
      fork: false,
      relocations: undefined,
      ...can,
    },
    libraryPath: ["/", "/usr/lib"],
    ...more,
  };
}

export const demoKernel = kernel(
  { native: false, linuxLoader: "interpreter", tlsLimit: undefined },
  { kind: "demo", title: "the demo kernel of test", supplies: new Set(), exports: new Set(), libraryPath: [] },
);

/** What the check finds in an image of these files. */
export function check(files: SketchFolder, commandLine: string, more: Partial<CheckInput> = {}): readonly Finding[] {
  const image = tree(files);
  return checkImage({
    space: treeSpace(image, "test"),
    tree: image,
    hasModes: true,
    commandLine,
    kernel: kernel(),
    ...more,
  });
}

/** "error missing-library /app": what tables compare. */
export function brief(findings: readonly Finding[]): string[] {
  return findings.map(({ severity, code, path }) => `${severity} ${code} ${path}`);
}

/** Compiles C sources with gcc into a folder of their own, which `close` removes. */
export class Compiler {
  readonly folder = mkdtempSync(join(tmpdir(), "capstan-check-"));

  /** The bytes of what gcc makes of a source; further files of the folder, such as libraries to link with, go by their names. */
  build(name: string, source: string, flags: readonly string[] = []): Buffer {
    writeFileSync(join(this.folder, `${name}.c`), source);
    execFileSync("gcc", ["-w", "-O1", "-o", name, `${name}.c`, ...flags], {
      cwd: this.folder,
      stdio: ["ignore", "ignore", "inherit"],
    });
    return readFileSync(join(this.folder, name));
  }

  /** A library whose SONAME is its file name. */
  library(name: string, source: string, flags: readonly string[] = []): Buffer {
    return this.build(name, source, ["-shared", "-fPIC", `-Wl,-soname,${name}`, ...flags]);
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
