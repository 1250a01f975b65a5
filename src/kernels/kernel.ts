import { demoKernel, demoVersion } from "./demo-kernel.ts";
import { kernelStart } from "./kernel-bytes.ts";
import { osvKernel } from "./osv-kernel.ts";

/** What is known of a kernel that an image will boot. `readKernel` finds it out. */
export interface Kernel {
  /** "osv", or "demo": Capstan's built-in one, which is no OSv. */
  readonly kind: "osv" | "demo";
  /** As the kernel calls itself, "v0.57.0-398-g0e34e4dc"; undefined where it does not show. */
  readonly version: string | undefined;
  /** As in ElfFile. */
  readonly machine: string;
  /** For messages: "the kernel OSv v0.57.0 of osv-loader". */
  readonly title: string;
  /** Names of libraries that it has inside, and that its own linker never looks for in the image (native launch). */
  readonly supplies: ReadonlySet<string>;
  /** The dynamic symbols that it offers to programs; undefined where its ELF cannot be read. */
  readonly exports: ReadonlySet<string> | undefined;
  readonly can: KernelAbilities;
  /** Directories that its own linker looks in, beside RPATH and RUNPATH. */
  readonly libraryPath: readonly string[];
}

export interface KernelAbilities {
  /** Its own linker and C library start dynamic programs. */
  readonly native: boolean;
  /**
   * How programs run on the Linux dynamic loader of the image: "explicit" (the loader is the program that is started),
   * "interpreter" (the kernel honours PT_INTERP), or false.
   */
  readonly linuxLoader: "explicit" | "interpreter" | false;
  readonly staticPrograms: boolean;
  /** The thread-local storage that a program may have in a native launch, in bytes; undefined where that is no limit. */
  readonly tlsLimit: number | undefined;
  readonly fork: boolean;
  /** Dynamic relocation types that its own linker knows; undefined where that is no limit. */
  readonly relocations: ReadonlySet<number> | undefined;
  /**
   * Its own linker copies variables of libraries into the program (COPY relocations) before it has relocated the libraries:
   * addresses in them are wrong, such as those in the virtual tables of C++ classes.
   */
  readonly copiesTooEarly?: boolean | undefined;
  /** Its own linker passes over packed relocations (DT_RELR) without a word: what has them crashes. */
  readonly ignoresRelr?: boolean | undefined;
  /** The ZFS data set that it mounts as root; false where it knows no ZFS, undefined where that does not show. */
  readonly zfs?: "osv" | "osv/zfs" | false | undefined;
}

export interface KernelFiles {
  /** For messages: the loader's name. */
  readonly name: string;
  /** The loader's disk image, raw or qcow2. */
  readonly image: string;
  /** Its ELF, where it is there. */
  readonly elf: string | undefined;
}

/**
 * Only what tells the kernels apart is read at once. The rest is read, and where it is packed unpacked, when it is first asked
 * for, and then kept. What cannot be found out is undefined, or as of the oldest kernel, and the title says so.
 * Errors: CapstanError of the opening of the image (`os-…`, `disk-format`, …); when more is asked for, of that of the ELF (`os-…`).
 */
export function readKernel(files: KernelFiles): Kernel {
  const version = demoVersion(kernelStart(files.image));
  return version === undefined ? osvKernel(files) : demoKernel(version);
}
