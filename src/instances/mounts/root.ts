import { openImage } from "../../disks/image.ts";
import { contentOf } from "../volumes/content.ts";

/**
 * Looking for its root, OSv takes a shared folder before a ZFS (loader.cc: rofs, virtiofs, ext, zfs): with shared folders it
 * has to be told. `disk`: the image, or the instance's disk.
 */
export function rootOptions(disk: string): readonly string[] {
  const image = openImage(disk);
  try {
    const { rootPartition } = image;
    const content = rootPartition === undefined ? undefined : contentOf(rootPartition);
    return content === "zfs" || content === "ext" ? [`--rootfs=${content}`] : [];
  } finally {
    image.close();
  }
}
