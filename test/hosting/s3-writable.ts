import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export const SECRET = { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "eu-test-1" };

export interface WritableBucket {
  readonly url: string;
  readonly objects: Map<string, Buffer>;
  /** Keys in the order in which they were written. */
  readonly put: string[];
  readonly problems: string[];
  /** May answer instead. */
  before: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** A server with buckets by path that checks each signature for itself, and each body against its digest. */
export async function writableBucket(): Promise<WritableBucket> {
  const bucket: WritableBucket = { url: "", objects: new Map(), put: [], problems: [], before: () => false };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => answer(bucket, { request, response, body: Buffer.concat(chunks) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return Object.assign(bucket, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

interface Received {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
}

function answer(bucket: WritableBucket, { request, response, body }: Received): void {
  const problem = signatureProblem(request, body);
  if (problem !== undefined) {
    bucket.problems.push(problem);
    response.writeHead(403).end();
    return;
  }
  if (bucket.before(request, response)) return;
  const key = decodeURIComponent((request.url ?? "").slice(1));
  if (request.method === "PUT") {
    bucket.objects.set(key, body);
    bucket.put.push(key);
    response.writeHead(200).end();
    return;
  }
  const content = bucket.objects.get(key);
  response.writeHead(content === undefined ? 404 : 200).end(content);
}

function signatureProblem({ method, url = "", headers }: IncomingMessage, body: Buffer): string | undefined {
  const digest = createHash("sha256").update(body).digest("hex");
  if (headers["x-amz-content-sha256"] !== digest) return "the digest is not that of the body";
  const given =
    /^AWS4-HMAC-SHA256 Credential=key\/(\d{8})\/([^/]+)\/s3\/aws4_request,\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? "",
    );
  if (given === null) return `no signature: ${headers.authorization}`;
  const [, day = "", region = "", names = "", signature] = given;
  if (region !== "eu-test-1") return `another region: ${region}`;
  for (const name of ["host", "x-amz-date", "x-amz-content-sha256"]) {
    if (!names.split(";").includes(name)) return `${name} is not signed`;
  }
  const lines = names.split(";").map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const canonical = `${method}\n${url}\n\n${lines.join("")}\n${names}\n${digest}`;
  const hash = createHash("sha256").update(canonical).digest("hex");
  const text = `AWS4-HMAC-SHA256\n${headers["x-amz-date"]}\n${day}/${region}/s3/aws4_request\n${hash}`;
  const hmac = (key: string | Buffer, data: string) => createHmac("sha256", key).update(data).digest();
  const key = hmac(hmac(hmac(hmac("AWS4secret", day), region), "s3"), "aws4_request");
  return hmac(key, text).toString("hex") === signature ? undefined : `wrong signature of ${method} ${url}`;
}
