import { CapstanError, checkAborted, ExitCode } from "../support/errors.ts";
import { CONNECT_TIMEOUT_MS } from "./http-agent.ts";
import { errorLine } from "./http-error-line.ts";
import type { OpenAnswer } from "./http-exchange.ts";
import { isRateLimited, localTime, MAX_WAIT_MS, waitOf } from "./http-rate-limit.ts";
import type { HttpContext } from "./http-tuning.ts";
import { showUrl } from "./http-url.ts";

/** A failure that knows whether the same request may succeed later. */
export class HttpError extends CapstanError {
  /** Undefined: never. Otherwise after so many milliseconds at the earliest. */
  readonly retryAfter: number | undefined;

  constructor(
    message: string,
    options: { code: string; hint: string; exitCode: ExitCode; cause?: unknown; retryAfter: number | undefined },
  ) {
    super(message, options);
    this.retryAfter = options.retryAfter;
  }
}

interface Asked {
  readonly what: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The error for an answer whose status is none that was wanted; the first line of its body is shown, cleaned. */
export async function statusError(answer: OpenAnswer, asked: Asked, context: HttpContext): Promise<CapstanError> {
  const { status } = answer;
  const line = await errorLine(answer);
  const says = line === undefined ? `it answers ${status}` : `it answers ${status}: ${line}`;
  const message = `Fetching ${asked.what} from ${showUrl(answer.url)}: ${says}`;
  const wait = waitOf(answer, context.now());
  if (isRateLimited(answer)) return rateLimitError(answer, asked, { wait, context });
  if (status === 404 || status === 410) {
    const hint = "Check the name and the address of the remote.";
    return new HttpError(message, {
      code: "remote-not-found",
      hint,
      exitCode: ExitCode.noInput,
      retryAfter: undefined,
    });
  }
  const exitCode = ExitCode.unavailable;
  if (status === 401 || status === 403) {
    const hint = "Check the token or the keys for this remote, and that they may read it.";
    return new HttpError(message, { code: "remote-forbidden", hint, exitCode, retryAfter: undefined });
  }
  const transient = status >= 500 || status === 408 || status === 425;
  const retryAfter = transient && (wait ?? 0) <= MAX_WAIT_MS ? (wait ?? 0) : undefined;
  const hint = transient ? "Try again later: the server has a problem." : "Check the address of the remote.";
  return new HttpError(message, { code: "remote-error", hint, exitCode, retryAfter });
}

function rateLimitError(
  answer: OpenAnswer,
  asked: Asked,
  limits: { readonly wait: number | undefined; readonly context: HttpContext },
): CapstanError {
  const { wait, context } = limits;
  const until = wait === undefined ? "" : ` until ${localTime(context.now().getTime() + wait, context.now())}`;
  const host = new URL(answer.url).host;
  const isGitHub = "x-ratelimit-remaining" in answer.headers;
  const isKnown = Object.keys(asked.headers).some((name) => name.toLowerCase() === "authorization");
  const later = until === "" ? "Try again later" : "Try again then";
  return new HttpError(`Fetching ${asked.what}: ${host} takes no more requests from here${until}`, {
    code: "remote-rate-limit",
    hint: isGitHub && !isKnown ? `${later}, or set GITHUB_TOKEN: with a token, GitHub allows many more.` : `${later}.`,
    exitCode: ExitCode.unavailable,
    retryAfter: (wait ?? 0) <= MAX_WAIT_MS ? (wait ?? 0) : undefined,
  });
}

/** What stopped a request or its body, as a sentence; errors that are not of the network are returned as they are. */
export function networkError(
  error: unknown,
  request: { readonly what: string; readonly url: string; readonly signal: AbortSignal },
): unknown {
  checkAborted(request.signal);
  if (error instanceof CapstanError || !(error instanceof Error)) return error;
  const code = codeOf(error);
  const [reason, mayRetry] = reasonFor(code, error) ?? [];
  if (reason === undefined) return error;
  return new HttpError(`Fetching ${request.what} from ${showUrl(request.url)}: ${reason}`, {
    code: "remote-unreachable",
    hint: hintFor(code, error),
    exitCode: ExitCode.unavailable,
    cause: error,
    retryAfter: mayRetry === true ? 0 : undefined,
  });
}

function hintFor(code: string, error: Error): string {
  if (refusalOfProxy(error) !== undefined) {
    return "Check HTTPS_PROXY and HTTP_PROXY; a proxy with a login is http://USER:PASSWORD@HOST:PORT.";
  }
  if (isCertificate(code)) {
    return "Check the clock and the address. NODE_EXTRA_CA_CERTS names a file with more authorities to trust.";
  }
  return "Check the network and the address; behind a proxy, set HTTPS_PROXY and HTTP_PROXY.";
}

/** Of the error itself, or of the one of all addresses of a host that were tried. */
function codeOf(error: Error): string {
  if (error.name === "TimeoutError") return "TimeoutError";
  const all = error instanceof AggregateError ? [error, ...error.errors] : [error, error.cause];
  return String(all.find((one) => typeof one?.code === "string")?.code ?? "");
}

function reasonFor(code: string, error: Error): readonly [reason: string, mayRetry: boolean] | undefined {
  if (refusalOfProxy(error) !== undefined) return [`the proxy refuses (${refusalOfProxy(error)})`, false];
  const known = REASONS[code];
  if (known !== undefined) return known;
  if (isCertificate(code)) return [`its certificate is not valid (${code})`, false];
  return error.name === "HTTPParserError" ? ["it answers something that is not HTTP", false] : undefined;
}

/** The status that a proxy answered to a tunnel, or to a request that it wants a password for. */
function refusalOfProxy(error: Error): string | undefined {
  return /^Proxy (?:response|Authentication Required) \((\d+)\)/.exec(error.message)?.[1];
}

const CUT = ["the connection was cut", true] as const;
const UNREACHABLE = ["the network does not reach it", true] as const;

const REASONS: Readonly<Record<string, readonly [reason: string, mayRetry: boolean]>> = {
  ECONNREFUSED: ["the connection was refused", true],
  ECONNRESET: CUT,
  ECONNABORTED: CUT,
  EPIPE: CUT,
  UND_ERR_SOCKET: CUT,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ["the answer has another length than it says", true],
  UND_ERR_CONNECT_TIMEOUT: [`no connection within ${CONNECT_TIMEOUT_MS / 1000} s`, true],
  ETIMEDOUT: ["no connection in time", true],
  UND_ERR_HEADERS_TIMEOUT: ["no answer in time", true],
  UND_ERR_BODY_TIMEOUT: ["no more data came", true],
  TimeoutError: ["it takes too long", true],
  EHOSTUNREACH: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  EADDRNOTAVAIL: UNREACHABLE,
  EAI_AGAIN: ["no name server answers", true],
  ENOTFOUND: ["there is no host of that name", false],
  UND_ERR_HEADERS_OVERFLOW: ["the headers of the answer are too long", false],
  UND_ERR_INVALID_ARG: ["a header or the address cannot be sent as it is", false],
  UND_ERR_PRX_TLS: ["the certificate of the proxy is not valid", false],
};

function isCertificate(code: string): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|EPROTO|CRL_/.test(code);
}
