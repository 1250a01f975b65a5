import { nameProblem } from "../../project/names.ts";
import type { RemoteFile } from "../remote.ts";
import { type BootFile, INDEX_NAME, parseFileName } from "./file-names.ts";

/** A file as a listing has it. */
export interface ListedFile {
  /** Without folders. */
  readonly name: string;
  readonly file: RemoteFile;
  /** Changes when the content does: what has been fetched in this state need not be fetched again. Undefined: unknown. */
  readonly state: string | undefined;
}

export interface Wanted {
  /** Exact names; all without it. */
  readonly names: ReadonlySet<string> | undefined;
  readonly arch: string;
  /** Told of every name that cannot be one, which is then passed over. */
  readonly skip: (problem: string) => void;
}

export interface PackagePair {
  readonly name: string;
  readonly arch: string | undefined;
  readonly manifest: ListedFile;
  readonly archive: ListedFile;
}

/** The packages of one release or folder: those of which manifest and archive are both there, in the order of the archives. */
export function pairPackages(files: readonly ListedFile[], wanted: Wanted): readonly PackagePair[] {
  const manifests = new Map<string, ListedFile>();
  const archives = new Map<string, PackagePair["archive"] & { readonly arch: string | undefined }>();
  for (const listed of files) {
    const parsed = parseFileName(listed.name);
    if (parsed?.kind !== "manifest" && parsed?.kind !== "archive") continue;
    const { name } = parsed;
    if (!isWanted(name, "a package", wanted)) continue;
    if (parsed.kind === "manifest") manifests.set(name, listed);
    else if (fits(parsed.arch, wanted.arch, archives.get(name))) archives.set(name, { ...listed, arch: parsed.arch });
  }
  return [...archives].flatMap(([name, { arch, ...archive }]) => {
    const manifest = manifests.get(name);
    return manifest === undefined ? [] : [{ name, arch, manifest, archive }];
  });
}

export interface ImageFiles {
  readonly name: string;
  readonly arch: string | undefined;
  readonly disk: ListedFile;
  readonly kernel: ListedFile | undefined;
  readonly index: ListedFile | undefined;
}

/**
 * The images of one release or folder, in the order of the listing. A kernel goes with the disk of its flavour: `osv-loader-hidden.elf`
 * or, as OSv's nightly builds call it, `loader-hidden.elf` with `osv-loader-hidden.qemu`. The builder of ZFS images is published for
 * x86_64 as a kernel only, which then stands for the disk as well, as the original has it.
 */
export function pickImages(files: readonly ListedFile[], wanted: Wanted): readonly ImageFiles[] {
  const disks = new Map<string, BootCandidate>();
  const kernels = new Map<string, BootCandidate>();
  for (const listed of files) {
    const parsed = parseFileName(listed.name);
    if (parsed?.kind !== "disk" && parsed?.kind !== "kernel") continue;
    const known = parsed.kind === "disk" ? disks : kernels;
    if (isBetter(parsed, wanted.arch, known.get(parsed.name)))
      known.set(parsed.name, { ...parsed, listed: unpacked(listed, parsed) });
  }
  const builder = kernels.get(ZFS_BUILDER);
  if (builder !== undefined && !disks.has(ZFS_BUILDER)) disks.set(ZFS_BUILDER, builder);
  const index = files.find((listed) => listed.name === INDEX_NAME);
  return [...disks.values()]
    .filter(({ name }) => isWanted(name, "an image", wanted))
    .map(({ name, arch, listed }) => {
      const kernel = kernelFor(kernels, { name, arch });
      return { name, arch: arch ?? kernel?.arch, disk: listed, kernel: kernel?.listed, index };
    });
}

interface BootCandidate extends BootFile {
  readonly listed: ListedFile;
}

const ZFS_BUILDER = "osv-zfs-builder";
const OSV_PREFIX = "osv-";

/** The first is what the original looks for. */
const FORMS: readonly BootFile["form"][] = ["qemu", "qcow2", "img", "raw", "elf"];

/** Of the wanted architecture, or of one that is not said; the former is better. */
function fits(
  arch: string | undefined,
  wanted: string,
  known: { readonly arch: string | undefined } | undefined,
): boolean {
  if (arch !== undefined && arch !== wanted) return false;
  return known === undefined || known.arch === undefined;
}

function isBetter(file: BootFile, wanted: string, known: BootCandidate | undefined): boolean {
  if (!fits(file.arch, wanted, known)) return false;
  if (known === undefined || (known.arch === undefined && file.arch !== undefined)) return true;
  const [rank, knownRank] = [FORMS.indexOf(file.form), FORMS.indexOf(known.form)];
  return rank < knownRank || (rank === knownRank && file.gzip && !known.gzip);
}

function unpacked(listed: ListedFile, { gzip }: BootFile): ListedFile {
  return gzip ? { ...listed, file: { ...listed.file, gzip } } : listed;
}

/** One that says its architecture is not taken for a disk that says another one; both fit the query already. */
function kernelFor(
  kernels: ReadonlyMap<string, BootCandidate>,
  disk: { readonly name: string; readonly arch: string | undefined },
): BootCandidate | undefined {
  const alias = disk.name.startsWith(OSV_PREFIX) ? disk.name.slice(OSV_PREFIX.length) : undefined;
  const candidates = [disk.name, alias].map((name) => (name === undefined ? undefined : kernels.get(name)));
  return candidates.find((one) => one?.arch === disk.arch) ?? candidates.find((one) => one !== undefined);
}

function isWanted(name: string, what: string, { names, skip }: Wanted): boolean {
  if (names !== undefined) return names.has(name) && nameProblem(name, what) === undefined;
  const problem = nameProblem(name, what);
  if (problem !== undefined) skip(problem);
  return problem === undefined;
}
