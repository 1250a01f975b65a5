import { CapstanError, ExitCode } from "../support/errors.ts";
import { showUrl } from "./http-url.ts";
import type { RemoteFile } from "./remote.ts";

/** For what is larger than the limit that somebody sets. */
export const LIMIT_HINT = "If it is what you want, allow for its size: --unpack-limit 200G, or CAPSTAN_UNPACK_LIMIT.";

/** What came is not what should have come. */
export function damaged(
  request: { readonly what: string; readonly file: RemoteFile },
  problem: string,
  hint = "Try again; if it stays so, the remote holds a damaged or a changed file: tell whoever runs it.",
): CapstanError {
  return new CapstanError(`${request.what} from ${showUrl(request.file.url)} is damaged: ${problem}`, {
    code: "remote-damaged",
    hint,
    exitCode: ExitCode.badData,
  });
}
