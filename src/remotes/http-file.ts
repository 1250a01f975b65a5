import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { formatSize } from "../support/bytes.ts";
import { CapstanError, doing, ExitCode, isErrno } from "../support/errors.ts";
import type { HttpAnswer, HttpRequest } from "./http.ts";
import { showUrl } from "./http-url.ts";

/** A small document of this machine, as an answer. Errors: as of a server, and those of the operating system. */
export function readFileUrl(request: HttpRequest, limit: number): HttpAnswer {
  const path = pathOfFileUrl(request.url, request.what);
  if (request.method !== undefined && !["GET", "HEAD"].includes(request.method))
    throw refused(request, "files of this machine are only read");
  return doing(`Reading ${request.what} (${path})`, () => {
    try {
      const status = statSync(path);
      // A FIFO or a device would block or never end.
      if (!status.isFile()) throw refused(request, "it is not a file");
      if (status.size > limit) throw refused(request, `it is larger than ${formatSize(limit)}`);
      const body = request.method === "HEAD" ? Buffer.alloc(0) : readFileSync(path);
      const headers = { "content-length": String(status.size), "last-modified": status.mtime.toUTCString() };
      return { status: 200, headers, body, url: request.url };
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) throw missing(request);
      throw error;
    }
  });
}

/** The path that a file: address means. Errors: `remote-error` where it means none, such as one of another host. */
export function pathOfFileUrl(url: string, what: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    throw refused({ url, what }, "it is not the address of a file of this machine");
  }
}

export function missing({ url, what }: { readonly url: string; readonly what: string }): CapstanError {
  return new CapstanError(`Fetching ${what}: there is no file ${showUrl(url)}`, {
    code: "remote-not-found",
    hint: "Check the name and the folder of the remote.",
    exitCode: ExitCode.noInput,
  });
}

export function refused({ url, what }: { readonly url: string; readonly what: string }, problem: string): CapstanError {
  return new CapstanError(`Fetching ${what} from ${showUrl(url)}: ${problem}`, {
    code: problem.startsWith("it is larger") ? "remote-too-large" : "remote-error",
    hint: "Correct the address of the remote: for example file:///srv/packages/",
  });
}
