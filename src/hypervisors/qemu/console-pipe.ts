import { execFile } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";

/** A pipe whose one end QEMU gets as its stdout. */
export interface ConsolePipe {
  /** To be closed when QEMU has it. */
  readonly writeEnd: number;
  readonly output: Readable;
}

/**
 * Makes a pipe for the guest's console. QEMU writes every byte of a serial port by itself: what Node makes for a child's
 * stdout, a pair of sockets, holds a few hundred such writes, and the guest then waits for each turn of our loop. A pipe of
 * the kernel joins them, up to 64 KiB. Undefined where none can be made.
 */
export async function openConsolePipe(
  env: Readonly<Record<string, string | undefined>>,
): Promise<ConsolePipe | undefined> {
  let folder: string | undefined;
  let readEnd: number | undefined;
  try {
    folder = mkdtempSync(join(env.TMPDIR || "/tmp", "capstan-"));
    const path = join(folder, "console");
    await promisify(execFile)("mkfifo", ["-m", "600", path], { env: { ...env } });
    // Without waiting for one who writes; that one then need not wait either.
    readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return { writeEnd: openSync(path, constants.O_WRONLY), output: readPaced(readEnd) };
  } catch {
    if (readEnd !== undefined) closeSync(readEnd);
    return undefined;
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** How long more is left to gather in the pipe: no reader minds, and the time goes to the guest. */
const PACE_MS = 3;

function readPaced(fd: number): Readable {
  // Node reads on, paused or not, until so much lies ready.
  const options = { fd, readable: true, writable: false, highWaterMark: 1 };
  const socket = new Socket(options);
  let timer: NodeJS.Timeout | undefined;
  let isWanted = true;
  const resume = () => {
    timer = undefined;
    if (isWanted) socket.resume();
  };
  const output = new Readable({
    read: () => {
      isWanted = true;
      if (timer === undefined) socket.resume();
    },
    destroy: (error, done) => {
      clearTimeout(timer);
      socket.destroy();
      done(error);
    },
  });
  socket.on("data", (chunk: Buffer) => {
    socket.pause();
    isWanted = output.push(chunk);
    timer ??= setTimeout(resume, PACE_MS);
  });
  socket.on("error", (error) => output.destroy(error));
  socket.on("end", () => output.push(null));
  return output;
}
