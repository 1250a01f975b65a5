import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { MiB } from "../support/bytes.ts";
import { isErrno } from "../support/errors.ts";

/** Whether two files hold the same bytes; not where one is missing. Ends at the first difference. */
export function isSameFile(a: string, b: string): boolean {
  const files: number[] = [];
  try {
    for (const path of [a, b]) files.push(openSync(path, "r"));
    return sameBytes(files[0] ?? -1, files[1] ?? -1);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  } finally {
    for (const file of files) closeSync(file);
  }
}

function sameBytes(a: number, b: number): boolean {
  const [one, other] = [fstatSync(a, { bigint: true }), fstatSync(b, { bigint: true })];
  if (one.dev === other.dev && one.ino === other.ino) return true;
  if (one.size !== other.size) return false;
  const [left, right] = [Buffer.allocUnsafeSlow(MiB), Buffer.allocUnsafeSlow(MiB)];
  for (let at = 0; at < one.size; ) {
    const read = readSync(a, left, 0, MiB, at);
    if (read === 0 || readSync(b, right, 0, read, at) !== read) return false;
    if (!left.subarray(0, read).equals(right.subarray(0, read))) return false;
    at += read;
  }
  return true;
}
