import type { FileSpace, FoundFile } from "../filesystems/file-space.ts";
import { isInLibraryDirectory, libraryPackageNames } from "./library-packages.ts";
import { unpackLz4 } from "./lz4.ts";
import { fieldsOf, forgiving, readBytes, readPieces, wholeLines } from "./records.ts";

/** What apt keeps of its servers, without asking it or them. */
export interface AptLists {
  /** The package that would bring a file of this name: by apt-file's lists where they are, or else by the names of packages. */
  providerOf(fileName: string): string | undefined;
}

const FOLDER = "/var/lib/apt/lists";
const LARGEST_PACKED = 256 << 20;

export function openAptLists(space: FileSpace): AptLists {
  let names: ReadonlySet<string> | undefined;
  return {
    providerOf: (fileName) => {
      const listed = findInContents(space, fileName);
      if (listed !== undefined) return listed;
      const candidates = libraryPackageNames(fileName);
      if (candidates.length === 0) return undefined;
      names ??= packageNames(space);
      return candidates.find((name) => names?.has(name));
    },
  };
}

function packageNames(space: FileSpace): ReadonlySet<string> {
  const names = new Set<string>();
  for (const file of listsOf(space, /_Packages(?:\.lz4)?$/)) {
    for (const lines of linesOf(space, file)) {
      for (const name of fieldsOf(lines, "Package: ")) names.add(name);
    }
  }
  return names;
}

/** Contents-amd64: "usr/lib/x86_64-linux-gnu/libssl.so.3   libs/libssl3,devel/other" (Debian's wiki, RepositoryFormat). */
function findInContents(space: FileSpace, fileName: string): string | undefined {
  const needle = `/${fileName} `;
  for (const file of listsOf(space, /_Contents-[^/]*?(?:\.lz4)?$/)) {
    for (const lines of linesOf(space, file)) {
      for (let at = lines.indexOf(needle); at !== -1; at = lines.indexOf(needle, at + 1)) {
        const end = lines.indexOf(0x0a, at);
        const path = lines.toString("utf8", lines.lastIndexOf(0x0a, at) + 1, at + needle.length - 1);
        const [first = ""] = lines
          .toString("utf8", at + needle.length, end)
          .trim()
          .split(",");
        const name = first.slice(first.lastIndexOf("/") + 1);
        if (isInLibraryDirectory(path) && name !== "") return name;
      }
    }
  }
  return undefined;
}

interface ListFile {
  readonly path: string;
  readonly file: FoundFile;
}

function listsOf(space: FileSpace, pattern: RegExp): readonly ListFile[] {
  return (space.list(FOLDER) ?? []).flatMap((name) => {
    const path = `${FOLDER}/${name}`;
    const file = pattern.test(name) ? space.find(path) : undefined;
    return file?.type === "file" ? [{ path, file }] : [];
  });
}

function* linesOf(space: FileSpace, { path, file }: ListFile): Generator<Buffer, void, undefined> {
  if (!path.endsWith(".lz4")) {
    yield* wholeLines(readPieces(file));
    return;
  }
  const packed = readBytes(space, path, LARGEST_PACKED);
  if (packed === undefined) return;
  const lines = wholeLines(unpackLz4(packed));
  for (let next = forgiving(() => lines.next()); next?.done === false; next = forgiving(() => lines.next())) {
    yield next.value;
  }
}
