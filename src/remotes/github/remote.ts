import { quoted } from "../../project/text-file.ts";
import type { Context } from "../../support/context.ts";
import { isRecord } from "../../support/records.ts";
import { fetchCached } from "../http.ts";
import { fetchImageIndexes, fetchManifests } from "../listing/details.ts";
import { FewReports } from "../listing/few-reports.ts";
import { remoteImage, remotePackage } from "../listing/items.ts";
import { type ListedFile, pairPackages, pickImages, type Wanted } from "../listing/offers.ts";
import type { Remote, RemoteQuery } from "../remote.ts";
import type { Release } from "./release-json.ts";
import { readReleases } from "./releases.ts";
import {
  apiHeaders,
  assetFile,
  DEFAULT_API_URL,
  DEFAULT_REPOSITORY,
  needsTokenAlways,
  openRepository,
  type Repository,
  repositoryUrl,
} from "./repository.ts";

export interface GithubRemoteOptions {
  readonly name: string;
  /** Of GitHub's REST API, as GitHub Enterprise has it too. Default: https://api.github.com. */
  readonly apiUrl?: string | undefined;
  /** OWNER/REPOSITORY. Default: cloudius-systems/osv. */
  readonly repository?: string | undefined;
  /** "any" (all releases, the newest first), "latest", or the tag of one. */
  readonly releaseTag: string;
  /** Sent to the host of the API only. */
  readonly token?: string | undefined;
  readonly cacheFolder: string;
}

/**
 * The releases of a repository, as OSv publishes them: see `parseFileName` for the names of their assets.
 * Errors: CapstanError `bad-remote-address`, `bad-remote-repository`; of queries those of fetchDocument and `remote-bad-listing`.
 */
export function githubRemote(options: GithubRemoteOptions): Remote {
  const { name, apiUrl = DEFAULT_API_URL, repository: repositoryName = DEFAULT_REPOSITORY } = options;
  const token = options.token === "" ? undefined : options.token;
  const repository = openRepository({ remote: name, apiUrl, repository: repositoryName, token });
  const source = { remote: name, cacheFolder: options.cacheFolder };
  const walk = <T extends { readonly name: string }>(pick: Pick<T>, query: RemoteQuery, context: Context) =>
    walkReleases({ ...options, repository, pick, query }, context);
  return {
    name,
    kind: "github",
    address: `${repository.endpoint.address}repos/${repository.name}/releases`,
    async packages(query, context) {
      const pairs = await walk(pairPackages, query, context);
      const wanted = query.details
        ? pairs.map(({ item, release }) => ({ name: item.name, release, listed: item.manifest }))
        : [];
      const manifests = await fetchManifests(wanted, source, context);
      return pairs.map(({ item, release }) =>
        remotePackage(item, manifests.get(item.manifest.file.url), { remote: name, release }),
      );
    },
    async images(query, context) {
      const images = await walk(pickImages, query, context);
      const wanted = images.flatMap(({ item: { name: image, index }, release }) =>
        query.details && index !== undefined ? [{ name: image, release, listed: index }] : [],
      );
      const indexes = await fetchImageIndexes(wanted, source, context);
      return images.map(({ item, release }) =>
        remoteImage(item, indexes.get(item.index?.file.url ?? ""), { remote: name, release }),
      );
    },
  };
}

type Pick<T> = (files: readonly ListedFile[], wanted: Wanted) => readonly T[];

interface Walk<T> extends Omit<GithubRemoteOptions, "repository"> {
  readonly repository: Repository;
  readonly pick: Pick<T>;
  readonly query: RemoteQuery;
}

/** What the releases have, each item with the tag of its own; no further than to the first one that has all that is asked for. */
async function walkReleases<T extends { readonly name: string }>(
  { name, repository, releaseTag, cacheFolder, pick, query }: Walk<T>,
  context: Context,
): Promise<readonly { readonly item: T; readonly release: string }[]> {
  const skipped = new FewReports(context.reporter, "detail");
  const skip = (problem: string) => skipped.add(`The remote ${quoted(name)}: ${problem}`);
  const names = query.names === undefined ? undefined : new Set(query.names);
  if (names?.size === 0) return [];
  const found: { readonly item: T; readonly release: string }[] = [];
  const authorized = await isTokenNeeded(repository, cacheFolder, context);
  for await (const release of readReleases({ repository, releaseTag, remote: name, cacheFolder, skip }, context)) {
    const items = pick(listedFiles(release, { repository, authorized, skip }), { names, arch: query.arch, skip });
    found.push(...items.map((item) => ({ item, release: release.tag })));
    if (names !== undefined && query.everyRelease !== true && items.length === names.size) break;
  }
  skipped.end();
  return found;
}

/** Whether files must be fetched with the token. Asked for only when there is one, and of GitHub itself. */
async function isTokenNeeded(repository: Repository, cacheFolder: string, context: Context): Promise<boolean> {
  if (repository.token === undefined) return false;
  if (needsTokenAlways(repository)) return true;
  const what = `the repository ${repository.name}`;
  const url = repositoryUrl(repository, []);
  const { body } = await fetchCached({ url, headers: apiHeaders(repository), what, cacheFolder }, context);
  return isPrivate(body);
}

function isPrivate(body: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(body.toString("utf8"));
    return isRecord(value) && value.private === true;
  } catch {
    return false;
  }
}

interface Listing {
  readonly repository: Repository;
  readonly authorized: boolean;
  readonly skip: (problem: string) => void;
}

function listedFiles({ tag, assets }: Release, { repository, authorized, skip }: Listing): readonly ListedFile[] {
  return assets.flatMap((asset) => {
    const file = assetFile(asset, repository, authorized);
    if (file !== undefined) return [{ name: asset.name, file, state: asset.state }];
    skip(`The asset ${quoted(asset.name)} of the release ${quoted(tag)} is passed over: its address is not https:`);
    return [];
  });
}
