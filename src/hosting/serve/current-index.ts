import { readFile } from "node:fs/promises";
import { formatIndex } from "../../remotes/index/format.ts";
import { fileInside } from "../../remotes/index/inside.ts";
import { parseIndex } from "../../remotes/index/parse.ts";
import { INDEX_NAME, type RepositoryIndex } from "../../remotes/index/schema.ts";
import type { Context } from "../../support/context.ts";
import { makeIndex } from "../index-repository.ts";
import type { Repository } from "../repository.ts";

/** The index of a repository for as long as it is served. */
export interface CurrentIndex {
  /** That of index.json; of what lies there where there is none. */
  get(): Promise<RepositoryIndex>;
  /** The text of an index where there is no index.json. */
  text(): Promise<string>;
}

export function currentIndex(repository: Repository, context: Context): CurrentIndex {
  let read: { readonly state: string; readonly index: RepositoryIndex } | undefined;
  let made: { readonly text: string; readonly index: RepositoryIndex } | undefined;
  let making: Promise<RepositoryIndex> | undefined;

  /** The time stays while nothing else changes, so that caches of readers hold. */
  const make = async (): Promise<RepositoryIndex> => {
    const { index } = await makeIndex(repository, context);
    const same = made !== undefined && formatIndex({ ...index, generated: made.index.generated }) === made.text;
    if (!same || made === undefined) made = { text: formatIndex(index), index };
    return made.index;
  };
  const makeOnce = (): Promise<RepositoryIndex> => {
    making ??= make().finally(() => {
      making = undefined;
    });
    return making;
  };
  return {
    async get() {
      const file = fileInside(repository.root, INDEX_NAME);
      if (file === undefined) return await makeOnce();
      const { size, mtimeMs, ino } = file.stats;
      const state = `${size} ${mtimeMs} ${ino}`;
      if (read?.state !== state) read = { state, index: parseIndex(await readFile(file.path), INDEX_NAME) };
      return read.index;
    },
    text: async () => formatIndex(await makeOnce()),
  };
}
