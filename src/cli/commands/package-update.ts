import { type Comparison, comparePackages, updatePackages } from "../../remotes/update.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { pullOptions } from "../remotes.ts";
import { withUnpackLimit } from "../unpack-limit.ts";

export async function run(input: Input, given: CommandContext): Promise<Answer> {
  const context = withUnpackLimit(input, given);
  const options = await pullOptions(input, "packages", context);
  const text = input.arg("text") ?? "";
  const comparisons = await comparePackages({ ...options, text, created: input.on("created") }, context);
  for (const { name, held } of comparisons) {
    if (held === undefined) continue;
    const text = `${name} ${held.version ?? ""} is not taken: ${held.by.join(", ")} of the store requires another version`;
    context.reporter.report({ kind: "step", text });
  }
  for (const comparison of comparisons) context.reporter.report({ kind: "detail", text: sentence(comparison) });
  const dryRun = input.on("dry-run");
  const pulled = dryRun ? [] : await updatePackages(comparisons, options, context);
  const outdated = comparisons.filter(({ state }) => state === "outdated");
  const value = { packages: comparisons, pulled, dryRun };
  // The closing line is the original's: of what was asked for, and not of what that required.
  const did = dryRun ? "Would update" : "Updated";
  const closing = `${did} ${outdated.length} packages (out of ${comparisons.length} that were found locally)\n`;
  return { value, text: () => [...(dryRun ? outdated.map((one) => `${sentence(one)}\n`) : []), closing].join("") };
}

export function sentence({ name, version, remote, state, held }: Comparison): string {
  if (remote === null) return `${name}: only in this store`;
  if (held !== undefined && state !== "outdated") {
    return `${name}: ${version ?? "no version"} stays, as ${held.by.join(", ")} does not take ${held.version ?? "a newer one"}`;
  }
  const there = `${remote.version ?? "no version"} of ${remote.release ?? remote.name}`;
  if (state === "outdated") return `${name}: ${version ?? "no version"} -> ${there}`;
  return state === "current"
    ? `${name}: ${version ?? "no version"} is the latest`
    : `${name}: ${version} is newer than ${there}`;
}
