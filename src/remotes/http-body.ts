import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { formatSize } from "../support/bytes.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { HttpAnswer } from "./http.ts";
import { networkError } from "./http-errors.ts";
import type { OpenAnswer } from "./http-exchange.ts";
import { showUrl } from "./http-url.ts";

export interface BodyOptions {
  /** In bytes, both as it is transferred and unpacked. */
  readonly limit: number;
  readonly what: string;
  /** Of the context: tells a stop that was asked for from a failure. */
  readonly signal: AbortSignal;
}

/** Reads a body to its end and takes off the gzip that it was transferred in. Never holds more than the limit. */
export async function readBody(answer: OpenAnswer, options: BodyOptions): Promise<HttpAnswer> {
  const raw = await readAll(answer, options);
  const { "content-encoding": encoding = "identity", ...headers } = answer.headers;
  const plain = { status: answer.status, url: answer.url };
  if (encoding === "identity" || raw.length === 0) return { ...plain, headers: answer.headers, body: raw };
  if (encoding !== "gzip" && encoding !== "x-gzip") throw notAsked(answer, options);
  const { "content-length": _, ...rest } = headers;
  return { ...plain, headers: rest, body: await unpack(raw, answer, options) };
}

async function readAll(answer: OpenAnswer, options: BodyOptions): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer.body) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > options.limit) throw tooLarge(answer, options);
    }
  } catch (error) {
    throw networkError(error, { what: options.what, url: answer.url, signal: options.signal });
  }
  return Buffer.concat(chunks, length);
}

async function unpack(raw: Buffer, answer: OpenAnswer, options: BodyOptions): Promise<Buffer> {
  try {
    return await promisify(gunzip)(raw, { maxOutputLength: Math.max(1, options.limit) });
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(answer, options);
    throw damaged(answer, options);
  }
}

function tooLarge(answer: OpenAnswer, { what, limit }: BodyOptions): CapstanError {
  return new CapstanError(`Fetching ${what} from ${showUrl(answer.url)}: it is larger than ${formatSize(limit)}`, {
    code: "remote-too-large",
    hint: "Check the address of the remote: this is not what belongs there.",
    exitCode: ExitCode.badData,
  });
}

function notAsked(answer: OpenAnswer, { what }: BodyOptions): CapstanError {
  return new CapstanError(
    `Fetching ${what} from ${showUrl(answer.url)}: it comes in an encoding that was not asked for`,
    {
      code: "remote-error",
      hint: "Tell whoever runs the server: only gzip was offered.",
      exitCode: ExitCode.unavailable,
    },
  );
}

function damaged(answer: OpenAnswer, { what }: BodyOptions): CapstanError {
  return new CapstanError(`Fetching ${what} from ${showUrl(answer.url)}: its gzip encoding is damaged`, {
    code: "remote-error",
    hint: "Try again; if it stays so, tell whoever runs the server.",
    exitCode: ExitCode.unavailable,
  });
}
