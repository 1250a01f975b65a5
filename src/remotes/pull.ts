import { createHash } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseManifest } from "../project/manifest.ts";
import type { Requirement, VersionRange } from "../project/versions.ts";
import { importImage } from "../store/import-image.ts";
import type { Layout } from "../store/layout.ts";
import { type Origin, readOrigin, writeOrigin } from "../store/origins.ts";
import { addFetchedPackage, tryFindPackage } from "../store/packages.ts";
import { sweepTemporaries } from "../store/temporaries.ts";
import { temporaryBeside } from "../support/atomic.ts";
import { formatSize } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, doing, isErrno } from "../support/errors.ts";
import { digestOf } from "../support/hash-file.ts";
import { chooseImage } from "./choose.ts";
import { type Downloaded, download } from "./download.ts";
import { fetchDocument } from "./http.ts";
import type { Remote, RemoteFile, RemoteImage, RemotePackage } from "./remote.ts";
import { chooseRequired } from "./require.ts";

export interface PullOptions {
  readonly remotes: readonly Remote[];
  readonly layout: Layout;
  readonly arch: string;
  /** Takes another content under a name and version that was fetched before. */
  readonly allowChanged: boolean;
  /** As of chooseRequired. */
  readonly locked?: ReadonlyMap<string, VersionRange> | undefined;
}

export interface Pulled {
  readonly kind: "package" | "image";
  readonly name: string;
  readonly version: string | null;
  readonly remote: string;
  readonly release: string | null;
  /** In bytes: of the archive, and what came over the network this time. */
  readonly size: number;
  readonly transferred: number;
  /** False: the store has had the very same already. */
  readonly fetched: boolean;
}

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

/** Fetches an image, such as a loader with its kernel. Errors: as of pullPackages, and those of importImage. */
export async function pullImage(name: string, options: PullOptions, context: Context): Promise<Pulled> {
  const image = await chooseImage(name, options, context);
  const { layout } = options;
  const disk = await fetchFile(image.disk, { what: image.name, options }, context);
  let kernel: Fetched | undefined;
  try {
    checkUnchanged(image, "image", { disk: disk.downloaded, options });
    if (image.kernel !== undefined) {
      kernel = await fetchFile(image.kernel, { what: `the kernel of ${image.name}`, options }, context);
    }
    const { version, created, description, platform } = image;
    const meta = { version, created, description, platform };
    await importImage(layout, { name, file: disk.path, kernel: kernel?.path, meta, move: true }, context);
    await remember(image, { kind: "image", file: image.disk, downloaded: disk.downloaded }, options, context);
  } finally {
    disk.forget();
    kernel?.forget();
  }
  return tell(image, { kind: "image", downloaded: disk.downloaded, fetched: true }, context);
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
  if (before !== undefined && before.sha256 === item.archive.sha256) {
    if (await isStored(item.name, { manifestText, before, layout }, context)) {
      const downloaded = { size: before.size, sha256: before.sha256, transferred: 0 };
      return tell(item, { kind: "package", downloaded, fetched: false }, context);
    }
  }
  const { path, downloaded, forget } = await fetchFile(item.archive, { what: `${item.name}.mpm`, options }, context);
  try {
    checkUnchanged(item, "package", { disk: downloaded, options });
    await addFetchedPackage(layout, { name: item.name, archive: path, manifestText }, context);
    await remember(item, { kind: "package", file: item.archive, downloaded }, options, context);
  } finally {
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
  const bytes = await readSmall(manifest, `the manifest of ${name}`, context);
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (manifest.sha256 !== undefined && manifest.sha256 !== digest) {
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

/** A document of a remote, whole. */
export async function readSmall(file: RemoteFile, what: string, context: Context): Promise<Buffer> {
  if (file.url.startsWith("file:")) return doing(`Reading ${file.url}`, () => readFileSync(fileURLToPath(file.url)));
  return (await fetchDocument({ url: file.url, headers: file.headers, what }, context)).body;
}

interface Fetched {
  /** For this process alone. */
  readonly path: string;
  readonly downloaded: Downloaded;
  /** To be called in the end, whatever became of it. */
  forget(): void;
}

async function fetchFile(
  file: RemoteFile,
  { what, options }: { readonly what: string; readonly options: PullOptions },
  context: Context,
): Promise<Fetched> {
  const { downloads } = options.layout;
  doing(`Preparing ${downloads}`, () => {
    mkdirSync(downloads, { recursive: true });
    sweepTemporaries(downloads, context.now());
  });
  const name = createHash("sha256")
    .update(`${file.url}\0${file.sha256 ?? ""}`)
    .digest("hex")
    .slice(0, 32);
  const shared = join(downloads, name);
  for (;;) {
    const downloaded = await download({ file, path: shared, what }, context);
    const path = temporaryBeside(shared);
    const forget = () => {
      for (const one of [path, shared]) rmSync(one, { force: true });
    };
    if (tryLink(shared, path)) return { path, downloaded, forget };
  }
}

/** Others who fetch the same take it from the same place, and one of them may be done with it already: false. */
function tryLink(from: string, to: string): boolean {
  return doing(`Linking ${from}`, () => {
    try {
      linkSync(from, to);
      return true;
    } catch (error) {
      if (isErrno(error, "ENOENT")) return false;
      throw error;
    }
  });
}

/** The first time, what comes is believed; from then on, the same name and version is the same content. */
function checkUnchanged(
  item: RemotePackage | RemoteImage,
  kind: Origin["kind"],
  { disk, options }: { readonly disk: Downloaded; readonly options: PullOptions },
): void {
  if (options.allowChanged || item.version === undefined) return;
  const before = readOrigin(options.layout, { kind, name: item.name, version: item.version, arch: item.arch });
  if (before === undefined || before.sha256 === disk.sha256) return;
  throw new CapstanError(
    `${item.name} ${item.version} of ${item.remote} is not what was fetched under this name and version on ${before.fetched.slice(0, 10)}`,
    {
      code: "remote-changed",
      details: [`then: sha256 ${before.sha256} from ${before.url}`, `now:  sha256 ${disk.sha256}`],
      hint: "If the change is meant, take it with --allow-changed.",
    },
  );
}

interface Fetch {
  readonly kind: Origin["kind"];
  readonly file: RemoteFile;
  readonly downloaded: Downloaded;
}

async function remember(
  { name, version, arch, remote, release }: RemotePackage | RemoteImage,
  { kind, file, downloaded }: Fetch,
  { layout }: PullOptions,
  context: Context,
): Promise<void> {
  const { size, sha256 } = downloaded;
  const fetched = context.now().toISOString();
  await writeOrigin(layout, { kind, name, version, arch, remote, url: file.url, release, size, sha256, fetched });
}

function tell(
  { name, version, remote, release }: RemotePackage | RemoteImage,
  { kind, downloaded, fetched }: Pick<Pulled, "kind" | "fetched"> & { readonly downloaded: Downloaded },
  { reporter }: Context,
): Pulled {
  const { size, transferred } = downloaded;
  const what = version === undefined ? name : `${name} ${version}`;
  const from = release === undefined ? remote : `${remote}, release ${release}`;
  const text = fetched ? `Pulled ${what} (${formatSize(size)}) from ${from}` : `${what} is what the store has already`;
  reporter.report({ kind: "step", text });
  return { kind, name, version: version ?? null, remote, release: release ?? null, size, transferred, fetched };
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
