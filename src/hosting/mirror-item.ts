import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseManifest } from "../project/manifest.ts";
import { decodeText } from "../project/text-file.ts";
import { download } from "../remotes/download.ts";
import type { RepositoryIndex } from "../remotes/index/schema.ts";
import type { RemoteFile, RemoteImage, RemotePackage } from "../remotes/remote.ts";
import { formatImageIndex, readImageIndex } from "../store/image-index.ts";
import { checkImageName } from "../store/names.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, doing } from "../support/errors.ts";
import { type Add, stagePackage } from "./add-package.ts";
import type { Added } from "./add-to-repository.ts";
import { stageImage } from "./place-image.ts";
import { OWN_FOLDER } from "./repository.ts";

/** What a repository has already. */
export interface KnownItems {
  hasPackage(item: RemotePackage): boolean;
  hasImage(item: RemoteImage): boolean;
}

export function knownItems(index: RepositoryIndex): KnownItems {
  const key = ({ name, version, arch }: Pick<RemotePackage, "name" | "version" | "arch">) =>
    JSON.stringify([name, version ?? "", arch ?? ""]);
  const packages = new Map(index.packages.map((item) => [key(item), item.archive]));
  const images = new Map(index.images.map((item) => [key(item), item.disk]));
  return {
    hasPackage: (item) => isSame(item.archive, packages.get(key(item))),
    hasImage: (item) => isSame(item.disk, images.get(key(item))),
  };
}

type Digested = Pick<RemoteFile, "size" | "sha256">;

function isSame(there: Digested, here: Digested | undefined): boolean {
  if (here === undefined) return false;
  return there.sha256 === undefined ? there.size === here.size : there.sha256 === here.sha256;
}

/** The manifest beside the archive is the remote's own. */
export async function mirrorPackage(item: RemotePackage, add: Add, context: Context): Promise<Added> {
  const { name, arch } = item;
  const suffix = arch === undefined ? ".mpm" : `.mpm.${arch}`;
  return await stagePackage({ source: item.archive.url, suffix }, add, {
    context,
    async fill(incoming) {
      await fetchTo(item.archive, { path: incoming, what: `${name}.mpm`, add }, context);
      const path = `${incoming}.yaml`;
      try {
        await fetchTo(item.manifest, { path, what: `${name}.yaml`, add }, context);
        const text = decodeText(readFileSync(path), item.manifest.url);
        checkName(parseManifest(text, { name: item.manifest.url, foreign: true }).name, item);
        return text;
      } finally {
        rmSync(path, { force: true });
      }
    },
  });
}

/** Disk and kernel stay compressed as they came, so that their digests are those of the remote. */
export async function mirrorImage(item: RemoteImage, add: Add, context: Context): Promise<Added> {
  const { name, arch, version, created, description, platform } = item;
  const { base } = checkImageName(name);
  const fileName = (kind: string, file: RemoteFile) =>
    `${base}.${kind}${arch === undefined ? "" : `.${arch}`}${file.gzip ? ".gz" : ""}`;
  const disk = fileName("qemu", item.disk);
  const meta = { version, created, description, platform };
  return await stageImage({ name, meta, disk }, add, {
    context,
    async fill(stage) {
      await fetchTo(item.disk, { path: join(stage, disk), what: name, add }, context);
      if (item.kernel !== undefined) {
        const path = join(stage, fileName("elf", item.kernel));
        await fetchTo(item.kernel, { path, what: `the kernel of ${name}`, add }, context);
      }
      const index = join(stage, "index.yaml");
      if (item.index !== undefined)
        await fetchTo(item.index, { path: index, what: `the index of ${name}`, add }, context);
      // The remote may know a version that its index.yaml does not tell.
      if (item.index === undefined || readImageIndex(index).version !== version) {
        doing(`Writing ${index}`, () => writeFileSync(index, formatImageIndex(meta)));
      }
    },
  });
}

/** As it lies at the remote: what is compressed stays so. What broke off goes on where it was, the next time. */
async function fetchTo(
  file: RemoteFile,
  { path, what, add }: { readonly path: string; readonly what: string; readonly add: Add },
  context: Context,
): Promise<void> {
  const folder = join(add.repository.root, OWN_FOLDER, "downloads");
  doing(`Making ${folder}`, () => mkdirSync(folder, { recursive: true }));
  const name = createHash("sha256")
    .update(`${file.url}\0${file.sha256 ?? ""}`)
    .digest("hex")
    .slice(0, 32);
  await download({ file: { ...file, gzip: false }, path, part: join(folder, `${name}.part`), what }, context);
}

function checkName(name: string, item: RemotePackage): void {
  if (name === item.name) return;
  throw new CapstanError(`${item.manifest.url} is the manifest of ${name}, not of ${item.name}`, {
    code: "wrong-package",
    hint: "Tell those who run the remote.",
  });
}
