import { quoted } from "../../project/text-file.ts";
import { parseImageName } from "../../store/names.ts";
import { type Endpoint, urlBelow } from "../listing/endpoint.ts";
import { INDEX_NAME, parseFileName } from "../listing/file-names.ts";
import type { ListedFile } from "../listing/offers.ts";
import type { BucketObject } from "./list-xml.ts";

/**
 * The files of a bucket by where they lie: `packages/NAME.{mpm,yaml}`, `[NS/]IMAGE/index.yaml`, `[NS/]IMAGE/IMAGE.qemu[.gz]`.
 * Everything else, such as programs, is passed over; `skip` is told of keys that could be meant to lead somewhere else.
 */
export interface BucketFiles {
  readonly packages: readonly ListedFile[];
  /** By `[NS/]IMAGE`, sorted. */
  readonly images: ReadonlyMap<string, readonly ListedFile[]>;
}

export function sortKeys(
  objects: readonly BucketObject[],
  endpoint: Endpoint,
  skip: (problem: string) => void,
): BucketFiles {
  const packages: ListedFile[] = [];
  const images = new Map<string, ListedFile[]>();
  for (const object of [...objects].sort((a, b) => (a.key < b.key ? -1 : 1))) {
    const segments = object.key.split("/");
    const name = segments.pop() ?? "";
    if ([...segments, name].some(leadsElsewhere) || segments.includes("")) {
      skip(`The key ${quoted(object.key)} is passed over: it is not a path below the bucket`);
      continue;
    }
    const [first, ...more] = segments;
    if (first === PACKAGES && more.length === 0) packages.push(listedFile(object, name, endpoint));
    if (first === undefined || first === PACKAGES || more.length > 1) continue;
    if (name !== INDEX_NAME && !isBootFile(name)) continue;
    const folder = segments.join("/");
    if (parseImageName(folder) === undefined) {
      skip(`The key ${quoted(object.key)} is passed over: ${quoted(folder)} cannot name an image`);
      continue;
    }
    const files = images.get(folder);
    if (files === undefined) images.set(folder, [listedFile(object, name, endpoint)]);
    else files.push(listedFile(object, name, endpoint));
  }
  return { packages, images };
}

export const PACKAGES = "packages";

function leadsElsewhere(segment: string): boolean {
  return segment === "." || segment === ".." || /\p{Cc}|\\/u.test(segment);
}

function isBootFile(name: string): boolean {
  const kind = parseFileName(name)?.kind;
  return kind === "disk" || kind === "kernel";
}

function listedFile({ key, size, state }: BucketObject, name: string, endpoint: Endpoint): ListedFile {
  const { headers } = endpoint;
  const url = urlBelow(endpoint, key.split("/"));
  const file = { url, size, sha256: undefined, gzip: false };
  return { name, state, file: Object.keys(headers).length === 0 ? file : { ...file, headers } };
}
