import type { Context } from "../../support/context.ts";
import type { Remote, RemoteFile, RemoteImage, RemotePackage, RemoteQuery } from "../remote.ts";
import { loadIndex } from "./load.ts";
import { addressOf, type Location, parseLocation } from "./location.ts";
import { newestFirst } from "./order.ts";
import type { IndexedFile, IndexedImage, IndexedPackage, RepositoryIndex } from "./schema.ts";
import { parsePublicKey } from "./signature.ts";

export interface IndexRemoteOptions {
  readonly name: string;
  /** http:, https: or file:, or the absolute path of a folder. */
  readonly url: string;
  /** Public keys, `ed25519:…`: with any, the index has to be signed with one of them. */
  readonly keys: readonly string[];
  /** For answers of servers, and for what was seen of signed indexes. */
  readonly cacheFolder: string;
}

/**
 * A static folder, here or on a web server, with an index.json; one that is here may be without.
 * All is known with one request, however much is asked for. Errors: CapstanError `bad-remote-address`, `bad-key`.
 */
export function indexRemote(options: IndexRemoteOptions): Remote {
  const location = parseLocation(options.url);
  const keys = options.keys.map(parsePublicKey);
  let loading: Promise<RepositoryIndex> | undefined;
  const load = (context: Context): Promise<RepositoryIndex> => {
    loading ??= loadIndex(location, { keys, cacheFolder: options.cacheFolder }, context).catch((error: unknown) => {
      // So that the next one who asks tries again.
      loading = undefined;
      throw error;
    });
    return loading;
  };
  const { name } = options;
  return {
    name,
    kind: "index",
    address: location.address,
    async packages(query, context) {
      const { packages } = await load(context);
      return wanted(packages, query).map((item) => packageOf(item, name, location));
    },
    async images(query, context) {
      const { images } = await load(context);
      return wanted(images, query).map((item) => imageOf(item, name, location));
    },
  };
}

function wanted<T extends IndexedPackage | IndexedImage>(items: readonly T[], query: RemoteQuery): readonly T[] {
  const names = query.names === undefined ? undefined : new Set(query.names);
  return items
    .filter((item) => names?.has(item.name) !== false && (item.arch === undefined || item.arch === query.arch))
    .sort(newestFirst);
}

function packageOf(item: IndexedPackage, remote: string, location: Location): RemotePackage {
  const { name, version, arch, created, platform, title, require } = item;
  const files = { manifest: fileOf(item.manifest, location), archive: fileOf(item.archive, location) };
  return { name, remote, release: undefined, version, arch, created, platform, title, require, ...files };
}

function imageOf(item: IndexedImage, remote: string, location: Location): RemoteImage {
  const { name, version, arch, created, platform, description, kernel, index } = item;
  const files = {
    disk: fileOf(item.disk, location),
    kernel: kernel && fileOf(kernel, location),
    index: index && fileOf(index, location),
  };
  return { name, remote, release: undefined, version, arch, created, platform, description, ...files };
}

function fileOf({ path, size, sha256, gzip }: IndexedFile, location: Location): RemoteFile {
  const headers = location.kind === "web" ? location.headers : undefined;
  return { url: addressOf(location, path), size, sha256, gzip, headers };
}
