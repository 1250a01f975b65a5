import { quotePath } from "../../filesystems/names.ts";
import { formatSize, GiB, isZero, MiB } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";
import { decodeName } from "../../support/name-bytes.ts";
import { ChunkReader } from "./chunk-reader.ts";
import { type ArchiveEntry, findMisplaced, parseEntryName, parseLinkTarget } from "./entries.ts";
import { BLOCK_SIZE, decodeHeader, decodePaxRecords, type Header, paddingOf, TypeFlag } from "./layout.ts";

export interface TarLimits {
  readonly entries: number;
  /** Bytes of one long name or PAX header. */
  readonly headerExtension: number;
  /** Bytes of the whole uncompressed archive. */
  readonly totalSize: number;
  /** Bytes of one file whose content is asked for. */
  readonly wantedSize: number;
}

export const DEFAULT_TAR_LIMITS: TarLimits = {
  entries: 1_000_000,
  headerExtension: MiB,
  totalSize: 64 * GiB,
  wantedSize: MiB,
};

export interface TarReadOptions {
  /** For messages: the path of the archive. */
  readonly name: string;
  readonly limits?: Partial<TarLimits> | undefined;
  /** Which files' contents come back along with the index. */
  readonly wanted?: (path: string) => boolean;
}

export interface TarIndex {
  /** Each path once, in the order of the archive. */
  readonly entries: readonly ArchiveEntry[];
  /** By path: the contents that were wanted. */
  readonly contents: ReadonlyMap<string, Uint8Array>;
  /** Paths that stand in the archive more than once, directories apart; the last one counts. */
  readonly repeated: readonly string[];
}

/**
 * Reads an uncompressed archive to its end and returns what lies where in it. It understands POSIX ustar and PAX,
 * GNU's long names and numbers, and the seventh edition's headers; hard links become files with the same bytes.
 * Everything that is damaged, that could lead outside, or that is no file, directory or symlink is a CapstanError
 * that names the archive and the entry.
 */
export async function readTar(chunks: AsyncIterable<Uint8Array>, options: TarReadOptions): Promise<TarIndex> {
  const reader = new ChunkReader(limited(chunks, options));
  try {
    return await new TarReader(reader, options).read();
  } finally {
    await reader.close();
  }
}

/** What PAX headers and GNU's long names say about the entry that follows them. */
interface Extension {
  name?: Uint8Array;
  linkName?: Uint8Array;
  records?: ReadonlyMap<string, Uint8Array>;
}

class TarReader {
  readonly #reader: ChunkReader;
  readonly #archive: string;
  readonly #limits: TarLimits;
  readonly #wanted: (path: string) => boolean;
  readonly #entries = new Map<string, ArchiveEntry>();
  readonly #contents = new Map<string, Uint8Array>();
  readonly #repeated = new Set<string>();
  #globals: ReadonlyMap<string, Uint8Array> = new Map();
  #count = 0;

  constructor(reader: ChunkReader, options: TarReadOptions) {
    this.#reader = reader;
    this.#archive = options.name;
    this.#limits = { ...DEFAULT_TAR_LIMITS, ...options.limits };
    this.#wanted = options.wanted ?? (() => false);
  }

