import { quoted } from "../../project/text-file.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { type Endpoint, parseEndpoint, urlBelow } from "../listing/endpoint.ts";
import type { RemoteFile } from "../remote.ts";
import type { Asset } from "./release-json.ts";

/** A repository at a server that speaks GitHub's REST API. */
export interface Repository {
  readonly endpoint: Endpoint;
  /** OWNER/REPOSITORY. */
  readonly name: string;
  readonly token: string | undefined;
}

export const DEFAULT_API_URL = "https://api.github.com";
export const DEFAULT_REPOSITORY = "cloudius-systems/osv";

/** Errors: CapstanError `bad-remote-address`, `bad-remote-repository`. */
export function openRepository(options: {
  /** Of the remote, for messages. */
  readonly remote: string;
  readonly apiUrl: string;
  readonly repository: string;
  readonly token: string | undefined;
}): Repository {
  const { remote, apiUrl, repository, token } = options;
  const [owner = "", name = "", ...rest] = repository.split("/");
  if (rest.length > 0 || ![owner, name].every((part) => /^(?!\.\.?$)[A-Za-z0-9_.-]{1,100}$/.test(part))) {
    throw new CapstanError(`The repository of the remote ${quoted(remote)} is ${quoted(repository)}`, {
      code: "bad-remote-repository",
      hint: `Write OWNER/REPOSITORY, such as ${DEFAULT_REPOSITORY}.`,
      exitCode: ExitCode.usage,
    });
  }
  return { endpoint: parseEndpoint(apiUrl, remote), name: repository, token };
}

export function repositoryUrl(
  { endpoint, name }: Repository,
  path: readonly string[],
  query?: URLSearchParams,
): string {
  return urlBelow(endpoint, ["repos", ...name.split("/"), ...path], query);
}

/** For requests to the API. */
export function apiHeaders({ endpoint, token }: Repository): Readonly<Record<string, string>> {
  return {
    ...endpoint.headers,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    accept: "application/vnd.github+json",
    "x-github-api-version": "2022-11-28",
  };
}

/** Whether downloads need the token: those of repositories that are not public, and all of a server that may be closed to guests. */
export function needsTokenAlways({ endpoint }: Repository): boolean {
  return endpoint.url.href !== `${DEFAULT_API_URL}/`;
}

/**
 * Where an asset is fetched from. The address for browsers costs nothing of the rate limit, but takes no token; with a token
 * (`authorized`) it is the one in the API. The token goes to no other host than the API's. Undefined where no address will do.
 */
export function assetFile(asset: Asset, repository: Repository, authorized: boolean): RemoteFile | undefined {
  const { origin, protocol } = repository.endpoint.url;
  const common = { size: asset.size, sha256: asset.sha256, gzip: false };
  const isOwn = (url: string) => new URL(url).origin === origin;
  const headers = { ...apiHeaders(repository), accept: "application/octet-stream" };
  if (authorized && asset.apiUrl !== undefined && isOwn(asset.apiUrl)) return { ...common, url: asset.apiUrl, headers };
  const url = asset.browserUrl ?? asset.apiUrl;
  // What was asked for with TLS is not fetched without.
  if (url === undefined || (protocol === "https:" && !url.startsWith("https:"))) return undefined;
  if (isOwn(url)) return { ...common, url, headers };
  return { ...common, url };
}
