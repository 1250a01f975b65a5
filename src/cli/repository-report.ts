import type { IndexResult } from "../hosting/index-repository.ts";
import { count } from "../support/count.ts";
import type { CommandContext } from "./answer.ts";

/** Tells what an index holds now, and what it could not take in. */
export function tellIndex(
  { path, packages, images, changed, signature, problems }: IndexResult,
  { reporter }: CommandContext,
): void {
  for (const { path: where, problem } of problems) {
    reporter.report({ kind: "warning", text: `${where} is not in the index: ${problem}` });
  }
  const held = `${count(packages, "package")} and ${count(images, "image")}`;
  reporter.report({ kind: "step", text: changed ? `Wrote ${path}: ${held}` : `${path} is up to date: ${held}` });
  if (signature !== "removed") return;
  reporter.report({
    kind: "warning",
    text: "The signature did not fit the new index, and was removed",
    hint: "Sign it again: capstan repo sign",
  });
}
