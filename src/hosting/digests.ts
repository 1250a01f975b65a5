import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { InsideFile } from "../remotes/index/inside.ts";
import { writeFileAtomically } from "../support/atomic.ts";
import type { Context } from "../support/context.ts";
import { isErrno } from "../support/errors.ts";
import { hashFile } from "../support/hash-file.ts";
import { isRecord } from "../support/records.ts";
import { OWN_FOLDER, type Repository } from "./repository.ts";

/** Digests of the files of a repository, each made once for a state of its file (size, time, inode). */
export interface Digests {
  of(path: string, file: InsideFile): Promise<string>;
  /** Keeps them for the next time, those of files that were asked for. That this fails is no error. */
  save(): Promise<void>;
}

const SCHEMA = 1;

export function openDigests({ root }: Repository, context: Pick<Context, "signal" | "reporter">): Digests {
  const store = join(root, OWN_FOLDER, "digests.json");
  const before = readKept(store);
  const kept = new Map<string, Kept>();
  return {
    async of(path, file) {
      const state = stateOf(file);
      const known = before.get(path);
      if (known?.state === state) {
        kept.set(path, known);
        return known.sha256;
      }
      const sha256 = await hashFile(file.path, context.signal);
      context.reporter.report({ kind: "detail", text: `Read ${path}` });
      kept.set(path, { state, sha256 });
      return sha256;
    },
    async save() {
      const isSame = kept.size === before.size && [...kept].every(([path, one]) => before.get(path) === one);
      if (isSame) return;
      try {
        const files = Object.fromEntries([...kept].sort(([a], [b]) => (a < b ? -1 : 1)));
        await writeFileAtomically(store, JSON.stringify({ schema: SCHEMA, files }));
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        context.reporter.report({ kind: "detail", text: `The digests of ${root} are not kept: ${reason}` });
      }
    },
  };
}

interface Kept {
  readonly state: string;
  readonly sha256: string;
}

function stateOf({ stats }: InsideFile): string {
  return `${stats.size} ${stats.mtimeMs} ${stats.ctimeMs} ${stats.ino}`;
}

function readKept(store: string): ReadonlyMap<string, Kept> {
  const value = tryParse(store);
  if (!isRecord(value) || value.schema !== SCHEMA || !isRecord(value.files)) return new Map();
  const entries = Object.entries(value.files).filter((entry): entry is [string, Kept] => isKept(entry[1]));
  return new Map(entries);
}

function isKept(value: unknown): value is Kept {
  return (
    isRecord(value) &&
    typeof value.state === "string" &&
    typeof value.sha256 === "string" &&
    /^[0-9a-f]{64}$/.test(value.sha256)
  );
}

function tryParse(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "EISDIR")) return undefined;
    throw error;
  }
}