  async read(): Promise<TarIndex> {
    let extension: Extension = {};
    for (let header = await this.#nextHeader(); header !== undefined; header = await this.#nextHeader()) {
      this.#count++;
      if (this.#count > this.#limits.entries) {
        throw this.#limit(`it has more than ${this.#limits.entries} entries`);
      }
      if (await this.#readExtension(header, extension)) continue;
      await this.#readEntry(header, extension);
      extension = {};
    }
    if (Object.keys(extension).length > 0) throw this.#damaged("it ends between an extended header and its entry");
    this.#checkPlaces();
    return { entries: [...this.#entries.values()], contents: this.#contents, repeated: [...this.#repeated] };
  }

  /** The next header, or undefined at the end of the archive. */
  async #nextHeader(): Promise<Header | undefined> {
    const block = await this.#reader.take(BLOCK_SIZE);
    if (block.length === 0) {
      if (this.#reader.offset === 0) throw this.#damaged("it is empty");
      return undefined;
    }
    if (block.length < BLOCK_SIZE) throw this.#noHeader("it is cut off in the middle of a header");
    if (isZero(block)) {
      await this.#checkEnd();
      return undefined;
    }
    const header = decodeHeader(block);
    if (header !== "checksum") return header;
    throw this.#noHeader(`the header at byte ${this.#reader.offset - BLOCK_SIZE} has a wrong checksum`);
  }

  /** What does not even begin with a header is something else than an archive. */
  #noHeader(problem: string): CapstanError {
    if (this.#count > 0) return this.#damaged(problem);
    return new CapstanError(`${this.#archive} is neither a tar archive nor a gzip-compressed one`, {
      code: "archive-not-tar",
      hint: "Check that it is a package: 'capstan package build' makes them.",
    });
  }

  /** After the end mark there may be zeros only: another archive behind it is one that other tools would not see. */
  async #checkEnd(): Promise<void> {
    for (let rest = await this.#reader.takeSome(); rest.length > 0; rest = await this.#reader.takeSome()) {
      if (!isZero(rest)) throw this.#damaged("there is something behind its end mark");
    }
  }

  /** Whether the header was one that only describes the next; then it is in `extension` or in the globals. */
  async #readExtension(header: Header, extension: Extension): Promise<boolean> {
    switch (header.type) {
      case TypeFlag.gnuLongName:
        extension.name = withoutNul(await this.#extensionData(header));
        return true;
      case TypeFlag.gnuLongLink:
        extension.linkName = withoutNul(await this.#extensionData(header));
        return true;
      case TypeFlag.paxHeader:
        extension.records = await this.#paxRecords(header);
        return true;
      case TypeFlag.paxGlobalHeader:
        this.#globals = new Map([...this.#globals, ...(await this.#paxRecords(header))]);
        return true;
      default:
        return false;
    }
  }

  async #paxRecords(header: Header): Promise<ReadonlyMap<string, Uint8Array>> {
    const records = decodePaxRecords(await this.#extensionData(header));
    if (records === undefined) throw this.#damaged("it has a PAX header that cannot be read");
    return records;
  }

  async #extensionData(header: Header): Promise<Uint8Array> {
    this.#checkSize(header.size, "a header extension");
    if (header.size > this.#limits.headerExtension) {
      throw this.#limit(`it has a header extension of more than ${formatSize(this.#limits.headerExtension)}`);
    }
    // A copy: it outlives the chunk that it lies in.
    return Uint8Array.from(await this.#data(header.size, "a header extension"));
  }

  async #readEntry(header: Header, extension: Extension): Promise<void> {
    const records = this.#records(extension);
    const name = pick(records, "path") ?? extension.name ?? header.name;
    const path = this.#path(name);
    if (isSparse(records)) throw this.#unsupported(path, TypeFlag.gnuSparse);
    const linkName = pick(records, "linkpath") ?? extension.linkName ?? header.linkName;
    const common = { path, mode: this.#mode(header, path), mtime: this.#mtime(header, records, path) };
    switch (header.type) {
      case TypeFlag.directory:
        return this.#add({ ...common, type: "directory" });
      case TypeFlag.symlink:
        return this.#add({ ...common, type: "symlink", target: this.#target(linkName, path) });
      case TypeFlag.hardLink:
        return this.#add({ ...this.#linked(linkName, path), path });
      case TypeFlag.file:
      case TypeFlag.oldFile:
      case TypeFlag.contiguousFile: {
        const size = this.#size(header, records, path);
        // The seventh edition had no type for directories: it wrote a slash at the end of the name.
        if (name.at(-1) === SLASH) {
          if (size > 0) throw this.#damaged(`${quotePath(`/${path}/`)} is named like a directory and has content`);
          return this.#add({ ...common, type: "directory" });
        }
        const offset = this.#reader.offset;
        this.#add({ ...common, type: "file", size, offset });
        return this.#readContent(path, size);
      }
      default:
        throw this.#unsupported(path, header.type);
    }
  }

  #records(extension: Extension): ReadonlyMap<string, Uint8Array> {
    if (extension.records === undefined) return this.#globals;
    return this.#globals.size === 0 ? extension.records : new Map([...this.#globals, ...extension.records]);
  }

  async #readContent(path: string, size: number): Promise<void> {
    const what = quotePath(`/${path}`);
    if (!this.#wanted(path)) return this.#pass(size + paddingOf(size), what);
    if (size > this.#limits.wantedSize) {
      throw this.#limit(`${what} is larger than ${formatSize(this.#limits.wantedSize)}`);
    }
    this.#contents.set(path, Uint8Array.from(await this.#data(size, what)));
  }

  /** Content and its padding, the padding dropped. */
  async #data(size: number, what: string): Promise<Uint8Array> {
    const data = await this.#reader.take(size + paddingOf(size));
    if (data.length < size + paddingOf(size)) throw this.#cutOff(what);
    return data.subarray(0, size);
  }

  async #pass(length: number, what: string): Promise<void> {
    if ((await this.#reader.skip(length)) < length) throw this.#cutOff(what);
  }

  #add(entry: ArchiveEntry): void {
    const before = this.#entries.get(entry.path);
    if (before !== undefined && (before.type !== "directory" || entry.type !== "directory")) {
      this.#repeated.add(entry.path);
      this.#contents.delete(entry.path);
    }
    if (entry.path === "" && entry.type !== "directory") throw this.#unsafe("/", "the root has to be a directory");
    this.#entries.set(entry.path, entry);
  }

  #checkPlaces(): void {
    const misplaced = findMisplaced(this.#entries);
    if (misplaced === undefined) return;
    const { entry, under } = misplaced;
    const kind = under.type === "symlink" ? "a symbolic link" : "a file";
    throw this.#unsafe(`/${entry.path}`, `it lies under ${quotePath(`/${under.path}`)}, which is ${kind}`);
  }

  #path(name: Uint8Array): string {
    const parsed = parseEntryName(name);
    if ("path" in parsed) return parsed.path;
    throw this.#unsafe(decodeName(name), `its name is refused: ${parsed.problem}`);
  }

