import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { setFlagsFromString } from "node:v8";
import { constants, Script } from "node:vm";

/**
 * Before anything is loaded: V8 takes a cache only where its flags are those that it was made with.
 * A folder of 100,000 files makes as many short-lived objects. The young generation, left to grow, takes a third of the
 * memory that composing is to stay below, and saves no time; collecting so little with several threads costs some. Old
 * objects would be left until there are two to four times as many as are needed.
 */
export function tuneEngine(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--no-parallel-scavenge");
  setFlagsFromString("--heap-growing-percent=40");
}

export interface CachedScript<T> {
  readonly exports: T;
  /** Whether V8 had its compiled code at hand. */
  readonly isCached: boolean;
  /** Writes down all that was compiled until now. Nothing happens where the folder cannot be written. */
  keepCode(): void;
}

/**
 * Runs a CommonJS script that lies beside its cache of compiled code (`FILE.cache`): all of Capstan is one script, and to
 * compile it anew would take longer than most commands. V8 itself refuses the cache of another version of itself; of the
 * script it compares only the length, so scripts are named after their contents.
 */
export function runCached<T>(path: string): CachedScript<T> {
  const cache = `${path}.cache`;
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname) {${readFileSync(path, "latin1")}\n})`,
    {
      filename: path,
      cachedData: readCache(cache),
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    },
  );
  const module = { exports: {} as T };
  script.runInThisContext()(module.exports, createRequire(path), module, path, dirname(path));
  return {
    exports: module.exports,
    isCached: script.cachedDataRejected === false,
    keepCode: () => writeCache(cache, () => script.createCachedData()),
  };
}

function readCache(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function writeCache(path: string, make: () => Buffer): void {
  const part = `${path}.${process.pid}`;
  try {
    writeFileSync(part, make());
    renameSync(part, path);
  } catch {
    rmSync(part, { force: true });
  }
}
