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
  /** Those that have neither ended nor been given up, with their parts. */
  readonly uploads: Map<string, Map<number, Buffer>>;
  /** In the order in which they came. */
  readonly partSizes: number[];
  /** May answer instead. */
  before: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** A server with buckets by path that checks each signature for itself, and each body against its digest. */
export async function writableBucket(): Promise<WritableBucket> {
  const bucket: WritableBucket = {
    url: "",
    objects: new Map(),
    put: [],
    problems: [],
    uploads: new Map(),
    partSizes: [],
    before: () => false,
  };
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
  const { pathname, searchParams: query } = new URL(request.url ?? "", "http://bucket");
  const key = decodeURIComponent(pathname.slice(1));
  if (query.size > 0) {
    answerParts(bucket, { request, response, body }, key);
    return;
  }
  if (request.method === "PUT") {
    bucket.objects.set(key, body);
    bucket.put.push(key);
    response.writeHead(200).end();
    return;
  }
  const content = bucket.objects.get(key);
  response.writeHead(content === undefined ? 404 : 200).end(content);
}

/** Amazon S3 API Reference: CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload. */
function answerParts(
  { uploads, objects, put, partSizes }: WritableBucket,
  { request, response, body }: Received,
  key: string,
) {
  const query = new URL(request.url ?? "", "http://bucket").searchParams;
  const xml = (text: string) => void response.writeHead(200, { "content-type": "application/xml" }).end(text);
  if (request.method === "POST" && query.has("uploads")) {
    const id = `of ${key}&${uploads.size}`;
    uploads.set(id, new Map());
    return xml(
      `<InitiateMultipartUploadResult><UploadId>${id.replace("&", "&amp;")}</UploadId></InitiateMultipartUploadResult>`,
    );
  }
  const id = query.get("uploadId") ?? "";
  const parts = uploads.get(id);
  if (parts === undefined) return void response.writeHead(404).end();
  if (request.method === "PUT") {
    parts.set(Number(query.get("partNumber")), body);
    partSizes.push(body.length);
    return void response.writeHead(200, { etag: etagOf(body) }).end();
  }
  if (request.method === "DELETE") {
    uploads.delete(id);
    return void response.writeHead(204).end();
  }
  const listed = [...body.toString().matchAll(/<Part><PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag><\/Part>/g)];
  const chosen = listed.map(([, number, etag]) => ({ content: parts.get(Number(number)), etag }));
  if (chosen.some(({ content, etag }) => content === undefined || etagOf(content) !== etag)) {
    return xml("<Error><Code>InvalidPart</Code><Message>One or more parts could not be found</Message></Error>");
  }
  uploads.delete(id);
  objects.set(key, Buffer.concat(chosen.map(({ content }) => content ?? Buffer.alloc(0))));
  put.push(key);
  xml("<CompleteMultipartUploadResult/>");
}

function etagOf(content: Buffer): string {
  return `"${createHash("md5").update(content).digest("hex")}"`;
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
  const [path = "", query = ""] = url.split("?");
  const pairs = query === "" ? [] : query.split("&").map((pair) => (pair.includes("=") ? pair : `${pair}=`));
  const canonical = `${method}\n${path}\n${pairs.sort().join("&")}\n${lines.join("")}\n${names}\n${digest}`;
  const hash = createHash("sha256").update(canonical).digest("hex");
  const text = `AWS4-HMAC-SHA256\n${headers["x-amz-date"]}\n${day}/${region}/s3/aws4_request\n${hash}`;
  const hmac = (key: string | Buffer, data: string) => createHmac("sha256", key).update(data).digest();
  const key = hmac(hmac(hmac(hmac("AWS4secret", day), region), "s3"), "aws4_request");
  return hmac(key, text).toString("hex") === signature ? undefined : `wrong signature of ${method} ${url}`;
}
