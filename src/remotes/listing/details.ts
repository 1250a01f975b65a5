import { createHash } from "node:crypto";
import { type PackageManifest, parseManifest } from "../../project/manifest.ts";
import { quoted, TEXT_FILE_LIMIT } from "../../project/text-file.ts";
import { type ImageMeta, parseImageIndex } from "../../store/image-index.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError } from "../../support/errors.ts";
import { fetchCached, fetchDocument, type HttpAnswer } from "../http.ts";
import { FewReports } from "./few-reports.ts";
import type { ListedFile } from "./offers.ts";
import { inParallel } from "./parallel.ts";
import { readCachedText, writeCachedText } from "./text-cache.ts";

export interface DetailSource {
  /** For messages: the remote's name. */
  readonly remote: string;
  readonly cacheFolder: string;
}

/** A small text file beside what it describes. */
export interface Description {
  /** Of the package or image, for messages. */
  readonly name: string;
  readonly release: string | undefined;
  readonly listed: ListedFile;
}

/**
 * The manifests of packages, by the URL of their file. One that cannot be had or read is missing, and a warning names it.
 * Errors: only what stops all of them, such as a rate limit or an interrupt.
 */
export function fetchManifests(
  descriptions: readonly Description[],
  source: DetailSource,
  context: Context,
): Promise<ReadonlyMap<string, PackageManifest>> {
  return fetchAll({ descriptions, source, what: "manifest", parse: parseOwnManifest }, context);
}

/** The same for the index.yaml of images. */
export function fetchImageIndexes(
  descriptions: readonly Description[],
  source: DetailSource,
  context: Context,
): Promise<ReadonlyMap<string, ImageMeta>> {
  const parse = (text: Buffer, { listed }: Description) => parseImageIndex(text, listed.name);
  return fetchAll({ descriptions, source, what: "index", parse }, context);
}

const PARALLEL = 8;

/** With these, the others would fail as well. */
const FATAL: ReadonlySet<string> = new Set(["interrupted", "remote-rate-limit", "remote-unreachable"]);

interface Work<T> {
  readonly descriptions: readonly Description[];
  readonly source: DetailSource;
  readonly what: string;
  readonly parse: (text: Buffer, description: Description) => T;
}

async function fetchAll<T>(
  { descriptions, source, what, parse }: Work<T>,
  context: Context,
): Promise<ReadonlyMap<string, T>> {
  const unique = [...new Map(descriptions.map((one) => [one.listed.file.url, one])).values()];
  const found = new Map<string, T>();
  const warnings = new FewReports(context.reporter, "warning");
  const progress = { text: `Reading what ${source.remote} offers`, total: unique.length, unit: "files" } as const;
  let done = 0;
  await inParallel(unique, PARALLEL, async (description) => {
    const of = description.release === undefined ? "" : ` of the release ${quoted(description.release)}`;
    const name = `the ${what} of ${quoted(description.name)}${of}`;
    try {
      const text = await fetchText(description.listed, { ...source, what: name }, context);
      found.set(description.listed.file.url, parse(text, description));
    } catch (error) {
      if (!(error instanceof CapstanError) || FATAL.has(error.code)) throw error;
      warnings.add(`The remote ${quoted(source.remote)}: ${name} cannot be read: ${error.message}`);
    }
    context.reporter.report({ kind: "progress", ...progress, done: ++done });
  });
  warnings.end();
  return found;
}

async function fetchText(
  listed: ListedFile,
  request: DetailSource & { readonly what: string },
  context: Context,
): Promise<Buffer> {
  const cached = readCachedText(request.cacheFolder, listed);
  if (cached !== undefined) return cached;
  const { url, headers } = listed.file;
  const asked = { url, headers, what: request.what, limit: TEXT_FILE_LIMIT };
  const answer =
    listed.state === undefined
      ? await fetchCached({ ...asked, cacheFolder: request.cacheFolder }, context)
      : await fetchDocument(asked, context);
  checkAsListed(listed, answer, request.what);
  writeCachedText(request.cacheFolder, listed, answer.body);
  return answer.body;
}

/** A length that the answer does not have itself was one of packed bytes, which a listing counts and the body has not any more. */
function checkAsListed({ file }: ListedFile, { body, headers }: HttpAnswer, what: string): void {
  const hint = "Try again later: it may be changing just now. If it stays so, tell those who run the repository.";
  if (file.size !== undefined && file.size !== body.length && "content-length" in headers) {
    const message = `${what} has ${body.length} bytes, and the listing says ${file.size}`;
    throw new CapstanError(message, { code: "remote-damaged", hint });
  }
  if (file.sha256 !== undefined && createHash("sha256").update(body).digest("hex") !== file.sha256) {
    throw new CapstanError(`${what} does not have the digest that the listing says`, { code: "remote-damaged", hint });
  }
}

/** Packages go by the names of their files: a manifest of another name does not belong to them. */
function parseOwnManifest(text: Buffer, { name, listed }: Description): PackageManifest {
  const manifest = parseManifest(text, { name: listed.name, foreign: true });
  if (manifest.name === name) return manifest;
  throw new CapstanError(`it is that of a package ${quoted(manifest.name)}`, { code: "remote-wrong-name" });
}
