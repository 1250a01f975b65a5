import type { Finding } from "./finding.ts";
import { type CheckInput, openImage } from "./image.ts";
import { checkOtherSets } from "./other-sets.ts";
import { contentRules, startRules } from "./rules/index.ts";

/**
 * What will, or may, go wrong when the image boots: errors first, then warnings and notes, each by path. Only reads.
 * Files whose bytes cannot be got at, such as those within a packed archive, are passed over.
 */
export function checkImage(input: CheckInput): readonly Finding[] {
  const image = openImage(input);
  const atStart = startRules.flatMap((rule) => [...rule(image)]);
  const ofSets = input.onlyBooted === true ? [] : checkOtherSets(image, startRules, atStart);
  const ofContent = contentRules.flatMap((rule) => [...rule(image)]);
  return inOrder(unique([...atStart, ...ofSets, ...ofContent]));
}

/** Errors first, then warnings and notes, each by path. */
export function inOrder(findings: readonly Finding[]): readonly Finding[] {
  return [...findings].sort(
    (a, b) => WEIGHT[a.severity] - WEIGHT[b.severity] || compare(a.path, b.path) || compare(a.code, b.code),
  );
}

const WEIGHT = { error: 0, warning: 1, note: 2 } as const;

/** What several commands of one image have in common is said once. */
function unique(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [JSON.stringify(finding), finding])).values()];
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
