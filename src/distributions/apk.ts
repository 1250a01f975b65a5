import { gunzipSync } from "node:zlib";
import type { FileSpace } from "../filesystems/file-space.ts";
import type { Distribution, PackageOfFile } from "./distribution.ts";
import { recordedNames } from "./paths.ts";
import { fieldsOf, isShort, MOST_PATHS, partsOf, readBytes, readText } from "./records.ts";

const RECORDS = ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];
const INDEX_FOLDERS = ["/var/cache/apk", "/etc/apk/cache"];
const LARGEST_INDEX = 128 << 20;

/**
 * Alpine's packages. Source: apk-package(5) and the Alpine wiki, "Apk spec": a paragraph a package, with P: name, V: version,
 * p: what it provides ("so:libssl.so.3=3 cmd:openssl=3.1"), and F: a directory, before the R: names of files in it.
 */
export function openApk(space: FileSpace): Distribution | undefined {
  const text = RECORDS.map((path) => readText(space, path)).find((found) => found !== undefined);
  if (text === undefined) return undefined;
  const { owners, provided } = readInstalled(text);
  return {
    manager: "apk",
    ownerOf: (path) => {
      const found = recordedNames(space, path).find((name) => owners.has(name));
      return found === undefined ? undefined : owners.get(found);
    },
    providerOf: (fileName) =>
      provided.get(`so:${fileName}`) ?? provided.get(`cmd:${fileName}`) ?? inIndexes(space, fileName),
    installCommand: (packageName) => `apk add ${packageName}`,
  };
}

function readInstalled(text: string): {
  readonly owners: ReadonlyMap<string, PackageOfFile>;
  readonly provided: ReadonlyMap<string, string>;
} {
  const owners = new Map<string, PackageOfFile>();
  const provided = new Map<string, string>();
  for (const paragraph of partsOf(text, "\n\n")) {
    let [name, version, folder]: (string | undefined)[] = [];
    for (const line of partsOf(paragraph, "\n")) {
      if (owners.size + provided.size >= MOST_PATHS) return { owners, provided };
      const value = line.slice(2);
      if (/^[PV]:/.test(line) && !isShort(value)) continue;
      if (line.startsWith("P:")) name = value;
      else if (line.startsWith("V:")) version = value;
      else if (line.startsWith("F:")) folder = value;
      else if (name === undefined) continue;
      else if (line.startsWith("R:")) owners.set(folder ? `/${folder}/${value}` : `/${value}`, { name, version });
      else if (line.startsWith("p:"))
        for (const word of value.split(" ")) provided.set(word.split("=", 1)[0] ?? "", name);
    }
  }
  return { owners, provided };
}

/** APKINDEX.*.tar.gz: paragraphs as above in a small archive, which is text enough to be searched as it is. */
function inIndexes(space: FileSpace, fileName: string): string | undefined {
  for (const folder of INDEX_FOLDERS) {
    for (const name of space.list(folder) ?? []) {
      if (!/^APKINDEX.*\.tar\.gz$/.test(name)) continue;
      const packed = readBytes(space, `${folder}/${name}`);
      const text = packed === undefined ? undefined : unpack(packed);
      const found = text === undefined ? undefined : inIndex(text, fileName);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function inIndex(text: Buffer, fileName: string): string | undefined {
  const needle = `so:${fileName}=`;
  for (let at = text.indexOf(needle); at !== -1; at = text.indexOf(needle, at + 1)) {
    const line = text.lastIndexOf(0x0a, at) + 1;
    if (text.toString("latin1", line, line + 2) !== "p:") continue;
    const start = text.lastIndexOf("\nP:", line);
    if (start !== -1) return fieldsOf(text.subarray(start + 1), "P:").next().value ?? undefined;
  }
  return undefined;
}

function unpack(packed: Buffer): Buffer | undefined {
  try {
    return gunzipSync(packed, { maxOutputLength: LARGEST_INDEX });
  } catch {
    return undefined;
  }
}
