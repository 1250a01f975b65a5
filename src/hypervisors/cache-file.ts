import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { writeFileAtomically } from "../support/atomic.ts";
import { isRecord } from "../support/records.ts";

/**
 * What was found out and can be found out again: a JSON object in a file.
 * Whatever is wrong with the file, it reads as empty; whatever prevents the writing, the work goes on without a memory.
 */
export function readCache(path: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isRecord(parsed) ? parsed : {};
  } catch {
    return {};
  }
}

export async function writeCache(path: string, content: Readonly<Record<string, unknown>>): Promise<void> {
  try {
    mkdirSync(dirname(path), { recursive: true });
    await writeFileAtomically(path, `${JSON.stringify(content, undefined, 2)}\n`);
  } catch {
    // Finding it out anew costs time, not correctness.
  }
}
