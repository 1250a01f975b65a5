/** Reads exact numbers of bytes from a stream of chunks, and knows how far it has come. */
export class ChunkReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();
  #at = 0;
  #offset = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** How many bytes have been taken or passed over. */
  get offset(): number {
    return this.#offset;
  }

  /** The next `length` bytes, fewer only at the end of the stream. They stay valid until the next call. */
  async take(length: number): Promise<Uint8Array> {
    if (this.#chunk.length - this.#at >= length) {
      const bytes = this.#chunk.subarray(this.#at, this.#at + length);
      this.#advance(length);
      return bytes;
    }
    const parts: Uint8Array[] = [];
    let missing = length;
    while (missing > 0 && (await this.#fill())) {
      const part = this.#chunk.subarray(this.#at, this.#at + missing);
      parts.push(part);
      missing -= part.length;
      this.#advance(part.length);
    }
    return Buffer.concat(parts);
  }

  /** Passes over `length` bytes; returns how many there were. */
  async skip(length: number): Promise<number> {
    let missing = length;
    while (missing > 0 && (await this.#fill())) {
      const step = Math.min(missing, this.#chunk.length - this.#at);
      missing -= step;
      this.#advance(step);
    }
    return length - missing;
  }

  /** Whatever comes next, at most as much as lies ready; empty at the end of the stream. */
  async takeSome(): Promise<Uint8Array> {
    await this.#fill();
    return this.take(this.#chunk.length - this.#at);
  }

  /** Tells the source that no more is wanted, so that it closes its file. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  #advance(length: number): void {
    this.#at += length;
    this.#offset += length;
  }

  /** Makes at least one byte ready; false at the end of the stream. */
  async #fill(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#chunk = next.value;
      this.#at = 0;
    }
    return true;
  }
}
