import { quoted } from "../../project/text-file.ts";
import { CapstanError } from "../../support/errors.ts";
import { isRecord } from "../../support/records.ts";

/** A release as GitHub's REST API has it, as far as it is of use: https://docs.github.com/en/rest/releases/releases. */
export interface Release {
  readonly tag: string;
  readonly assets: readonly Asset[];
}

export interface Asset {
  readonly name: string;
  readonly size: number | undefined;
  /** In small hexadecimal digits; releases that were published before 2025 have none. */
  readonly sha256: string | undefined;
  /** Where browsers download it, without a token. */
  readonly browserUrl: string | undefined;
  /** The same in the API: with `Accept: application/octet-stream`, and with a token for repositories that are not public. */
  readonly apiUrl: string | undefined;
  /** Changes when the asset is replaced. */
  readonly state: string | undefined;
}

/**
 * The releases of one answer: a list, or a single release. Drafts, assets that are still being uploaded, and what has no usable name or
 * address are passed over; `skip` is told of the latter. Error: CapstanError `remote-bad-listing`.
 */
export function parseReleases(body: Buffer, what: string, skip: (problem: string) => void): readonly Release[] {
  const value = parseJson(body, what);
  if (!Array.isArray(value) && !(isRecord(value) && "tag_name" in value)) {
    throw badListing(what, "it is neither a release nor a list of them");
  }
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  return items.flatMap((item) => {
    const release = parseRelease(item, skip);
    return release === undefined ? [] : [release];
  });
}

function parseJson(body: Buffer, what: string): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw badListing(what, "it is not JSON", error);
  }
}

function badListing(what: string, reason: string, cause?: unknown): CapstanError {
  return new CapstanError(`The answer to the question for ${what} cannot be read: ${reason}`, {
    code: "remote-bad-listing",
    hint: "Check the address: it must be that of GitHub's REST API, such as https://api.github.com.",
    cause,
  });
}

function parseRelease(value: unknown, skip: (problem: string) => void): Release | undefined {
  if (!isRecord(value)) {
    skip("A release is passed over: it is no object");
    return undefined;
  }
  if (value.draft === true) return undefined;
  const tag = value.tag_name;
  if (typeof tag !== "string" || !isPlain(tag)) {
    skip(`A release is passed over: its tag is ${quoted(String(tag))}`);
    return undefined;
  }
  const assets: readonly unknown[] = Array.isArray(value.assets) ? value.assets : [];
  return { tag, assets: assets.flatMap((asset) => parseAsset(asset, tag, skip) ?? []) };
}

function parseAsset(value: unknown, tag: string, skip: (problem: string) => void): Asset | undefined {
  if (!isRecord(value) || typeof value.name !== "string" || !isPlain(value.name)) {
    skip(`An asset of the release ${quoted(tag)} is passed over: it has no usable name`);
    return undefined;
  }
  // `starter` is an upload that has not ended.
  if (value.state !== undefined && value.state !== "uploaded") return undefined;
  const browserUrl = httpUrl(value.browser_download_url);
  const apiUrl = httpUrl(value.url);
  if (browserUrl === undefined && apiUrl === undefined) {
    skip(`The asset ${quoted(value.name)} of the release ${quoted(tag)} is passed over: it has no usable address`);
    return undefined;
  }
  const size = isSize(value.size) ? value.size : undefined;
  const sha256 = digestOf(value.digest);
  return { name: value.name, size, sha256, browserUrl, apiUrl, state: stateOf(value, sha256) };
}

/** Never file: or anything else that a server has no business to send us to. */
function httpUrl(value: unknown): string | undefined {
  if (typeof value !== "string" || !URL.canParse(value)) return undefined;
  const { protocol, username, href } = new URL(value);
  return ["http:", "https:"].includes(protocol) && username === "" ? href : undefined;
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function digestOf(value: unknown): string | undefined {
  const match = typeof value === "string" ? /^sha256:([0-9a-f]{64})$/i.exec(value) : null;
  return match?.[1]?.toLowerCase();
}

function stateOf(asset: Readonly<Record<string, unknown>>, sha256: string | undefined): string | undefined {
  if (sha256 !== undefined) return sha256;
  const { id, updated_at: updated, size } = asset;
  return typeof id === "number" && typeof updated === "string" ? `${id} ${updated} ${String(size)}` : undefined;
}

function isPlain(text: string): boolean {
  return text !== "" && text.length <= 255 && !/\p{Cc}|\p{Cf}|\p{Cs}|\p{Zl}|\p{Zp}/u.test(text);
}
