/**
 * The LZ4 frame format, in which apt keeps its lists: doc/lz4_Frame_format.md and doc/lz4_Block_format.md of the LZ4 project.
 *
 *     frame    = magic 0x184d2204, FLG, BD, [content size: 8], [dictionary: 4], header checksum: 1, { block }, 0: 4, …
 *     block    = size: 4 (top bit: stored as it is), bytes, [checksum: 4]
 *     sequence = token: 1 (high: literals, low: match - 4; 15: bytes of 255 follow), literals, offset: 2, …
 */
const MAGIC = 0x184d2204;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_DICTIONARY = 0x01;
const WINDOW = 64 << 10;
/** By bits 4 to 6 of BD. */
const BLOCK_SIZES: Readonly<Record<number, number>> = { 4: 64 << 10, 5: 256 << 10, 6: 1 << 20, 7: 4 << 20 };

/**
 * Unpacks one frame, block after block. The memory of a block is used again for the next one. Checksums are not looked at.
 * Error: RangeError when it is no such frame, is damaged or truncated, or needs a dictionary.
 */
export function* unpackLz4(packed: Buffer): Generator<Buffer, void, undefined> {
  if (packed.length < 7 || packed.readUInt32LE(0) !== MAGIC) throw new RangeError("no LZ4 frame");
  const flags = packed.readUInt8(4);
  const largest = BLOCK_SIZES[(packed.readUInt8(5) >> 4) & 7];
  if (flags >> 6 !== 1 || largest === undefined || (flags & FLAG_DICTIONARY) !== 0) {
    throw new RangeError("an LZ4 frame of an unknown kind");
  }
  const checksum = (flags & FLAG_BLOCK_CHECKSUM) === 0 ? 0 : 4;
  const output = Buffer.alloc(WINDOW + largest);
  let history = 0;
  let at = (flags & FLAG_CONTENT_SIZE) === 0 ? 7 : 15;
  for (;;) {
    const header = packed.readUInt32LE(at);
    if (header === 0) return;
    const size = header & 0x7fffffff;
    const block = packed.subarray(at + 4, at + 4 + size);
    if (block.length !== size) throw new RangeError("an LZ4 block ends early");
    const end = header >>> 31 === 1 ? store(block, output, history) : unpackBlock(block, output, history);
    yield output.subarray(history, end);
    const keep = Math.min(WINDOW, end);
    output.copyWithin(0, end - keep, end);
    history = keep;
    at += 4 + size + checksum;
  }
}

function store(block: Buffer, output: Buffer, from: number): number {
  if (from + block.length > output.length) throw new RangeError("an LZ4 block is too large");
  return from + block.copy(output, from);
}

/** Where the output ends afterwards. Reading beyond the block yields undefined, which every check below refuses. */
function unpackBlock(block: Buffer, output: Buffer, from: number): number {
  let at = 0;
  let to = from;
  const length = (nibble: number): number => {
    let result = nibble;
    for (let more = nibble === 15 ? 255 : 0; more === 255; result += more) more = block[at++] ?? 256;
    return result;
  };
  while (at < block.length) {
    const token = block[at++] ?? 0;
    const literals = length(token >> 4);
    if (at + literals > block.length || to + literals > output.length) throw new RangeError("damaged LZ4 literals");
    to += block.copy(output, to, at, at + literals);
    at += literals;
    if (at === block.length) break;
    const distance = (block[at] ?? 0) | ((block[at + 1] ?? 0) << 8);
    at += 2;
    const match = length(token & 15) + 4;
    if (at > block.length || distance === 0 || distance > to || to + match > output.length) {
      throw new RangeError("a damaged LZ4 match");
    }
    if (distance >= match) {
      output.copyWithin(to, to - distance, to - distance + match);
    } else {
      for (let index = to; index < to + match; index++) output[index] = output[index - distance] ?? 0;
    }
    to += match;
  }
  return to;
}
