import { MiB, roundUp } from "../../support/bytes.ts";
import type { Reporter } from "../../support/reporter.ts";
import type { WritableDevice } from "../device.ts";
import { emitPlanned, type Reuse, type Run } from "../reuse.ts";
import { BLOCK_SIZE } from "./layout.ts";
import type { RofsPlan } from "./plan.ts";

export { planRofs, type RofsPlan } from "./plan.ts";

export interface WriteRofsOptions {
  readonly signal?: AbortSignal | undefined;
  readonly reporter?: Reporter | undefined;
  /** Takes what an older ROFS has from there: the result is the same. */
  readonly reuse?: Reuse | undefined;
}

/**
 * Writes the plan at the start of `device`, from its first byte to its last in few large writes; flushing is the
 * caller's. Whatever lay there before is overwritten, padding included.
 *
 * Errors: those of `emitContents` and of the device; RangeError when the device is smaller than the plan.
 */
export async function writeRofs(plan: RofsPlan, device: WritableDevice, options: WriteRofsOptions = {}): Promise<void> {
  if (device.size < plan.size) throw new RangeError(`${plan.size} bytes do not fit a device of ${device.size}`);
  const { signal, reporter, reuse } = options;
  const startOf = (index: number) => (plan.firstBlocks[index] ?? 0) * BLOCK_SIZE;
  const output = new GatheredOutput(device);
  output.put(plan.superblock, 0);
  await emitPlanned(plan.files, {
    ...{ signal, reuse },
    run: {
      spanOf: (index) => roundUp(plan.files[index]?.size ?? 0, BLOCK_SIZE),
      copy: (run) => copyRun(run, (bytes, offset) => output.put(bytes, startOf(run.indexes[0] ?? 0) + offset)),
    },
    onProgress: (done, total) =>
      reporter?.report({ kind: "progress", text: "Writing files", done, total, unit: "bytes" }),
    write: (index, chunk, offset) => {
      const end = offset + chunk.length;
      const start = startOf(index);
      output.put(chunk, start + offset);
      if (end === plan.files[index]?.size) output.put(ZEROS.subarray(0, roundUp(end, BLOCK_SIZE) - end), start + end);
    },
  });
  output.put(plan.structure, plan.structureOffset);
  output.finish();
}

function* copyRun(
  { device, place, length }: Run,
  put: (bytes: Uint8Array, offset: number) => void,
): Generator<number, void, undefined> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(COPY_SIZE, length));
  for (let done = 0; done < length; ) {
    const piece = buffer.subarray(0, Math.min(COPY_SIZE, length - done));
    device.read(piece, place + done);
    put(piece, done);
    done += piece.length;
    yield piece.length;
  }
}

const COPY_SIZE = 4 * MiB;
const GATHER_SIZE = MiB;
/** From this size on, copying costs more than a write of its own. */
const DIRECT_SIZE = GATHER_SIZE / 2;
const ZEROS = Buffer.alloc(BLOCK_SIZE);

/** Makes few large writes out of many small ones that follow each other; large ones pass by without being copied. */
class GatheredOutput {
  readonly #device: WritableDevice;
  readonly #buffer = Buffer.allocUnsafeSlow(GATHER_SIZE);
  /** Where on the device the buffer's first byte belongs. */
  #start = 0;
  #length = 0;

  constructor(device: WritableDevice) {
    this.#device = device;
  }

  put(data: Uint8Array, offset: number): void {
    if (offset !== this.#start + this.#length) this.#moveTo(offset);
    if (data.length >= DIRECT_SIZE) {
      this.finish();
      this.#device.write(data, offset);
      this.#start = offset + data.length;
      return;
    }
    for (let done = 0; done < data.length; ) {
      const part = data.subarray(done, done + GATHER_SIZE - this.#length);
      this.#buffer.set(part, this.#length);
      this.#length += part.length;
      done += part.length;
      if (this.#length === GATHER_SIZE) this.finish();
    }
  }

  /** Writes out what has been gathered. */
  finish(): void {
    if (this.#length > 0) this.#device.write(this.#buffer.subarray(0, this.#length), this.#start);
    this.#moveOn();
  }

  #moveOn(): void {
    this.#start += this.#length;
    this.#length = 0;
  }

  #moveTo(offset: number): void {
    this.finish();
    this.#start = offset;
  }
}
