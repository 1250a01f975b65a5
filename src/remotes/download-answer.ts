import { ExitCode } from "../support/errors.ts";
import { damaged, LIMIT_HINT } from "./download-errors.ts";
import { HttpError } from "./http-errors.ts";
import type { OpenAnswer } from "./http-exchange.ts";
import { showUrl } from "./http-url.ts";
import type { RemoteFile } from "./remote.ts";

interface Asked {
  readonly file: RemoteFile;
  readonly what: string;
  readonly limit: number;
}

/** What the server says of the length, against what was announced: known before a byte has come. */
export function checkTotal(total: number | undefined, asked: Asked): void {
  const { size } = asked.file;
  if (total === undefined) return;
  if (size !== undefined && total !== size) {
    throw damaged(asked, `the server has ${total} bytes of it, and there should be ${size}`);
  }
  if (total > asked.limit) throw damaged(asked, `it has ${total} bytes, and ${asked.limit} are the limit`, LIMIT_HINT);
}

/**
 * Files are asked for as they are. A server may have kept one packed, and says so; what was announced, or the unpacking, tells then
 * whether the packed bytes are the ones that are wanted. Where nothing does, it would be another file.
 */
export function checkEncoding({ headers }: OpenAnswer, asked: Asked): void {
  const encoding = headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  const { file } = asked;
  if (encoding === "identity" || encoding === "" || file.size !== undefined || file.sha256 !== undefined) return;
  if (file.gzip && (encoding === "gzip" || encoding === "x-gzip")) return;
  throw damaged(asked, "the server sends it in an encoding that was not asked for");
}

/** A page of a portal or a login where a file was wanted, with status 200. What has a digest is judged by that. */
export function checkIsNoPage(start: Buffer, { headers }: OpenAnswer, asked: Asked): void {
  if (asked.file.sha256 !== undefined || !/^text\/html\b/i.test(headers["content-type"] ?? "")) return;
  if (!/^(?:\ufeff|\s)*<(?:!doctype html|html|head)\b/i.test(start.toString("utf8", 0, 1024))) return;
  const hint = "Check the address of the remote, and whether this network asks for a login.";
  throw damaged(asked, "a web page comes in its place", hint);
}

export function endedEarly(asked: Asked, answer: OpenAnswer): HttpError {
  return unreachable(asked, answer, "it ends too early");
}

/** The answer to a request for the rest is of no use; all of it is asked for instead. */
export function wrongRange(asked: Asked, answer: OpenAnswer): HttpError {
  return unreachable(asked, answer, "the server sends another part of it than was asked for");
}

export function unsteady(asked: Asked): HttpError {
  return new HttpError(
    `Fetching ${asked.what} from ${showUrl(asked.file.url)}: it begins anew again and again, and never comes to its end`,
    {
      code: "remote-unreachable",
      hint: "Try again later: it is just being replaced, or the connection does not hold and the server cannot resume.",
      exitCode: ExitCode.unavailable,
      retryAfter: undefined,
    },
  );
}

function unreachable(asked: Asked, answer: OpenAnswer, problem: string): HttpError {
  return new HttpError(`Fetching ${asked.what} from ${showUrl(answer.url)}: ${problem}`, {
    code: "remote-unreachable",
    hint: "Check the network, and try again: what has come so far is kept.",
    exitCode: ExitCode.unavailable,
    retryAfter: 0,
  });
}
