import { CapstanError, ExitCode } from "../support/errors.ts";

/** An address that requests may go to. Errors: `remote-error`. */
export function parseHttpUrl(text: string, what: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw new CapstanError(`The address of ${what} is not one of http or https: ${showUrl(text)}`, {
    code: "remote-error",
    hint: "Correct the address of the remote.",
    exitCode: ExitCode.usage,
  });
}

export function isFileUrl(text: string): boolean {
  return /^file:/i.test(text);
}

/** As an address may be shown: without user, password, and what signs the query. */
export function showUrl(text: string | URL): string {
  if (!URL.canParse(String(text))) return `'${String(text).replace(CONTROLS, "?").slice(0, 200)}'`;
  const url = new URL(text);
  url.username = "";
  url.password = "";
  url.hash = "";
  if (SECRETS.test(url.search)) url.search = "?…";
  return url.href.replace("?%E2%80%A6", "?…");
}

const SECRETS = /(?:sig|signature|token|credential|secret|key|password|auth)[^&=]*=/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

/**
 * What the user and password in an address mean: they become a header, and the address goes on without them.
 * RFC 7617: Basic, in UTF-8.
 */
export function takeCredentials(url: URL): Readonly<Record<string, string>> {
  if (url.username === "" && url.password === "") return {};
  const pair = `${decode(url.username)}:${decode(url.password)}`;
  url.username = "";
  url.password = "";
  return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
