import { type OpenImage, openImage } from "../disks/image.ts";
import { isRofs, openRofs, type RofsImage } from "../filesystems/rofs/reader.ts";
import { CapstanError } from "../support/errors.ts";

/** An image opened for looking into it, with its root file system where that can be read. */
export interface ImageView {
  readonly path: string;
  readonly image: OpenImage;
  readonly filesystem: "rofs" | undefined;
  /** Reads the tables of the root file system; a CapstanError where there is none that can be read. */
  readonly root: () => RofsImage;
  close(): void;
}

export function openView(path: string): ImageView {
  // An image may come from a stranger: a base that it names could be any file of this machine.
  const image = openImage(path, { backing: "refuse" });
  const partition = image.rootPartition;
  const filesystem = partition !== undefined && isRofs(partition) ? "rofs" : undefined;
  return {
    path,
    image,
    filesystem,
    root: () => {
      if (partition !== undefined && filesystem === "rofs") return openRofs(partition);
      throw new CapstanError(`${path} has no root file system that can be read${reason(image)}`, {
        code: "no-root-filesystem",
        hint: "Only images with a ROFS root can be looked into; `capstan image inspect` tells what this one holds.",
      });
    },
    close: () => image.close(),
  };
}

function reason(image: OpenImage): string {
  return image.problems.length > 0 ? `: ${image.problems[0]}` : ": partition 2 holds no ROFS";
}
