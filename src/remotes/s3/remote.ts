import { quoted } from "../../project/text-file.ts";
import type { Context } from "../../support/context.ts";
import { fetchImageIndexes, fetchManifests } from "../listing/details.ts";
import { parseEndpoint } from "../listing/endpoint.ts";
import { FewReports } from "../listing/few-reports.ts";
import { remoteImage, remotePackage } from "../listing/items.ts";
import { type ImageFiles, pairPackages, pickImages, type Wanted } from "../listing/offers.ts";
import type { Remote, RemoteQuery } from "../remote.ts";
import { type BucketFiles, PACKAGES, sortKeys } from "./keys.ts";
import { listBucket } from "./list-bucket.ts";

export interface S3RemoteOptions {
  readonly name: string;
  /** Of the bucket, with or without a slash at its end; of any server that lists its objects as S3 does. */
  readonly url: string;
  readonly cacheFolder: string;
}

/**
 * A bucket in the layout of the original Capstan; everything sorted by name. Errors: CapstanError `bad-remote-address`; of queries
 * those of fetchDocument and `remote-bad-listing`.
 */
export function s3Remote({ name, url, cacheFolder }: S3RemoteOptions): Remote {
  const endpoint = parseEndpoint(url, name);
  const source = { remote: name, cacheFolder };
  const origin = { remote: name, release: undefined };

  /** `pick` takes what is wanted out of the files that are below `prefix`. */
  async function list<T>(
    query: RemoteQuery,
    { prefix, pick }: { prefix: string | undefined; pick: (files: BucketFiles, wanted: Wanted) => readonly T[] },
    context: Context,
  ): Promise<readonly T[]> {
    if (query.names?.length === 0) return [];
    const skipped = new FewReports(context.reporter, "detail");
    const skip = (problem: string) => skipped.add(`The remote ${quoted(name)}: ${problem}`);
    const objects = await listBucket({ endpoint, remote: name, prefix }, context);
    const names = query.names === undefined ? undefined : new Set(query.names);
    const found = pick(sortKeys(objects, endpoint, skip), { names, arch: query.arch, skip });
    skipped.end();
    return found;
  }

  return {
    name,
    kind: "s3",
    address: endpoint.address,
    async packages(query, context) {
      const prefix = query.names?.length === 1 ? `${PACKAGES}/${query.names[0]}.` : `${PACKAGES}/`;
      const pairs = await list(
        query,
        { prefix, pick: ({ packages }, wanted) => pairPackages(packages, wanted) },
        context,
      );
      const wanted = query.details
        ? pairs.map((pair) => ({ name: pair.name, release: undefined, listed: pair.manifest }))
        : [];
      const manifests = await fetchManifests(wanted, source, context);
      return pairs.map((pair) => remotePackage(pair, manifests.get(pair.manifest.file.url), origin));
    },
    async images(query, context) {
      const prefix = query.names?.length === 1 ? `${query.names[0]}/` : undefined;
      const images = await list(query, { prefix, pick: pickFolders }, context);
      const wanted = images.flatMap(({ name: image, index }) =>
        query.details && index !== undefined ? [{ name: image, release: undefined, listed: index }] : [],
      );
      const indexes = await fetchImageIndexes(wanted, source, context);
      return images.map((image) => remoteImage(image, indexes.get(image.index?.file.url ?? ""), origin));
    },
  };
}

/** A folder is an image when it has a disk of its own name; other disks in it are none. */
function pickFolders({ images }: BucketFiles, { names, arch, skip }: Wanted): readonly ImageFiles[] {
  return [...images].flatMap(([folder, files]) => {
    if (names !== undefined && !names.has(folder)) return [];
    const base = folder.split("/").at(-1) ?? folder;
    return pickImages(files, { names: new Set([base]), arch, skip }).map((image) => ({ ...image, name: folder }));
  });
}
