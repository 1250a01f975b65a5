import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageManifest, readPackageIndex } from "../packages/package-index.ts";
import { parseRequirement } from "../project/versions.ts";
import { formatIndex } from "../remotes/index/format.ts";
import { fileInside } from "../remotes/index/inside.ts";
import { compareText } from "../remotes/index/order.ts";
import { INDEX_NAME, type IndexedPackage, type RepositoryIndex, SIGNATURE_NAME } from "../remotes/index/schema.ts";
import { parsePublicKey, signatureProblem } from "../remotes/index/signature.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, InterruptedError } from "../support/errors.ts";
import { nearest } from "../support/suggest.ts";
import { type IndexFile, readIndexFile } from "./index-file.ts";
import { makeIndex } from "./index-repository.ts";
import { OWN_FOLDER, openRepository } from "./repository.ts";

export interface Finding {
  readonly severity: "error" | "warning";
  readonly code:
    | "unpaired"
    | "bad-manifest"
    | "repeated"
    | "outside"
    | "unreadable-package"
    | "other-manifest"
    | "dangling-require"
    | "no-index"
    | "bad-index"
    | "stale-index"
    | "bad-signature";
  /** Relative to the repository. */
  readonly path: string;
  readonly problem: string;
  readonly hint: string;
}

export interface CheckOptions {
  /** Public keys: one of them has to have signed the index. Without any the signature is not looked at. */
  readonly keys: readonly string[];
}

export interface CheckResult {
  readonly packages: number;
  readonly images: number;
  readonly findings: readonly Finding[];
}

/** Looks at all that could go wrong for those who fetch. Every package is unpacked, once for each state of its file. */
export async function checkRepository(dir: string, options: CheckOptions, context: Context): Promise<CheckResult> {
  const { root } = openRepository(dir, context);
  const { index, problems } = await makeIndex({ root }, context);
  const findings: Finding[] = problems.map((one) => ({ severity: "error", ...one, hint: HINTS[one.code] }));
  for (const item of index.packages) findings.push(...(await checkPackage(root, item, context)));
  findings.push(...checkRequirements(index));
  findings.push(...checkIndex(root, index, options));
  findings.sort((a, b) => compareText(a.severity, b.severity) || compareText(a.path, b.path));
  return { packages: index.packages.length, images: index.images.length, findings };
}

const HINTS = {
  unpaired: "Add the package again with 'capstan repo add', or delete the file.",
  "bad-manifest": "Correct the file, or add the package again with 'capstan repo add'.",
  repeated: "Delete one of them.",
  outside: "Put the file itself there.",
} as const;

async function checkPackage(root: string, item: IndexedPackage, context: Context): Promise<readonly Finding[]> {
  const archive = join(root, item.archive.path);
  const common = { severity: "error", path: item.archive.path } as const;
  try {
    const cacheFolder = join(root, OWN_FOLDER, "packages");
    const index = await readPackageIndex(archive, { cacheFolder, context });
    if (index.manifestText === undefined) return [];
    const inside = packageManifest(index);
    if (inside.name === item.name && inside.version === item.version) return [];
    const problem =
      `it is ${[inside.name, inside.version].join(" ").trim()} inside, ` +
      `and ${[item.name, item.version].join(" ").trim()} by the manifest beside it`;
    return [{ ...common, code: "other-manifest", problem, hint: "Add the package again with 'capstan repo add'." }];
  } catch (error) {
    if (!(error instanceof CapstanError) || error instanceof InterruptedError) throw error;
    const problem = error.message.replaceAll(archive, item.archive.path);
    return [{ ...common, code: "unreadable-package", problem, hint: error.hint ?? "Build the package again." }];
  }
}

/** Whoever fetches from here alone would not get what these need. */
function checkRequirements({ packages }: RepositoryIndex): readonly Finding[] {
  const byName = new Map<string, IndexedPackage[]>();
  for (const item of packages) byName.set(item.name, [...(byName.get(item.name) ?? []), item]);
  return packages.flatMap(({ require, manifest }) =>
    require.flatMap((text): readonly Finding[] => {
      const problem = requirementProblem(text, byName);
      if (problem === undefined) return [];
      const hint = "Add what is missing, with 'capstan repo add' or 'capstan repo mirror'.";
      return [{ severity: "warning", code: "dangling-require", path: manifest.path, problem, hint }];
    }),
  );
}

function requirementProblem(text: string, byName: ReadonlyMap<string, readonly IndexedPackage[]>): string | undefined {
  const parsed = parseRequirement(text);
  if ("problem" in parsed) return parsed.problem;
  const { name, range } = parsed;
  const offered = byName.get(name);
  if (offered === undefined) {
    const meant = nearest(name, byName.keys());
    return `it requires ${name}, which is not here${meant === undefined ? "" : `; did it mean ${meant}?`}`;
  }
  if (range === undefined || offered.some(({ version }) => range.accepts(version))) return undefined;
  const versions = offered.map(({ version }) => version ?? "one without a version").join(", ");
  return `it requires ${text}, and here is only ${versions}`;
}

function checkIndex(root: string, index: RepositoryIndex, { keys }: CheckOptions): readonly Finding[] {
  const common = { severity: "error", path: INDEX_NAME, hint: "Run 'capstan repo index'." } as const;
  let file: IndexFile | undefined;
  try {
    file = readIndexFile(root);
  } catch (error) {
    if (!(error instanceof CapstanError)) throw error;
    return [{ ...common, code: "bad-index", problem: [error.message, ...error.details].join("; ") }];
  }
  if (file === undefined) {
    // Buckets, shared folders and 'repo serve' do without; there is nothing that could be signed, though.
    const problem = "there is none, which only web servers need";
    return [{ ...common, severity: keys.length === 0 ? "warning" : "error", code: "no-index", problem }];
  }
  const findings: Finding[] = differences(file.index, index).map((problem) => ({
    ...common,
    code: "stale-index",
    problem,
  }));
  const problem = keys.length === 0 ? undefined : checkSignature(root, file, keys);
  if (problem === undefined) return findings;
  return [
    ...findings,
    { ...common, path: SIGNATURE_NAME, code: "bad-signature", problem, hint: "Run 'capstan repo sign'." },
  ];
}

function checkSignature(root: string, { bytes }: IndexFile, keys: readonly string[]): string | undefined {
  const signature = fileInside(root, SIGNATURE_NAME);
  if (signature === undefined) return "the index is not signed";
  return signatureProblem(bytes, readFileSync(signature.path), keys.map(parsePublicKey));
}

/** What the index says, and what is so. */
function differences(written: RepositoryIndex, actual: RepositoryIndex): readonly string[] {
  const [before, now] = [itemsOf(written), itemsOf(actual)];
  const result: string[] = [];
  for (const [key, text] of now) {
    const known = before.get(key);
    if (known === undefined) result.push(`${key} is not in it`);
    else if (known !== text) result.push(`${key} is not what it says`);
  }
  for (const key of before.keys()) if (!now.has(key)) result.push(`${key} is in it, and not here`);
  return result;
}

/** Each package and each image as it is written in an index. */
function itemsOf(index: RepositoryIndex): ReadonlyMap<string, string> {
  const none = { generated: "", packages: [], images: [] };
  const key = (what: string, { name, version, arch }: Pick<IndexedPackage, "name" | "version" | "arch">) =>
    [what, name, version, arch].filter((part) => part !== undefined).join(" ");
  return new Map([
    ...index.packages.map((item) => [key("package", item), formatIndex({ ...none, packages: [item] })] as const),
    ...index.images.map((item) => [key("image", item), formatIndex({ ...none, images: [item] })] as const),
  ]);
}