  #target(linkName: Uint8Array, path: string): string {
    const parsed = parseLinkTarget(linkName);
    if ("target" in parsed) return parsed.target;
    throw this.#unsafe(`/${path}`, `the target of the link is refused: ${parsed.problem}`);
  }

  #linked(linkName: Uint8Array, path: string): ArchiveEntry {
    const parsed = parseEntryName(linkName);
    if ("problem" in parsed)
      throw this.#unsafe(`/${path}`, `the target of the hard link is refused: ${parsed.problem}`);
    const target = this.#entries.get(parsed.path);
    if (target !== undefined && target.type !== "directory") return target;
    const shown = quotePath(`/${parsed.path}`);
    const reason = target === undefined ? "which does not stand before it in the archive" : "which is a directory";
    throw this.#unsafe(`/${path}`, `it is a hard link to ${shown}, ${reason}`);
  }

  #mode(header: Header, path: string): number {
    if (!(header.mode >= 0)) throw this.#damaged(`the mode of ${quotePath(`/${path}`)} is not a number`);
    return header.mode & 0o7777;
  }

  #mtime(header: Header, records: ReadonlyMap<string, Uint8Array>, path: string): number {
    const record = pick(records, "mtime");
    const mtime = record === undefined ? header.mtime : Math.floor(decimal(record, /^-?[0-9]{1,15}(\.[0-9]*)?$/));
    if (Number.isNaN(mtime)) throw this.#damaged(`the time of ${quotePath(`/${path}`)} is not a number`);
    return mtime;
  }

  #size(header: Header, records: ReadonlyMap<string, Uint8Array>, path: string): number {
    const record = pick(records, "size");
    const size = record === undefined ? header.size : decimal(record, /^[0-9]{1,15}$/);
    this.#checkSize(size, quotePath(`/${path}`));
    return size;
  }

  #checkSize(size: number, what: string): void {
    if (!(size >= 0)) throw this.#damaged(`the size of ${what} is not a number`);
    if (size > this.#limits.totalSize) {
      throw this.#limit(`the size of ${what} is more than ${formatSize(this.#limits.totalSize)}`);
    }
  }

  #unsafe(entry: string, problem: string): CapstanError {
    return new CapstanError(`${this.#archive}: ${quotePath(entry)}: ${problem}`, {
      code: "archive-unsafe-entry",
      hint: "Do not use this package: get it again from where it was made.",
    });
  }

  #unsupported(path: string, type: string): CapstanError {
    const what = UNSUPPORTED[type] ?? `of the unknown type ${quotePath(type)}`;
    return new CapstanError(`${this.#archive}: ${quotePath(`/${path}`)} is ${what}`, {
      code: "archive-unsupported-entry",
      hint: "A package holds plain files, directories and links: build it again without this entry.",
    });
  }

  #cutOff(what: string): CapstanError {
    return this.#damaged(`it is cut off in the middle of ${what}`);
  }

  #damaged(problem: string): CapstanError {
    return new CapstanError(`${this.#archive} is damaged: ${problem}`, {
      code: "archive-damaged",
      hint: "Get or build the package again.",
    });
  }

  #limit(problem: string): CapstanError {
    return limitError(this.#archive, problem);
  }
}

const SLASH = 0x2f;

const UNSUPPORTED: Readonly<Record<string, string>> = {
  [TypeFlag.characterDevice]: "a character device",
  [TypeFlag.blockDevice]: "a block device",
  [TypeFlag.fifo]: "a FIFO",
  [TypeFlag.gnuSparse]: "stored as a sparse file",
};

/** A record without a value takes back what a global header said (pax(1), "Extended Header Keyword Precedence"). */
function pick(records: ReadonlyMap<string, Uint8Array>, keyword: string): Uint8Array | undefined {
  const value = records.get(keyword);
  return value === undefined || value.length === 0 ? undefined : value;
}

/** PAX has no type for sparse files: GNU tar marks them by keywords of its own ("Storing Sparse Files"). */
function isSparse(records: ReadonlyMap<string, Uint8Array>): boolean {
  for (const keyword of records.keys()) if (keyword.startsWith("GNU.sparse.")) return true;
  return false;
}

function decimal(bytes: Uint8Array, pattern: RegExp): number {
  const text = Buffer.from(bytes).toString("latin1");
  return pattern.test(text) ? Number(text) : Number.NaN;
}

function withoutNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

async function* limited(chunks: AsyncIterable<Uint8Array>, options: TarReadOptions): AsyncGenerator<Uint8Array> {
  const limit = options.limits?.totalSize ?? DEFAULT_TAR_LIMITS.totalSize;
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.length;
    if (total > limit) throw limitError(options.name, `it unpacks to more than ${formatSize(limit)}`);
    yield chunk;
  }
}

function limitError(archive: string, problem: string): CapstanError {
  return new CapstanError(`${archive} is refused: ${problem}`, {
    code: "archive-too-large",
    hint: "If the package is what you want, allow for its size: --unpack-limit 200G, or CAPSTAN_UNPACK_LIMIT.",
  });
}
