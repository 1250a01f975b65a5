import type { ElfFile } from "../elf/elf-file.ts";
import { type FileSpace, readWhole } from "../filesystems/file-space.ts";
import { MiB } from "../support/bytes.ts";
import { CapstanError } from "../support/errors.ts";
import { glibcRules } from "./glibc.ts";
import { interpreterFacts, interpreterPath } from "./interpreters.ts";
import { type CacheEntry, indexCache, parseLdCache } from "./ld-cache.ts";
import { readLdConf } from "./ld-conf.ts";
import type { LinkerOptions } from "./linker.ts";
import { machineFacts } from "./machines.ts";
import { muslRules } from "./musl.ts";
import { osvRules } from "./osv.ts";
import { joinPath, type SearchRules } from "./search.ts";

/** Finds the rules for a program, by its interpreter and machine; made once for all programs that have the same ones. */
export function rulesFinder(options: LinkerOptions): (elf: ElfFile) => SearchRules {
  if (options.rules === "osv") {
    const rules = osvRules();
    return () => rules;
  }
  const known = new Map<string, SearchRules>();
  return (elf) => {
    const interpreter = interpreterPath(elf, options.space);
    const key = JSON.stringify([interpreter, elf.machine, elf.bits, elf.byteOrder]);
    const rules = known.get(key) ?? systemRules(elf, options);
    known.set(key, rules);
    return rules;
  };
}

function systemRules(elf: ElfFile, { space, libraryPath = [], hwcaps = [] }: LinkerOptions): SearchRules {
  const { libc, defaultDirectories, cache, lib } = interpreterFacts(elf, space);
  if (libc === "musl") return muslRules({ libraryPath, defaultDirectories });
  const tokens = { LIB: lib, PLATFORM: machineFacts(elf).platform };
  const cached = cacheLookup(elf, { space, cache: cache ?? "", hwcaps });
  return glibcRules({ libraryPath, defaultDirectories, cached, hwcaps, tokens });
}

interface CacheSource {
  readonly space: FileSpace;
  readonly cache: string;
  readonly hwcaps: readonly string[];
}

/**
 * Without a cache, as in a root that was only unpacked: the directories of ld.so.conf, which ldconfig would put into one.
 * glibc itself would not look there; but a program that was never started in that root is not to lack a library for it.
 */
function cacheLookup(elf: ElfFile, { space, cache, hwcaps }: CacheSource): (name: string) => readonly string[] {
  const entries = readCache(space, cache, elf.byteOrder);
  if (entries !== undefined) {
    const index = indexCache(entries, machineFacts(elf), hwcaps);
    return (name) => {
      const path = index.get(name);
      return path === undefined ? [] : [path];
    };
  }
  const directories = readLdConf(space);
  return (name) => directories.map((directory) => joinPath(directory, name));
}

/** 100 KiB on a large machine. */
const MAX_CACHE = 64 * MiB;

function readCache(space: FileSpace, path: string, byteOrder: "little" | "big"): readonly CacheEntry[] | undefined {
  try {
    const file = space.find(path);
    return file?.type === "file" ? parseLdCache(readWhole(file, MAX_CACHE), byteOrder) : undefined;
  } catch (error) {
    if (error instanceof CapstanError) return undefined;
    throw error;
  }
}
