import { nameProblem } from "./names.ts";
import { compareVersions } from "./version-order.ts";
import { parseRange, type VersionRange } from "./version-range.ts";

export { compareVersions } from "./version-order.ts";
export type { VersionRange } from "./version-range.ts";

/** `name`, `name@1.2`, `name >= 1.2`, `name >=1.2 <2`, `name ^1.2`, `name ~1.2`, `name =1.2.3`. */
export interface Requirement {
  readonly name: string;
  /** Undefined: any version. */
  readonly range: VersionRange | undefined;
}

/**
 * What stands in `require`, or on a command line. Comparisons are separated by blanks or commas, and all have to hold; their rules
 * are those of parseRange. Where the text is none, `problem` says why, for messages.
 */
export function parseRequirement(text: string): Requirement | { readonly problem: string } {
  if (text.length > LIMIT) return { problem: `a requirement is longer than ${LIMIT} characters` };
  const [, name = "", rest = ""] = /^\s*([^\s@<>=^~,]*)(.*)$/s.exec(text) ?? [];
  const problem = nameProblem(name, "a package");
  if (problem !== undefined) return { problem };
  if (rest.trim() === "") return { name, range: undefined };
  const range = parseRange(rest);
  return "problem" in range ? range : { name, range };
}

const LIMIT = 500;

/** The highest of these versions, by its place among them; undefined of none. */
export function highestVersion(versions: Iterable<string>): string | undefined {
  let highest: string | undefined;
  for (const version of versions) {
    if (highest === undefined || compareVersions(version, highest) > 0) highest = version;
  }
  return highest;
}

/** Why a text is no requirement; undefined when it is one. */
export function requirementProblem(text: string): string | undefined {
  const parsed = parseRequirement(text);
  return "problem" in parsed ? parsed.problem : undefined;
}

/** The package that a requirement is about. */
export function requiredName(text: string): string {
  const parsed = parseRequirement(text);
  return "problem" in parsed ? text : parsed.name;
}
