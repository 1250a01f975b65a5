import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { arrivingIndex } from "../packages/package-index.ts";
import { parseManifest } from "../project/manifest.ts";
import type { Requirement } from "../project/versions.ts";
import type { Layout } from "../store/layout.ts";
import { type Origin, readOrigin } from "../store/origins.ts";
import { addFetchedPackage, tryFindPackage } from "../store/packages.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, doing } from "../support/errors.ts";
import { digestOf } from "../support/hash-file.ts";
import { fetchDocument } from "./http.ts";
import { checkUnchanged, fetchFile, type Pulled, type PullOptions, remember, tell } from "./pull-file.ts";
import type { RemotePackage } from "./remote.ts";
import { chooseRequired } from "./require.ts";

/**
 * Fetches packages and all that they require and the store lacks. Each is put into the store whole, behind those that it
 * requires. Errors: CapstanError `not-in-remotes`, `remote-…`, `remote-changed`, `wrong-package`.
 */
export async function pullPackages(
  requirements: readonly Requirement[],
  options: PullOptions,
  context: Context,
): Promise<readonly Pulled[]> {
  return await pullChosen(await chooseRequired(requirements, { ...options, again: true }, context), options, context);
}

/** What of `requirements`, and of what they require in turn, the store lacks: for --pull-missing. */
export async function pullMissing(
  requirements: readonly Requirement[],
  options: PullOptions,
  context: Context,
): Promise<readonly Pulled[]> {
  return await pullChosen(await chooseRequired(requirements, { ...options, again: false }, context), options, context);
}

async function pullChosen(
  chosen: readonly RemotePackage[],
  options: PullOptions,
  context: Context,
): Promise<readonly Pulled[]> {
  const pulled: Pulled[] = [];
  for (const item of chosen) pulled.push(await pullPackage(item, options, context));
  tellMixedReleases(pulled, context);
  return pulled;
}

async function pullPackage(item: RemotePackage, options: PullOptions, context: Context): Promise<Pulled> {
  const { layout } = options;
  const manifestText = await readManifest(item, context);
  const before = readOrigin(layout, { kind: "package", ...item });
  if (options.force !== true && before !== undefined && before.sha256 === item.archive.sha256?.toLowerCase()) {
    if (await isStored(item.name, { manifestText, before, layout }, context)) {
      const downloaded = { size: before.size, sha256: before.sha256, transferred: 0 };
      return tell(item, { kind: "package", downloaded, fetched: false }, context);
    }
  }
  const index = arrivingIndex(context);
  const fetch = { what: `${item.name}.mpm`, options, observer: index };
  const { path, downloaded, forget } = await fetchFile(item.archive, fetch, context);
  try {
    checkUnchanged(item, "package", { disk: downloaded, options });
    const { name } = item;
    const indexOf = (at: string) => index.indexOf(at);
    await addFetchedPackage(layout, { name, archive: path, manifestText, indexOf }, context);
    await remember(item, { kind: "package", file: item.archive, downloaded }, options, context);
  } finally {
    index.close();
    forget();
  }
  return tell(item, { kind: "package", downloaded, fetched: true }, context);
}

/** Another package of that name and version may have been imported since. */
async function isStored(
  name: string,
  { manifestText, before, layout }: { readonly manifestText: string; readonly before: Origin; readonly layout: Layout },
  { signal }: Context,
): Promise<boolean> {
  const stored = tryFindPackage(layout, name);
  if (stored === undefined) return false;
  return await doing(`Reading ${stored.archive}`, async () => {
    if (statSync(stored.archive).size !== before.size) return false;
    if (readFileSync(stored.manifest, "utf8") !== manifestText) return false;
    return (await digestOf(stored.archive, signal)) === before.sha256;
  });
}

/** A page of a proxy, or the manifest of another package, must not come into the store. */
async function readManifest({ name, remote, manifest }: RemotePackage, context: Context): Promise<string> {
  const { url, headers } = manifest;
  const { body: bytes } = await fetchDocument({ url, headers, what: `the manifest of ${name}` }, context);
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (manifest.sha256 !== undefined && manifest.sha256.toLowerCase() !== digest) {
    throw new CapstanError(`The manifest of ${name} at ${remote} is not the one that the index speaks of`, {
      code: "remote-damaged",
      hint: "Try again later; if it stays so, tell those who run the repository.",
    });
  }
  const parsed = parseManifest(bytes, { name: manifest.url, foreign: true });
  if (parsed.name === name) return bytes.toString("utf8");
  throw new CapstanError(`${manifest.url} is the manifest of ${parsed.name}, not of ${name}`, {
    code: "wrong-package",
    hint: "Tell those who run the repository; nothing was put into the store.",
  });
}

/** Packages of years ago do not fit a kernel of today: nobody should have to find that out by a crash. */
function tellMixedReleases(pulled: readonly Pulled[], { reporter }: Context): void {
  const releases = new Map<string, string[]>();
  for (const { name, release } of pulled) {
    if (release !== null) releases.set(release, [...(releases.get(release) ?? []), name]);
  }
  if (releases.size < 2) return;
  const text = [...releases].map(([release, names]) => `${names.join(", ")} of ${release}`).join("; ");
  reporter.report({
    kind: "warning",
    text: `These come from different releases of OSv: ${text}`,
    hint: "Choose one for all with --release-tag.",
  });
}
