import { quoted } from "../../project/text-file.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";

/** An address of a server as it is configured, taken apart. */
export interface Endpoint {
  /** http: or https:, its path ending in a slash, without credentials and fragment. */
  readonly url: URL;
  /** The authorization of credentials in the address. */
  readonly headers: Readonly<Record<string, string>>;
  /** For messages: nothing secret in it. */
  readonly address: string;
}

/** Error: CapstanError `bad-remote-address`. `remote` is the remote's name, for the message. */
export function parseEndpoint(text: string, remote: string): Endpoint {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    throw new CapstanError(`The address of the remote ${quoted(remote)} is ${quoted(withoutCredentials(text))}`, {
      code: "bad-remote-address",
      hint: "Write one that begins with https:// or http://.",
      exitCode: ExitCode.usage,
    });
  }
  const credentials = `${decode(url.username)}:${decode(url.password)}`;
  const headers =
    credentials === ":" ? {} : { authorization: `Basic ${Buffer.from(credentials, "utf8").toString("base64")}` };
  url.username = "";
  url.password = "";
  url.hash = "";
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return { url, headers, address: `${url.origin}${url.pathname}` };
}

/** A file below the endpoint; its query, which may be a signature, stays. */
export function urlBelow({ url }: Endpoint, segments: readonly string[], query?: URLSearchParams): string {
  const result = new URL(url);
  result.pathname += segments.map((segment) => encodeURIComponent(segment)).join("/");
  for (const [key, value] of query ?? []) result.searchParams.set(key, value);
  return result.href;
}

function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^/@]*@/, "//");
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
