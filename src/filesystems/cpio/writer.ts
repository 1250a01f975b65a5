import { KiB } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";
import { encodeName } from "../../support/name-bytes.ts";
import { emitContents } from "../content.ts";
import type { FileEntry, FileTree, TreeEntry } from "../filetree.ts";
import { byteLength, checkName, checkPathLength, linkTargetFault, quotePath } from "../names.ts";
import { walk } from "../tree-walk.ts";
import { encodeHeader, HEADER_SIZE, MAX_FILE_SIZE, paddingOf, TRAILER, Type } from "./layout.ts";
import { type ListedFile, nonOverlappingRounds } from "./rounds.ts";

export interface WriteCpioOptions {
  /** Takes the next bytes of the archive; `chunk` is the writer's again when the promise resolves. */
  readonly write: (chunk: Uint8Array) => void | Promise<void>;
  readonly signal?: AbortSignal | undefined;
  /** How many bytes of the archive of how many have been handed out. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What a tree is as an archive: its order and its size; nothing has been read yet. */
export interface CpioPlan {
  readonly directories: readonly ListedEntry[];
  /** Each round is read in one go. */
  readonly rounds: readonly (readonly ListedFile[])[];
  readonly links: readonly ListedEntry[];
  /** Directories once more, now with a mode that forbids their owner something: the innermost first. */
  readonly sealed: readonly ListedEntry[];
  /** In bytes, the trailer included. */
  readonly size: number;
  readonly counts: { readonly files: number; readonly directories: number; readonly links: number };
}

interface ListedEntry {
  /** From the root, with a leading slash. */
  readonly path: string;
  readonly entry: TreeEntry;
}

/**
 * Lays a tree out as an archive: directories first, so that each is there before what is in it; links last, so that
 * nothing is written through them. OSv asks nobody's permission but that of the mode, so directories that their owner may
 * not write to get their mode at the end. Names are absolute, as OSv puts its prefix before them as it is. The root itself is
 * left out, it is there already. Owners and times are 0, as the kernel's tool does not look at them.
 *
 * Errors: CapstanError `bad-name`, `path-too-long`, `bad-link`, `file-too-large`.
 */
export function planCpio(tree: FileTree): CpioPlan {
  const directories: ListedEntry[] = [];
  const files: ListedFile[] = [];
  const links: ListedEntry[] = [];
  const sealed: ListedEntry[] = [];
  let size = sizeInArchive(TRAILER, 0);
  for (const { path, entry } of walk(tree)) {
    checkName(path.slice(path.lastIndexOf("/") + 1), path);
    checkPathLength(path);
    size += sizeInArchive(path, contentSize(path, entry));
    if (entry.type === "directory") {
      directories.push({ path, entry: { ...entry, mode: entry.mode | OWNER_ALL } });
      if ((entry.mode & OWNER_ALL) === OWNER_ALL) continue;
      sealed.push({ path, entry });
      size += sizeInArchive(path, 0);
    } else if (entry.type === "symlink") links.push({ path, entry });
    else files.push({ path, entry });
  }
  const counts = { files: files.length, directories: directories.length, links: links.length };
  return { directories, rounds: nonOverlappingRounds(files), links, sealed: sealed.reverse(), size, counts };
}

/** Writes the planned archive from its first byte to its last. Errors: those of `emitContents` and of `write`. */
export async function writeCpio(plan: CpioPlan, options: WriteCpioOptions): Promise<void> {
  const output = new Output(plan.size, options);
  await writeEntries(plan.directories, output);
  for (const round of plan.rounds) await writeFiles(round, output, options.signal);
  await writeEntries(plan.links, output);
  await writeEntries(plan.sealed, output);
  output.header(TRAILER, { linkCount: 1 });
  await output.flush();
}

const OWNER_ALL = 0o700;

/** Of what has no content, or is a link. */
async function writeEntries(entries: readonly ListedEntry[], output: Output): Promise<void> {
  for (const { path, entry } of entries) {
    if (output.isFull) await output.flush();
    output.entry(path, entry);
    if (entry.type === "symlink") output.text(entry.target);
  }
}

async function writeFiles(
  round: readonly ListedFile[],
  output: Output,
  signal: AbortSignal | undefined,
): Promise<void> {
  // Those without content are never named by emitContents.
  const empty = round.filter(({ entry }) => entry.size === 0);
  await writeEntries(empty, output);
  await emitContents(
    round.map(({ entry }) => entry),
    {
      signal,
      write: async (index, chunk, offset) => {
        const file = round[index];
        if (file === undefined) return;
        if (offset === 0) output.entry(file.path, file.entry);
        await output.bytes(chunk);
        if (offset + chunk.length === file.entry.size) output.pad(file.entry.size);
      },
    },
  );
}

function contentSize(path: string, entry: TreeEntry): number {
  if (entry.type === "directory") return 0;
  if (entry.type === "symlink") return linkLength(path, entry.target);
  return checkedSize(path, entry);
}

function linkLength(path: string, target: string): number {
  const fault = linkTargetFault(target);
  if (fault === undefined) return byteLength(target);
  throw new CapstanError(`${quotePath(path)} cannot be a link in an archive: ${fault}`, {
    code: "bad-link",
    hint: "Remove the link, or leave it out.",
  });
}

function checkedSize(path: string, { size }: FileEntry): number {
  if (size <= MAX_FILE_SIZE) return size;
  throw new CapstanError(`${quotePath(path)} has ${size} bytes; the upload to a guest takes files below 4 GiB`, {
    code: "file-too-large",
    hint: "Split it, leave it out, or compose an image, which can hold it.",
  });
}

function sizeInArchive(name: string, size: number): number {
  const nameEnd = HEADER_SIZE + byteLength(name) + 1;
  return nameEnd + paddingOf(nameEnd) + size + paddingOf(size);
}

const GATHER_SIZE = 64 * KiB;
/** Room for the header, the name and the link of one entry. */
const MOST_OF_AN_ENTRY = 16 * KiB;

/** Gathers small pieces; large ones pass by without being copied. */
class Output {
  readonly #options: WriteCpioOptions;
  readonly #total: number;
  readonly #buffer = Buffer.alloc(GATHER_SIZE + MOST_OF_AN_ENTRY);
  #length = 0;
  #done = 0;
  #inode = 0;

