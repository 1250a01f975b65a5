import { existsSync, readdirSync } from "node:fs";

import { isElf } from "../../src/elf/reader.ts";
import { type FoundFile, withOpenFile } from "../../src/filesystems/file-space.ts";
import { hostSpace } from "../../src/filesystems/host-space.ts";
import { CapstanError } from "../../src/support/errors.ts";

const space = hostSpace();

/** The ELF files of folders of this machine that may be read, each once, however many names it has. */
export function elfFiles(folders: readonly string[], fits: (name: string) => boolean = () => true): FoundFile[] {
  const files = new Map<string, FoundFile>();
  for (const folder of folders.filter((path) => existsSync(path))) {
    for (const name of readdirSync(folder).filter(fits)) {
      const file = space.find(`${folder}/${name}`);
      if (file?.type === "file" && !files.has(file.realPath) && isReadableElf(file)) files.set(file.realPath, file);
    }
  }
  return [...files.values()];
}

function isReadableElf(file: FoundFile): boolean {
  try {
    return withOpenFile(file, isElf);
  } catch (error) {
    if (error instanceof CapstanError) return false;
    throw error;
  }
}
