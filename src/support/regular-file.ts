import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { formatSize } from "./bytes.ts";
import { CapstanError } from "./errors.ts";

/**
 * The whole of a small file of this machine. A FIFO or a device, which would be waited for or never end, is refused, and so
 * is more than `limit` bytes. `name` stands for the file in messages.
 *
 * Errors: CapstanError `not-a-file`, `file-too-large`; those of the operating system come as they are.
 */
export function readRegularFile(
  path: string,
  { name = path, limit }: { readonly name?: string; readonly limit: number },
) {
  // Without O_NONBLOCK, a FIFO would wait for a writer.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) {
      throw new CapstanError(`${name} is not a regular file`, {
        code: "not-a-file",
        hint: "Put a regular file there.",
      });
    }
    if (stats.size > limit) {
      throw new CapstanError(`${name} has ${formatSize(stats.size)}, and at most ${formatSize(limit)} is read`, {
        code: "file-too-large",
        hint: "Check that this is the right file.",
      });
    }
    const bytes = Buffer.alloc(stats.size);
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(file, bytes, done, bytes.length - done, done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  } finally {
    closeSync(file);
  }
}
