import { type OpenImage, openImage } from "../disks/image.ts";
import type { Content, ContentStream, FileEntry, FileTree } from "../filesystems/filetree.ts";
import { locate } from "../filesystems/tree-walk.ts";
import type { WrittenFile } from "./record.ts";
import { type ImageView, openView } from "./view.ts";

/**
 * Where the contents of a tree can be read at any place, once it has been written to an image: files of this machine where
 * they lie, parts of packed archives in the image. It is opened when the first of those is asked for, and its own tables
 * are read only for what does not lie in it in one piece.
 */
export class WrittenContents {
  readonly #path: string;
  readonly #places: ReadonlyMap<ContentStream, ReadonlyMap<number, WrittenFile>>;
  #image: OpenImage | undefined;
  #view: ImageView | undefined;
  #tree: FileTree | undefined;

  constructor(path: string, written: readonly WrittenFile[]) {
    this.#path = path;
    this.#places = placesOf(written);
  }

  /** The content of the file at `path` of the tree, which is free of links. */
  contentOf(path: string, { content, size }: FileEntry): Content {
    if (content.kind !== "extent") return content;
    const known = this.#places.get(content.stream)?.get(content.offset);
    if (known?.file.size === size) {
      this.#image ??= openImage(this.#path, { backing: "refuse" });
      const device = this.#image.rootPartition;
      if (device !== undefined) return { kind: "device", device, offset: known.place };
    }
    const entry = locate(this.#readTree(), path, { follow: false })?.entry;
    return entry?.type === "file" && entry.size === size ? entry.content : content;
  }

  close(): void {
    this.#image?.close();
    this.#view?.close();
  }

  #readTree(): FileTree {
    this.#view ??= openView(this.#path);
    this.#tree ??= this.#view.root().tree;
    return this.#tree;
  }
}

function placesOf(written: readonly WrittenFile[]): ReadonlyMap<ContentStream, ReadonlyMap<number, WrittenFile>> {
  const places = new Map<ContentStream, Map<number, WrittenFile>>();
  for (const one of written) {
    const { content, size } = one.file;
    if (content.kind !== "extent" || size === 0) continue;
    const known = places.get(content.stream);
    if (known === undefined) places.set(content.stream, new Map([[content.offset, one]]));
    else known.set(content.offset, one);
  }
  return places;
}
