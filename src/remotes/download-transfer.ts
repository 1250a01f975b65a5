import { checkEncoding, checkIsNoPage, checkTotal, endedEarly, unsteady, wrongRange } from "./download-answer.ts";
import { damaged } from "./download-errors.ts";
import { type Observer, openPart, type Part, type Transferred } from "./download-part.ts";
import { progressOf } from "./download-progress.ts";
import { lengthOf, parseContentRange, parseUnsatisfied, validatorOf } from "./download-range.ts";
import { bootId, type PartRecord, readPartRecord } from "./download-record.ts";
import { networkError, statusError } from "./http-errors.ts";
import { type OpenAnswer, openAnswer } from "./http-exchange.ts";
import { mayRetry, waitToRetry } from "./http-retry.ts";
import { type HttpContext, tuningOf } from "./http-tuning.ts";
import type { RemoteFile } from "./remote.ts";

export interface Transfer {
  readonly file: RemoteFile;
  readonly part: string;
  readonly what: string;
  /** The most bytes that are taken where nobody says how many there are. */
  readonly limit: number;
  readonly observer?: Observer | undefined;
}

/**
 * Brings all bytes of a file into its part, whatever is there already, and in as many attempts as it takes: as long as each brings
 * something worth it, a server may cut as often as it likes. Length and digest are for the caller to compare.
 */
export async function transfer(request: Transfer, context: HttpContext): Promise<Transferred> {
  const earlier = usable(readPartRecord(request.part), request);
  const keep = (length: number) => worthKeeping(length, earlier, request);
  const part = await openPart(request.part, { keep, observer: request.observer, signal: context.signal });
  const progress = progressOf(request.what, context);
  const state: State = { request, context, part, progress, record: earlier, ...UNTOUCHED };
  try {
    for (let failures = 0; !isComplete(state); ) {
      const before = state.transferred;
      try {
        await attempt(state);
        break;
      } catch (error) {
        failures = state.transferred - before >= WORTH_IT ? 1 : failures + 1;
        if (!mayRetry(error) || failures >= tuningOf(context).attempts) throw error;
        await waitToRetry(error, { what: request.what, made: failures, context });
      }
    }
    const { transferred, glued } = state;
    return { size: part.length, sha256: await part.finish(), transferred, glued };
  } finally {
    await part.close();
  }
}

interface State {
  readonly request: Transfer;
  readonly context: HttpContext;
  readonly part: Part;
  readonly progress: (done: number, total: number | undefined) => void;
  record: PartRecord | undefined;
  transferred: number;
  restarts: number;
  /** Whether what is in the part came with more than one answer. */
  glued: boolean;
  /** The server gave a wrong range: from now on all of it is asked for. */
  whole: boolean;
}

const UNTOUCHED = { transferred: 0, restarts: 0, glued: false, whole: false };

/** An attempt that brought less counts as a failure, so that a server that sends a few bytes each time is given up. */
const WORTH_IT = 64 * 1024;
/** A file that changes as often while it is fetched will not be had. */
const MAX_RESTARTS = 3;

/** A record of another file, or of one of which nobody can say that it is the same still, is of no use. */
function usable(record: PartRecord | undefined, { file }: Transfer): PartRecord | undefined {
  if (record === undefined) return undefined;
  const isVerified = file.sha256 !== undefined && record.sha256 === file.sha256;
  // What another address says of its file means nothing to this one.
  if (isVerified) return record.url === file.url ? record : { ...record, validator: undefined };
  const isSame = record.url === file.url && record.sha256 === file.sha256 && record.boot === bootId();
  return isSame && record.validator !== undefined ? record : undefined;
}

/** Where no digest will tell, the last byte is fetched once more: the server then says whether the file is still the same. */
function worthKeeping(length: number, record: PartRecord | undefined, { file }: Transfer): number {
  if (record === undefined) return 0;
  const total = file.size ?? record.total;
  if (total !== undefined && length > total) return 0;
  return length === total && file.sha256 === undefined ? Math.max(0, length - 1) : length;
}

