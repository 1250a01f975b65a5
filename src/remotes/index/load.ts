import { type Stats, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../../support/context.ts";
import { CapstanError, doing, ExitCode, isErrno } from "../../support/errors.ts";
import { fetchCached, fetchDocument } from "../http.ts";
import { readFolderIndex } from "./folder-index.ts";
import { realRoot } from "./inside.ts";
import { addressOf, type FolderLocation, type Location, type WebLocation } from "./location.ts";
import { parseIndex } from "./parse.ts";
import { warnOfReplay } from "./replay.ts";
import { INDEX_NAME, IndexLimit, type RepositoryIndex, SIGNATURE_NAME } from "./schema.ts";
import { type PublicKey, signatureProblem } from "./signature.ts";

export interface LoadOptions {
  /** One of them has to have signed the index; none: signatures are not looked at. */
  readonly keys: readonly PublicKey[];
  readonly cacheFolder: string;
}

/**
 * The index of a repository: one request, two where it has to be signed. A folder without an index.json is read as it is.
 * Errors: those of fetchDocument and of parseIndex, `remote-untrusted`.
 */
export async function loadIndex(location: Location, options: LoadOptions, context: Context): Promise<RepositoryIndex> {
  const address = addressOf(location, INDEX_NAME);
  const source = location.kind === "folder" ? folderSource(location) : webSource(location, options, context);
  const bytes = await source.index();
  if (bytes === undefined) return readAsItIs(location, options);
  const trusted = options.keys.length === 0 ? bytes : await checkSignature(bytes, source, { ...options, address });
  const index = parseIndex(trusted, address);
  if (options.keys.length > 0)
    await warnOfReplay({ ...index, address: location.address }, options.cacheFolder, context);
  return index;
}

interface Source {
  /** Undefined where there is none, and the folder may be read as it is. */
  index(fresh?: boolean): Promise<Uint8Array | undefined>;
  /** Undefined where there is none. */
  signature(fresh?: boolean): Promise<Uint8Array | undefined>;
}

function folderSource({ path }: FolderLocation): Source {
  return {
    index: () => readLimited(join(path, INDEX_NAME), IndexLimit.document),
    signature: () => readLimited(join(path, SIGNATURE_NAME), 4096),
  };
}

function webSource(location: WebLocation, { cacheFolder }: LoadOptions, context: Context): Source {
  const get = async (name: string, fresh: boolean, limit: number) => {
    const url = addressOf(location, name);
    const request = { url, what: `${name} of ${location.address}`, headers: location.headers, limit };
    const noCache = { ...request, headers: { ...location.headers, "cache-control": "no-cache" } };
    return fresh ? fetchDocument(noCache, context) : fetchCached({ ...request, cacheFolder }, context);
  };
  return {
    async index(fresh = false) {
      try {
        return (await get(INDEX_NAME, fresh, IndexLimit.document)).body;
      } catch (error) {
        throw isNotFound(error) ? withoutIndex(location.address, error) : error;
      }
    },
    async signature(fresh = false) {
      try {
        return (await get(SIGNATURE_NAME, fresh, 4096)).body;
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
  };
}

/** Both are asked for again when they do not fit: between the two requests a newer pair may have been published. */
async function checkSignature(
  bytes: Uint8Array,
  source: Source,
  { keys, address }: { readonly keys: readonly PublicKey[]; readonly address: string },
): Promise<Uint8Array> {
  const signature = await source.signature();
  if (signature !== undefined && signatureProblem(bytes, signature, keys) === undefined) return bytes;
  const [again, signedAgain] = [await source.index(true), await source.signature(true)];
  if (again === undefined || signedAgain === undefined) throw untrusted(address, "it is not signed");
  const problem = signatureProblem(again, signedAgain, keys);
  if (problem !== undefined) throw untrusted(address, problem);
  return again;
}

async function readAsItIs(location: Location, { keys }: LoadOptions): Promise<RepositoryIndex> {
  const root = location.kind === "folder" ? realRoot(location.path) : undefined;
  if (root === undefined) throw withoutIndex(location.address, undefined);
  if (keys.length > 0) throw untrusted(location.address, "it has no index that could be signed");
  const { packages, images } = await readFolderIndex(root);
  if (packages.length === 0 && images.length === 0) throw withoutIndex(location.address, undefined);
  return { generated: "1970-01-01T00:00:00Z", packages, images };
}

async function readLimited(path: string, limit: number): Promise<Uint8Array | undefined> {
  return doing(`Reading ${path}`, async () => {
    const stats = tryStat(path);
    if (stats?.isFile() !== true) return undefined;
    if (stats.size <= limit) return await readFile(path);
    throw new CapstanError(`${path} is too large, at most ${limit} bytes are read`, {
      code: "remote-index-invalid",
      hint: "Make it anew with 'capstan repo index'.",
    });
  });
}

function tryStat(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof CapstanError && error.code === "remote-not-found";
}

function withoutIndex(address: string, cause: unknown): CapstanError {
  return new CapstanError(`There is no repository at ${address}: it has no ${INDEX_NAME}`, {
    code: "remote-not-found",
    hint: "Check the address. Whoever keeps the repository makes the index with 'capstan repo index'.",
    exitCode: ExitCode.unavailable,
    cause,
  });
}

function untrusted(address: string, problem: string): CapstanError {
  return new CapstanError(`${address} is not to be trusted: ${problem}`, {
    code: "remote-untrusted",
    hint: "Ask whoever keeps the repository. Only if it has a new key, write that one into config.yaml.",
  });
}
