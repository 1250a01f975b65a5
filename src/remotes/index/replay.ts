import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomically } from "../../support/atomic.ts";
import type { Context } from "../../support/context.ts";
import { isErrno } from "../../support/errors.ts";

/**
 * Warns when a signed index is older than one that was seen at the same address before: the signature of an old index
 * holds for ever, so somebody on the way could hand out old packages with known faults.
 */
export async function warnOfReplay(
  index: { readonly generated: string; readonly address: string },
  cacheFolder: string,
  { reporter }: Pick<Context, "reporter">,
): Promise<void> {
  const key = createHash("sha256").update(index.address).digest("hex").slice(0, 32);
  const path = join(cacheFolder, `${key}.seen`);
  const seen = readSeen(path);
  if (seen !== undefined && Date.parse(seen) > Date.parse(index.generated)) {
    reporter.report({
      kind: "warning",
      text: `The index of ${index.address} is of ${index.generated}, and one of ${seen} was seen before`,
      hint: `Ask whoever keeps it; delete ${path} if that is meant to be so.`,
    });
    return;
  }
  if (seen === index.generated) return;
  try {
    await writeFileAtomically(path, index.generated);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    reporter.report({ kind: "detail", text: `The age of the index of ${index.address} is not kept: ${reason}` });
  }
}

function readSeen(path: string): string | undefined {
  try {
    const text = readFileSync(path, "utf8");
    return Number.isNaN(Date.parse(text)) ? undefined : text;
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "EISDIR")) return undefined;
    throw error;
  }
}
