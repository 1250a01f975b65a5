import { CapstanError } from "../../support/errors.ts";
import { decodeName } from "../../support/name-bytes.ts";
import type { TreeEntry } from "../filetree.ts";
import { PATH_MAX } from "../names.ts";
import { decodeHeader, HEADER_SIZE, paddingOf, TRAILER, TYPE_MASK, Type } from "./layout.ts";

/** What an archive holds, as it comes: each entry, and behind that of a file its bytes. */
export type CpioPart =
  | { readonly kind: "entry"; readonly entry: CpioEntry }
  /** Of the last file; never empty, only valid until the next part is asked for. */
  | { readonly kind: "data"; readonly bytes: Uint8Array };

export interface CpioEntry {
  /** As the archive says it. */
  readonly name: string;
  readonly type: TreeEntry["type"];
  /** Permission bits (0o7777). */
  readonly mode: number;
  /** Of a file, in bytes. */
  readonly size: number;
  /** Of a link. */
  readonly target: string;
}

/**
 * Reads an archive from a stream, up to its trailer; holds one entry's name at most. Whatever follows the trailer is left
 * alone. Errors: CapstanError `bad-cpio`.
 */
export async function* readCpio(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<CpioPart, void, undefined> {
  const input = new Input(chunks);
  for (;;) {
    const header = decodeHeader(await input.take(HEADER_SIZE));
    if (header === undefined) return bad("there is no entry where one should begin");
    const name = await readName(input, header.nameSize);
    if (name === TRAILER) return;
    const type = typeOf(header.mode, name);
    if (type === "directory" && header.size > 0) bad(`the directory ${JSON.stringify(name)} has content`);
    if (type === "symlink" && header.size > PATH_MAX) bad(`the link ${JSON.stringify(name)} is too long`);
    const target = type === "symlink" ? decodeName(await input.take(header.size)) : "";
    const size = type === "file" ? header.size : 0;
    yield { kind: "entry", entry: { name, type, mode: header.mode & 0o7777, size, target } };
    for (let left = size; left > 0; ) {
      const bytes = await input.some(left);
      yield { kind: "data", bytes };
      left -= bytes.length;
    }
    await input.take(paddingOf(header.size));
  }
}

async function readName(input: Input, size: number): Promise<string> {
  if (size < 2 || size > PATH_MAX + 1) return bad(`a name has ${size} bytes`);
  const bytes = await input.take(size + paddingOf(HEADER_SIZE + size));
  if (bytes.indexOf(0) !== size - 1) bad("a name does not end where its header says");
  return decodeName(bytes.subarray(0, size - 1));
}

function typeOf(mode: number, name: string): TreeEntry["type"] {
  switch (mode & TYPE_MASK) {
    case Type.directory:
      return "directory";
    case Type.file:
      return "file";
    case Type.symlink:
      return "symlink";
    default:
      return bad(`${JSON.stringify(name)} is neither a file, a directory nor a link`);
  }
}

/** Bytes on demand, whatever pieces they come in. */
class Input {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #current: Uint8Array = new Uint8Array();

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Exactly so many, as a copy where they come in several pieces. */
  async take(length: number): Promise<Uint8Array> {
    if (length === 0) return new Uint8Array();
    const first = await this.some(length);
    if (first.length === length) return first;
    const whole = Buffer.alloc(length);
    whole.set(first);
    for (let done = first.length; done < length; ) {
      const part = await this.some(length - done);
      whole.set(part, done);
      done += part.length;
    }
    return whole;
  }

  /** One at least, `limit` at most. */
  async some(limit: number): Promise<Uint8Array> {
    while (this.#current.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return bad("it ends before its trailer");
      this.#current = next.value;
    }
    const part = this.#current.subarray(0, limit);
    this.#current = this.#current.subarray(part.length);
    return part;
  }
}

function bad(why: string): never {
  throw new CapstanError(`The cpio archive is damaged: ${why}`, {
    code: "bad-cpio",
    hint: "Make it anew.",
  });
}
