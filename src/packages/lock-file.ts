import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomically } from "../support/atomic.ts";
import { CapstanError, doing, isErrno } from "../support/errors.ts";

/** capstan.lock of a project: exactly what its image is made of, beside its own files. */
export interface LockFile {
  /** Undefined where the lock was made without one. */
  readonly loader: LockedItem | undefined;
  /** In the order in which they are composed. */
  readonly packages: readonly LockedItem[];
}

export interface LockedItem {
  readonly name: string;
  readonly version: string | undefined;
  readonly arch: string | undefined;
  /** Of the file in the store, in hexadecimal digits. */
  readonly sha256: string;
  /** Where it was fetched from; undefined for what was imported. */
  readonly source: LockedSource | undefined;
}

export interface LockedSource {
  readonly remote: string;
  readonly url: string;
  readonly release: string | undefined;
}

export const LOCK_FILE = "capstan.lock";
const SCHEMA = 1;

/** Undefined where the project has none. Errors: CapstanError `bad-lock`, `os-…`. */
export function readLockFile(folder: string): LockFile | undefined {
  const path = join(folder, LOCK_FILE);
  const text = doing(`Reading ${path}`, () => {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  });
  return text === undefined ? undefined : parseLockFile(text, path);
}

/** The same bytes for the same content: it is meant to be kept under version control. */
export async function writeLockFile(folder: string, { loader, packages }: LockFile): Promise<string> {
  const path = join(folder, LOCK_FILE);
  const value = { schema: SCHEMA, loader, packages };
  await writeFileAtomically(path, `${JSON.stringify(value, undefined, 2)}\n`);
  return path;
}

function parseLockFile(text: string, path: string): LockFile {
  const value = parseJson(text, path);
  const schema = field(value, "schema");
  if (schema !== SCHEMA) {
    throw bad(path, typeof schema === "number" && schema > SCHEMA ? "a newer Capstan wrote it" : "'schema' is not 1");
  }
  const packages = field(value, "packages");
  if (!Array.isArray(packages)) throw bad(path, "'packages' is no list");
  const loader = field(value, "loader");
  return {
    loader: loader === undefined || loader === null ? undefined : item(loader, { path, where: "loader" }),
    packages: packages.map((one, index) => item(one, { path, where: `packages[${index}]` })),
  };
}

interface Where {
  readonly path: string;
  readonly where: string;
}

function item(value: unknown, at: Where): LockedItem {
  const name = required(value, "name", at);
  const sha256 = required(value, "sha256", at);
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw bad(at.path, `'${at.where}.sha256' is no SHA-256`);
  const source = field(value, "source");
  const where = { ...at, where: `${at.where}.source` };
  return {
    ...{ name, sha256, version: optional(value, "version", at), arch: optional(value, "arch", at) },
    source:
      source === undefined || source === null
        ? undefined
        : {
            remote: required(source, "remote", where),
            url: required(source, "url", where),
            release: optional(source, "release", where),
          },
  };
}

function required(value: unknown, key: string, at: Where): string {
  const text = optional(value, key, at);
  if (text === undefined || text === "") throw bad(at.path, `'${at.where}.${key}' is missing`);
  return text;
}

function optional(value: unknown, key: string, { path, where }: Where): string | undefined {
  const found = field(value, key);
  if (found === undefined || found === null) return undefined;
  if (typeof found !== "string") throw bad(path, `'${where}.${key}' is no text`);
  return found;
}

function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw bad(path, error instanceof Error ? error.message : "it is no JSON");
  }
}

function bad(path: string, what: string): CapstanError {
  return new CapstanError(`${path} cannot be read: ${what}`, {
    code: "bad-lock",
    hint: "Write it anew with 'capstan package lock', or get the version of it that worked.",
  });
}
