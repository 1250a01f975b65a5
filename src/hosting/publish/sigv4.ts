import { createHash, createHmac } from "node:crypto";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of credentials that are for a time only. */
  readonly sessionToken: string | undefined;
}

export interface SignedRequest {
  readonly method: string;
  /** Its path percent-encoded as `encodePath` does it. */
  readonly url: URL;
  /** Names in lower case; without `host`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the body, in hexadecimal digits. */
  readonly payloadSha256: string;
  readonly region: string;
  readonly time: Date;
}

/**
 * The headers of a request to S3 with its signature: AWS Signature Version 4, "Authenticating Requests: Using the
 * Authorization Header" in the Amazon S3 API Reference. In paths of S3 each byte is encoded once, and `//` stays.
 */
export function signRequest(request: SignedRequest, credentials: Credentials): Readonly<Record<string, string>> {
  const time = request.time.toISOString().replace(/[-:]|\.\d{3}/g, "");
  const token = credentials.sessionToken;
  const headers: Record<string, string> = {
    ...request.headers,
    "x-amz-content-sha256": request.payloadSha256,
    "x-amz-date": time,
    ...(token === undefined ? {} : { "x-amz-security-token": token }),
  };
  const signed: Record<string, string> = { ...headers, host: request.url.host };
  const names = Object.keys(signed).sort();
  const canonical = [
    request.method,
    request.url.pathname,
    canonicalQuery(request.url.searchParams),
    ...names.map((name) => `${name}:${signed[name]?.trim().replace(/ +/g, " ")}`),
    "",
    names.join(";"),
    request.payloadSha256,
  ].join("\n");
  const day = time.slice(0, 8);
  const scope = `${day}/${request.region}/s3/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", time, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  const key = [day, request.region, "s3", "aws4_request"].reduce<string | Buffer>(
    (secret, part) => createHmac("sha256", secret).update(part).digest(),
    `AWS4${credentials.secretAccessKey}`,
  );
  const signature = createHmac("sha256", key).update(text).digest("hex");
  const credential = `${credentials.accessKeyId}/${scope}`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential},SignedHeaders=${names.join(";")},Signature=${signature}`;
  return { ...headers, authorization };
}

/** Every byte but `A-Z a-z 0-9 - . _ ~`, and the slashes between the parts. */
export function encodePath(path: string): string {
  return path.split("/").map(encode).join("/");
}

function canonicalQuery(query: URLSearchParams): string {
  const pairs = [...query].map(([name, value]) => `${encode(name)}=${encode(value)}`);
  return pairs.sort().join("&");
}

function encode(text: string): string {
  const inHex = (one: string) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replace(/[!'()*]/g, inHex);
}
