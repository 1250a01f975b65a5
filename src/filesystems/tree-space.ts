import { CapstanError } from "../support/errors.ts";
import { type FileSpace, type FoundFile, notAFile, type OpenFile } from "./file-space.ts";
import type { Content, FileEntry, FileTree } from "./filetree.ts";
import { openHostFile } from "./host-space.ts";
import { quotePath, sortByBytes } from "./names.ts";
import { locate, type WalkedEntry } from "./tree-walk.ts";

/** Where the bytes of the file at a path lie, which is free of links. */
export type ContentOf = (path: string, file: FileEntry) => Content;

/** The tree of an image as a program in it sees it. `name` is for messages; `contentOf`: where bytes lie by now. */
export function treeSpace(tree: FileTree, name: string, contentOf: ContentOf = (_, { content }) => content): FileSpace {
  return {
    name,
    find: (path) => {
      const located = locate(tree, path);
      return located && found(located, contentOf);
    },
    list: (path) => {
      const entry = locate(tree, path)?.entry;
      return entry?.type === "directory" ? sortByBytes(entry.children.keys()) : undefined;
    },
    readLink: (path) => {
      const entry = locate(tree, path, { follow: false })?.entry;
      return entry?.type === "symlink" ? entry.target : undefined;
    },
  };
}

function found({ path: realPath, entry }: WalkedEntry, contentOf: ContentOf): FoundFile {
  return {
    type: entry.type === "symlink" ? "other" : entry.type,
    realPath,
    size: entry.type === "file" ? entry.size : 0,
    mode: entry.mode,
    mtime: entry.mtime,
    hostPath: entry.type === "file" && entry.content.kind === "host" ? entry.content.path : undefined,
    open: () => {
      if (entry.type !== "file") throw notAFile(realPath);
      return openContent(realPath, { size: entry.size, content: contentOf(realPath, entry) });
    },
  };
}

/** The bytes of a file, at any place. Error: CapstanError `content-streamed` for those within a packed archive. */
export function openContent(path: string, { size, content }: Pick<FileEntry, "size" | "content">): OpenFile {
  switch (content.kind) {
    case "host":
      return openHostFile(content.path);
    case "bytes":
      return {
        size,
        read: (target, offset) => target.set(content.bytes.subarray(offset, offset + target.length)),
        close: () => {},
      };
    case "device":
      return {
        size,
        read: (target, offset) => content.device.read(target, content.offset + offset),
        close: () => {},
      };
    default:
      throw new CapstanError(`${quotePath(path)} lies in the packed archive ${content.stream.name}`, {
        code: "content-streamed",
        hint: "Compose the image, and look into that.",
      });
  }
}
