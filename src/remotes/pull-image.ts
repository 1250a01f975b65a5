import { importImage } from "../store/import-image.ts";
import { imagePaths, type Layout } from "../store/layout.ts";
import { imageKernel } from "../store/loaders.ts";
import { checkImageName } from "../store/names.ts";
import { type Origin, readOrigin, storedState } from "../store/origins.ts";
import type { Context } from "../support/context.ts";
import { chooseImage } from "./choose.ts";
import { checkUnchanged, type Fetched, fetchFile, type Pulled, type PullOptions, remember, tell } from "./pull-file.ts";
import type { RemoteImage } from "./remote.ts";

/**
 * Fetches an image, such as a loader with its kernel; not again what the store has, where the remote's digest tells.
 * Errors: as of pullPackages, and those of importImage.
 */
export async function pullImage(name: string, options: PullOptions, context: Context): Promise<Pulled> {
  const image = await chooseImage(name, options, context);
  const { layout } = options;
  const before = options.force === true ? undefined : findSameImage(image, layout);
  if (before !== undefined) {
    const downloaded = { size: before.size, sha256: before.sha256, transferred: 0 };
    return tell(image, { kind: "image", downloaded, fetched: false }, context);
  }
  const disk = await fetchFile(image.disk, { what: image.name, options }, context);
  let kernel: Fetched | undefined;
  try {
    checkUnchanged(image, "image", { disk: disk.downloaded, options });
    // The ZFS builder is a kernel and nothing else.
    if (image.kernel !== undefined && image.kernel.url !== image.disk.url) {
      kernel = await fetchFile(image.kernel, { what: `the kernel of ${image.name}`, options }, context);
    }
    const { version, created, description, platform } = image;
    const meta = { version, created, description, platform };
    const { path } = await importImage(
      layout,
      { name, file: disk.path, kernel: kernel?.path, meta, move: true },
      context,
    );
    const fetch = { kind: "image", file: image.disk, downloaded: disk.downloaded, stored: storedState(path) } as const;
    await remember(image, fetch, options, context);
  } finally {
    disk.forget();
    kernel?.forget();
  }
  return tell(image, { kind: "image", downloaded: disk.downloaded, fetched: true }, context);
}

/** The record of an image that is in the store as it came: it may have been written to since, or replaced. */
function findSameImage(image: RemoteImage, layout: Layout): Origin | undefined {
  const before = readOrigin(layout, { kind: "image", ...image });
  if (before?.stored === undefined || image.disk.sha256 === undefined) return undefined;
  const { image: path } = imagePaths(layout, checkImageName(image.name));
  if (before.sha256 !== image.disk.sha256.toLowerCase() || before.stored !== storedState(path)) return undefined;
  const hasKernel = image.kernel === undefined || image.kernel.url === image.disk.url;
  return hasKernel || imageKernel(layout, image.name) !== undefined ? before : undefined;
}
