/** What a file of a repository is, by its name alone; the name in it is not checked yet. */
export type FileName =
  | { readonly kind: "manifest"; readonly name: string }
  | { readonly kind: "archive"; readonly name: string; readonly arch: string | undefined }
  | BootFile;

export interface BootFile {
  readonly kind: "disk" | "kernel";
  readonly name: string;
  readonly arch: string | undefined;
  readonly form: "qemu" | "qcow2" | "img" | "raw" | "elf";
  readonly gzip: boolean;
}

/**
 * Reads the names that OSv's releases and Capstan's buckets use: `NAME.yaml`, `NAME.mpm[.ARCH]`,
 * `NAME.qemu[.ARCH][.gz]`, `NAME.elf[.ARCH][.gz]`. Up to OSv 0.54 nothing says the architecture; since 0.57 all but manifests do.
 */
export function parseFileName(file: string): FileName | undefined {
  if (file.endsWith(".yaml")) return { kind: "manifest", name: file.slice(0, -".yaml".length) };
  const archive = ARCHIVE.exec(file)?.groups;
  if (archive !== undefined) return { kind: "archive", name: archive.name ?? "", arch: archive.arch };
  const boot = BOOT_FILE.exec(file)?.groups;
  if (boot === undefined) return undefined;
  const form = boot.form as BootFile["form"];
  const kind = form === "elf" ? "kernel" : "disk";
  return { kind, name: boot.name ?? "", arch: boot.arch, form, gzip: boot.gzip !== undefined };
}

export const INDEX_NAME = "index.yaml";

const ARCH = "(?:\\.(?<arch>x86_64|aarch64))?";
const ARCHIVE = new RegExp(`^(?<name>.*)\\.mpm${ARCH}$`);
const BOOT_FILE = new RegExp(`^(?<name>.*)\\.(?<form>qemu|qcow2|img|raw|elf)${ARCH}(?<gzip>\\.gz)?$`);
