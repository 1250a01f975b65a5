/**
 * Ethernet frames on a stream, as QEMU's `-netdev stream` writes them: a length of four bytes, most significant first,
 * and the frame without its check sum.
 *
 * Sources: QEMU's net/stream.c (net_stream_receive) and net/net.c (net_fill_rstate, the same from 7.2 to 10.2).
 */
export const LENGTH_SIZE = 4;

/** NET_BUFSIZE of QEMU's include/net/net.h: it gives a connection up that announces more. */
export const LONGEST_FRAME = 4096 + 65536;

/** Destination, source and type. */
export const FRAME_HEADER_SIZE = 14;

/** A frame as it goes onto the stream: a copy, so that one that waits keeps nothing else in memory. */
export function packFrame(frame: Uint8Array): Buffer {
  const packed = Buffer.allocUnsafe(LENGTH_SIZE + frame.length);
  packed.writeUInt32BE(frame.length);
  packed.set(frame, LENGTH_SIZE);
  return packed;
}

/** Takes a stream apart into frames, however its pieces are cut. Keeps less than one frame. */
export class FrameReader {
  #pending: Buffer[] = [];
  #size = 0;

  /**
   * The frames that are complete now; they lie in the memory of `chunk` or in memory of their own. Undefined when the stream
   * announces a frame that cannot be one: nothing can be understood behind it, and the reader is of no more use.
   */
  push(chunk: Buffer): readonly Buffer[] | undefined {
    this.#pending.push(chunk);
    this.#size += chunk.length;
    const frames: Buffer[] = [];
    while (this.#size >= LENGTH_SIZE) {
      const length = this.#head().readUInt32BE(0);
      if (length === 0 || length > LONGEST_FRAME) return undefined;
      const end = LENGTH_SIZE + length;
      if (this.#size < end) break;
      const bytes = this.#join();
      frames.push(bytes.subarray(LENGTH_SIZE, end));
      this.#size -= end;
      this.#pending = this.#size > 0 ? [bytes.subarray(end)] : [];
    }
    return frames;
  }

  /** The first bytes in one piece, at least those of a length. Pieces of a frame are not put together before it is whole. */
  #head(): Buffer {
    const [first] = this.#pending;
    return first !== undefined && first.length >= LENGTH_SIZE ? first : this.#join();
  }

  #join(): Buffer {
    const [first] = this.#pending;
    const whole = first !== undefined && this.#pending.length === 1 ? first : Buffer.concat(this.#pending);
    this.#pending = [whole];
    return whole;
  }
}
