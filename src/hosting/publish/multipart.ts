import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { HttpAnswer, HttpRequest } from "../../remotes/http.ts";
import { GiB, MiB } from "../../support/bytes.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, checkAborted, doing, ExitCode } from "../../support/errors.ts";
import type { PublishedFile } from "./target.ts";

/** Sends one signed request to the key of the file; `query` such as `partNumber=1&uploadId=x`. */
export type SendToKey = (request: KeyRequest, context: Context) => Promise<HttpAnswer>;

export interface KeyRequest {
  readonly method: "POST" | "PUT" | "DELETE";
  readonly query: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpRequest["body"];
  readonly sha256: string;
}

export interface MultipartSizes {
  /** Files above it are sent in parts: S3 takes 5 GiB in one request, and what fails is sent again. */
  readonly whole: number;
  /** The least that a part has; all but the last have to have 5 MiB in S3. */
  readonly part: number;
}

export const MULTIPART_SIZES: MultipartSizes = { whole: GiB, part: 64 * MiB };

/** Amazon S3 User Guide, "Amazon S3 multipart upload limits". */
const MAX_PARTS = 10_000;

/**
 * Uploads a large file in parts, each with its own digest and retries; the key changes when all have come, or not at all. What
 * fails is cleared away. Amazon S3 API Reference: CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload.
 * Errors: those of fetchDocument, CapstanError `upload-failed`, `file-changed`.
 */
export async function uploadInParts(
  file: PublishedFile,
  {
    send,
    headers,
    part,
  }: { readonly send: SendToKey; readonly headers: Readonly<Record<string, string>>; readonly part: number },
  context: Context,
): Promise<void> {
  const begun = await send({ method: "POST", query: "uploads", headers, sha256: EMPTY_SHA256 }, context);
  const id = textOf(begun, "UploadId");
  if (id === undefined) throw failed(file, "the server does not say how to go on");
  const uploadId = `uploadId=${encodeURIComponent(id)}`;
  try {
    const parts = await sendParts(file, { send, uploadId, size: partSize(file.size, part) }, context);
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
    const request = { method: "POST", query: uploadId, body, sha256: digestOf(body) } as const;
    const done = await send({ ...request, headers: { "content-type": "application/xml" } }, context);
    // The status comes before S3 knows whether it works.
    if (/<Error>/.test(done.body.toString("latin1"))) {
      throw failed(file, textOf(done, "Message") ?? textOf(done, "Code") ?? "the server cannot put the parts together");
    }
  } catch (error) {
    await clearAway({ send, uploadId }, context);
    throw error;
  }
}

export const EMPTY_SHA256 = digestOf("");

function partSize(size: number, least: number): number {
  return Math.max(least, Math.ceil(size / MAX_PARTS));
}

interface Upload {
  readonly send: SendToKey;
  readonly uploadId: string;
}

/** Returns what the end of the upload tells the server of each part. */
async function sendParts(
  file: PublishedFile,
  { send, uploadId, size }: Upload & { readonly size: number },
  context: Context,
): Promise<readonly string[]> {
  const parts: string[] = [];
  const whole = createHash("sha256");
  for (let start = 0; start < file.size; start += size) {
    const body = { path: file.source, start, size: Math.min(size, file.size - start) };
    const sha256 = await hashRange(body, whole, context.signal);
    const number = parts.length + 1;
    const query = `partNumber=${number}&${uploadId}`;
    const { headers } = await send({ method: "PUT", query, body, sha256 }, context);
    if (headers.etag === undefined) throw failed(file, `the server does not acknowledge part ${number}`);
    parts.push(`<Part><PartNumber>${number}</PartNumber><ETag>${escapeXml(headers.etag)}</ETag></Part>`);
    const [done, total] = [start + body.size, file.size];
    context.reporter.report({ kind: "progress", text: `Uploading ${file.path}`, done, total, unit: "bytes" });
  }
  if (whole.digest("hex") === file.sha256) return parts;
  throw new CapstanError(`${file.source} changed while it was uploaded`, {
    code: "file-changed",
    hint: "Wait until whatever writes it is done, and publish again.",
  });
}

async function hashRange(
  { path, start, size }: { readonly path: string; readonly start: number; readonly size: number },
  whole: ReturnType<typeof createHash>,
  signal: AbortSignal,
): Promise<string> {
  const hash = createHash("sha256");
  await doing(`Reading ${path}`, async () => {
    for await (const chunk of createReadStream(path, { start, end: start + size - 1, highWaterMark: MiB })) {
      checkAborted(signal);
      hash.update(chunk as Buffer);
      whole.update(chunk as Buffer);
    }
  });
  return hash.digest("hex");
}

/** Parts that nobody puts together are stored, and cost money. That it fails changes nothing about why the upload failed. */
async function clearAway({ send, uploadId }: Upload, context: Context): Promise<void> {
  const signal = new AbortController().signal;
  try {
    await send({ method: "DELETE", query: uploadId, sha256: EMPTY_SHA256 }, { ...context, signal });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    context.reporter.report({
      kind: "detail",
      text: `The parts that were uploaded could not be cleared away: ${reason}`,
    });
  }
}

/** The text of the first element of a name: answers of S3 are small and flat. */
function textOf({ body }: HttpAnswer, element: string): string | undefined {
  const found = new RegExp(`<${element}>([^<]{1,2000})</${element}>`).exec(body.toString("utf8"))?.[1];
  return found?.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name] ?? "");
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function digestOf(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function failed({ path }: PublishedFile, problem: string): CapstanError {
  return new CapstanError(`Uploading ${path} failed: ${problem}`, {
    code: "upload-failed",
    hint: "Try again; if it stays so, ask those who run the bucket.",
    exitCode: ExitCode.unavailable,
  });
}
