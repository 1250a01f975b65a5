import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { MiB } from "./bytes.ts";
import { checkAborted, doing } from "./errors.ts";
import { hostPath } from "./host-paths.ts";

/** SHA-256 of a file of any size, in hexadecimal digits. Errors: CapstanError `os-…` that names the file; InterruptedError. */
export function hashFile(path: string, signal: AbortSignal): Promise<string> {
  return doing(`Reading ${path}`, () => digestOf(path, signal));
}

/** The same, for those who make something of what the operating system says: its errors come as they are. */
export async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(hostPath(path), { highWaterMark: MiB })) {
    checkAborted(signal);
    hash.update(chunk as Buffer);
  }
  return hash.digest("hex");
}
