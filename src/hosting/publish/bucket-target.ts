import { quoted } from "../../project/text-file.ts";
import { fetchDocument } from "../../remotes/http.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { EMPTY_SHA256, MULTIPART_SIZES, type MultipartSizes, type SendToKey, uploadInParts } from "./multipart.ts";
import { type Credentials, encodePath, signRequest } from "./sigv4.ts";
import type { PublishTarget } from "./target.ts";

/**
 * A bucket of S3, or of a server that speaks as it does, by `s3://BUCKET[/PREFIX]`. Environment: AWS_ACCESS_KEY_ID,
 * AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL, as Amazon's own tools have them.
 * Errors: CapstanError `bad-publish-target`, `no-credentials`.
 */
export function bucketTarget(
  address: string,
  env: Context["env"],
  sizes: MultipartSizes = MULTIPART_SIZES,
): PublishTarget {
  const { bucket, prefix } = parseAddress(address);
  const region = text(env.AWS_REGION) ?? text(env.AWS_DEFAULT_REGION) ?? "us-east-1";
  const base = baseUrl(bucket, { region, endpoint: text(env.AWS_ENDPOINT_URL_S3) ?? text(env.AWS_ENDPOINT_URL) });
  const credentials = credentialsOf(env);
  const urlOf = (path: string) => new URL(`${base}${encodePath(prefix + path)}`);
  const headersOf = (
    request: { readonly method: string; readonly url: URL; readonly payloadSha256: string },
    headers: Readonly<Record<string, string>>,
    time: Date,
  ) => signRequest({ ...request, headers, region, time }, credentials);

  return {
    address,
    async read(path, context) {
      const url = urlOf(path);
      const headers = headersOf({ method: "GET", url, payloadSha256: EMPTY_SHA256 }, {}, context.now());
      try {
        return (await fetchDocument({ url: url.href, headers, what: `${path} of ${address}` }, context)).body;
      } catch (error) {
        // S3 says of a key that there is none only to those who may list the bucket.
        const isMissing =
          error instanceof CapstanError && ["remote-not-found", "remote-forbidden"].includes(error.code);
        if (isMissing) return undefined;
        throw error;
      }
    },
    async write(file, context) {
      const content = { "content-type": typeOf(file.path), "cache-control": cachingOf(file.path) };
      const send: SendToKey = async ({ method, query, headers = {}, body, sha256 }, current) => {
        const url = urlOf(file.path);
        url.search = query;
        const signed = headersOf({ method, url, payloadSha256: sha256 }, headers, current.now());
        const what = `${file.path} to ${address}`;
        return await fetchDocument({ url: url.href, method, headers: signed, body, what }, current);
      };
      if (file.size > sizes.whole) {
        await uploadInParts(file, { send, headers: content, part: sizes.part }, context);
        return;
      }
      const body = { path: file.source, size: file.size };
      await send({ method: "PUT", query: "", headers: content, body, sha256: file.sha256 }, context);
    },
  };
}

function parseAddress(address: string): { readonly bucket: string; readonly prefix: string } {
  const match = /^s3:\/\/(?<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(?<prefix>.*))?$/.exec(address);
  const { bucket, prefix = "" } = match?.groups ?? {};
  const parts = prefix.replace(/\/$/, "").split("/");
  const isOdd = prefix !== "" && parts.some((part) => part === "" || part === "." || part === "..");
  if (bucket === undefined || isOdd || /\p{Cc}/u.test(prefix)) {
    throw new CapstanError(`${quoted(address)} is not the address of a bucket`, {
      code: "bad-publish-target",
      hint: "Write s3://BUCKET or s3://BUCKET/FOLDER, or the path of a folder.",
      exitCode: ExitCode.usage,
    });
  }
  return { bucket, prefix: prefix === "" ? "" : `${parts.join("/")}/` };
}

/** Servers other than Amazon's are asked by path, since few of them have a host name for each bucket. */
function baseUrl(
  bucket: string,
  { region, endpoint }: { readonly region: string; readonly endpoint: string | undefined },
): string {
  if (endpoint !== undefined) {
    if (URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol)) {
      return `${endpoint.replace(/\/+$/, "")}/${bucket}/`;
    }
    throw new CapstanError(`AWS_ENDPOINT_URL is ${quoted(endpoint)}, and has to be an address of http or https`, {
      code: "bad-publish-target",
      hint: "Set it to something like https://s3.example.com, or unset it for Amazon's own.",
      exitCode: ExitCode.usage,
    });
  }
  if (!/^[a-z0-9-]+$/.test(region)) {
    throw new CapstanError(`AWS_REGION is ${quoted(region)}, and has to be a region such as eu-central-1`, {
      code: "bad-publish-target",
      hint: "Correct it.",
      exitCode: ExitCode.usage,
    });
  }
  const domain = `s3.${region}.amazonaws.com`;
  // The certificate of the domain holds for one more label, and no dot in it.
  return bucket.includes(".") ? `https://${domain}/${bucket}/` : `https://${bucket}.${domain}/`;
}

function credentialsOf(env: Context["env"]): Credentials {
  const accessKeyId = text(env.AWS_ACCESS_KEY_ID);
  const secretAccessKey = text(env.AWS_SECRET_ACCESS_KEY);
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new CapstanError("The credentials of the bucket are not set", {
      code: "no-credentials",
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; AWS_REGION and AWS_ENDPOINT_URL say where the bucket is.",
      exitCode: ExitCode.usage,
    });
  }
  return { accessKeyId, secretAccessKey, sessionToken: text(env.AWS_SESSION_TOKEN) };
}

/** Indexes and pages are asked about each time; a package may be kept for an hour. */
function cachingOf(path: string): string {
  return /\.(json|sig|html|yaml)$/.test(path) ? "no-cache" : "max-age=3600";
}

function typeOf(path: string): string {
  const types: Readonly<Record<string, string>> = {
    html: "text/html; charset=utf-8",
    json: "application/json",
    yaml: "application/yaml",
  };
  return types[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
}

function text(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}