  constructor(total: number, options: WriteCpioOptions) {
    this.#total = total;
    this.#options = options;
  }

  /** Whether to flush before another entry is begun. */
  get isFull(): boolean {
    return this.#length >= GATHER_SIZE;
  }

  /** Up to where the content of a file or link starts. */
  entry(path: string, entry: TreeEntry): void {
    const size = entry.type === "file" ? entry.size : entry.type === "symlink" ? byteLength(entry.target) : 0;
    const linkCount = entry.type === "directory" ? 2 : 1;
    this.header(path, { inode: ++this.#inode, mode: Type[entry.type] | (entry.mode & 0o7777), linkCount, size });
  }

  header(name: string, fields: Parameters<typeof encodeHeader>[0]): void {
    const nameSize = byteLength(name) + 1;
    this.#put(encodeHeader({ ...fields, nameSize }));
    this.#put(encodeName(name));
    this.#zeros(1 + paddingOf(HEADER_SIZE + nameSize));
  }

  text(target: string): void {
    const bytes = encodeName(target);
    this.#put(bytes);
    this.pad(bytes.length);
  }

  pad(size: number): void {
    this.#zeros(paddingOf(size));
  }

  async bytes(chunk: Uint8Array): Promise<void> {
    if (this.#length + chunk.length <= GATHER_SIZE) {
      this.#put(chunk);
      return;
    }
    await this.flush();
    if (chunk.length < GATHER_SIZE / 2) this.#put(chunk);
    else await this.#write(chunk);
  }

  async flush(): Promise<void> {
    const length = this.#length;
    this.#length = 0;
    if (length > 0) await this.#write(this.#buffer.subarray(0, length));
  }

  async #write(chunk: Uint8Array): Promise<void> {
    await this.#options.write(chunk);
    this.#done += chunk.length;
    this.#options.onProgress?.(this.#done, this.#total);
  }

  #put(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #zeros(count: number): void {
    this.#buffer.fill(0, this.#length, this.#length + count);
    this.#length += count;
  }
}
