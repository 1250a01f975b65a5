import { createHash } from "node:crypto";
import { linkSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { VersionRange } from "../project/versions.ts";
import type { Layout } from "../store/layout.ts";
import { type Origin, readOrigin, writeOrigin } from "../store/origins.ts";
import { temporaryBeside } from "../support/atomic.ts";
import { formatSize } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, doing, isErrno } from "../support/errors.ts";
import { type Downloaded, download } from "./download.ts";
import type { Observer } from "./download-part.ts";
import { sweepDownloads } from "./download-sweep.ts";
import type { Remote, RemoteFile, RemoteImage, RemotePackage } from "./remote.ts";

export interface PullOptions {
  readonly remotes: readonly Remote[];
  readonly layout: Layout;
  readonly arch: string;
  /** Takes another content under a name and version that was fetched before. */
  readonly allowChanged: boolean;
  /** Fetches what the store has as well. */
  readonly force?: boolean | undefined;
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

export interface Fetching {
  readonly what: string;
  readonly options: PullOptions;
  readonly observer?: Observer;
}

export interface Fetched {
  /** For this process alone. */
  readonly path: string;
  readonly downloaded: Downloaded;
  /** To be called in the end, whatever became of it. */
  forget(): void;
}

/** Fetches a file to a place of its own; several processes that fetch the same share what comes. */
export async function fetchFile(
  file: RemoteFile,
  { what, options, observer }: Fetching,
  context: Context,
): Promise<Fetched> {
  const { downloads } = options.layout;
  doing(`Preparing ${downloads}`, () => {
    mkdirSync(downloads, { recursive: true });
    sweepDownloads(downloads, context.now());
  });
  const name = createHash("sha256")
    .update(`${file.url}\0${file.sha256 ?? ""}`)
    .digest("hex")
    .slice(0, 32);
  const shared = join(downloads, name);
  for (;;) {
    const downloaded = await download({ file, path: shared, what, observer }, context);
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
export function checkUnchanged(
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

export interface Fetch {
  readonly kind: Origin["kind"];
  readonly file: RemoteFile;
  readonly downloaded: Downloaded;
  readonly stored?: string | undefined;
}

/** Notes where it came from, for later fetches and lock files. */
export async function remember(
  { name, version, arch, remote, release }: RemotePackage | RemoteImage,
  { kind, file, downloaded, stored }: Fetch,
  { layout }: PullOptions,
  context: Context,
): Promise<void> {
  const { size, sha256 } = downloaded;
  const fetched = context.now().toISOString();
  await writeOrigin(layout, {
    kind,
    name,
    version,
    arch,
    remote,
    url: file.url,
    release,
    size,
    sha256,
    fetched,
    stored,
  });
}

export function tell(
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