/** Only what a digest will judge counts as complete without asking. */
function isComplete({ part, record, request }: State): boolean {
  if (request.file.sha256 === undefined || part.length === 0) return false;
  return part.length === (request.file.size ?? record?.total);
}

async function attempt(state: State): Promise<void> {
  const { request, context } = state;
  const headers = headersFor(state);
  const { what, file } = request;
  const answer = await openAnswer({ url: file.url, method: "GET", headers, what, signal: context.signal }, context);
  try {
    if (answer.status === 200) await beginAnew(answer, state);
    else if (answer.status === 206 && headers.range !== undefined) goOn(answer, state);
    else if (answer.status === 416 && headers.range !== undefined) return atEnd(answer, state);
    else throw await statusError(answer, { what, headers }, context);
    await receive(answer, state);
  } finally {
    answer.body.destroy();
  }
}

function headersFor({ request, part, record, whole }: State): Record<string, string> {
  const headers = { ...request.file.headers, "accept-encoding": "identity" };
  const { validator } = record ?? {};
  // Without either, nobody could say whether the rest belongs to what is there.
  if (part.length === 0 || whole || (validator === undefined && request.file.sha256 === undefined)) return headers;
  const range = { ...headers, range: `bytes=${part.length}-` };
  return validator === undefined ? range : { ...range, "if-range": validator };
}

/** The whole file comes: the first time, or because it has changed, or the server knows no ranges. */
async function beginAnew(answer: OpenAnswer, state: State): Promise<void> {
  const { part, request } = state;
  const { file } = request;
  if (part.length > 0 && ++state.restarts > MAX_RESTARTS) throw unsteady(request);
  const total = lengthOf(answer);
  checkTotal(total, request);
  checkEncoding(answer, request);
  const validator = validatorOf(answer.headers);
  state.record = { url: file.url, sha256: file.sha256, validator, total, boot: bootId() };
  state.glued = false;
  await part.restart(state.record);
}

/** The rest comes. It has to begin where the part ends, and to be of the same file. */
function goOn(answer: OpenAnswer, state: State): void {
  const { part, record, request } = state;
  const range = parseContentRange(answer.headers["content-range"]);
  const validator = record?.validator;
  const etag = answer.headers.etag;
  const isOther = validator?.startsWith('"') && etag !== undefined && etag !== validator;
  const total = record?.total ?? range?.total;
  if (range === undefined || range.start !== part.length || range.total !== total || isOther) {
    state.whole = true;
    throw wrongRange(request, answer);
  }
  checkTotal(range.total, request);
  if (record !== undefined) state.record = { ...record, total: range.total };
  state.glued = true;
}

/** There is nothing behind the end of the part: right if that is the end of the file. */
function atEnd(answer: OpenAnswer, state: State): void {
  const total = parseUnsatisfied(answer.headers["content-range"]);
  if (total === state.part.length && state.request.file.sha256 !== undefined) return;
  state.whole = true;
  throw wrongRange(state.request, answer);
}

async function receive(answer: OpenAnswer, state: State): Promise<void> {
  const { part, request, progress, context, record } = state;
  const { file, what, limit } = request;
  const total = record?.total ?? file.size;
  const most = file.size ?? total ?? limit;
  progress(part.length, total);
  try {
    for await (const chunk of answer.body) {
      if (part.length === 0) checkIsNoPage(chunk, answer, request);
      if (part.length + chunk.length > most)
        throw damaged(request, `more comes than the ${most} bytes that it may have`);
      await part.append(chunk);
      state.transferred += chunk.length;
      progress(part.length, total);
    }
  } catch (error) {
    throw networkError(error, { what, url: answer.url, signal: context.signal });
  }
  // Chunks have an end of their own, which came.
  const expected = record?.total ?? (answer.headers["transfer-encoding"] === undefined ? file.size : undefined);
  if (expected !== undefined && part.length < expected) throw endedEarly(request, answer);
}
