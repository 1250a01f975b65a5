import { quoted } from "../../project/text-file.ts";
import { isRecord } from "../../support/records.ts";

/** One answer to the listing of a bucket, of version 1 or 2: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html. */
export interface ListPage {
  readonly objects: readonly BucketObject[];
  readonly truncated: boolean;
  /** Version 2: what the next page is asked for with. */
  readonly continuationToken: string | undefined;
  /** Version 1, and there only of some servers: the last key of this page otherwise. */
  readonly nextMarker: string | undefined;
}

export interface BucketObject {
  readonly key: string;
  /** In bytes. */
  readonly size: number | undefined;
  /** The ETag, which is no digest that one could rely on, with the time of the last change. */
  readonly state: string | undefined;
}

/** `problem` says why a text is no listing, in words that follow "it". No entity but those of XML itself is expanded. */
export async function parseListPage(body: Buffer): Promise<ListPage | { readonly problem: string }> {
  const text = decodeUtf8(body);
  if (text === undefined) return { problem: "is not a text in UTF-8" };
  if (/<html[\s>]/i.test(text.slice(0, 2000))) return { problem: "is a web page" };
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) return { problem: "declares a document type, which no listing does" };
  const { XMLParser, XMLValidator } = await import("fast-xml-parser");
  // The parser itself takes a text that is cut off for the whole.
  if (XMLValidator.validate(text) !== true) return { problem: "is not complete XML" };
  try {
    return readPage(new XMLParser(PARSER).parse(text));
  } catch {
    return { problem: "is not XML that can be read" };
  }
}

const LIST = "ListBucketResult";
const OBJECT = "Contents";

const PARSER = {
  processEntities: false,
  parseTagValue: false,
  trimValues: false,
  ignoreAttributes: true,
  ignoreDeclaration: true,
  removeNSPrefix: true,
  maxNestedTags: 20,
  isArray: (name: string) => name === OBJECT,
};

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function readPage(document: unknown): ListPage | { readonly problem: string } {
  const error = isRecord(document) ? document.Error : undefined;
  if (isRecord(error)) {
    return { problem: `is an error: ${quoted(`${textOf(error.Code) ?? ""}: ${textOf(error.Message) ?? ""}`)}` };
  }
  const list = isRecord(document) ? document[LIST] : undefined;
  // An empty element is an empty text.
  if (!isRecord(list) && list !== "") return { problem: `is XML without a ${LIST}` };
  const fields = isRecord(list) ? list : {};
  const contents: readonly unknown[] = Array.isArray(fields[OBJECT]) ? fields[OBJECT] : [];
  const objects = contents.map(readObject);
  if (objects.includes(undefined)) return { problem: "has objects without a key" };
  return {
    objects: objects.filter((object) => object !== undefined),
    truncated: textOf(fields.IsTruncated)?.trim().toLowerCase() === "true",
    continuationToken: textOf(fields.NextContinuationToken) || undefined,
    nextMarker: textOf(fields.NextMarker) || undefined,
  };
}

function readObject(value: unknown): BucketObject | undefined {
  const key = isRecord(value) ? textOf(value.Key) : undefined;
  if (!isRecord(value) || key === undefined) return undefined;
  const [size = "", etag, modified] = [textOf(value.Size), textOf(value.ETag), textOf(value.LastModified)];
  return {
    key,
    size: /^\s*\d{1,15}\s*$/.test(size) ? Number(size) : undefined,
    state: etag === undefined && modified === undefined ? undefined : `${etag ?? ""} ${modified ?? ""} ${size}`,
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value.replace(REFERENCE, decodeReference) : undefined;
}

/** What keys and tokens are written with where they hold a character of XML; all others stay as they are. */
const REFERENCE = /&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});/g;

const NAMED: Readonly<Record<string, string>> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
};

function decodeReference(reference: string): string {
  const named = NAMED[reference];
  if (named !== undefined) return named;
  const digits = reference.slice(2, -1);
  const code = digits.startsWith("x") ? Number.parseInt(digits.slice(1), 16) : Number.parseInt(digits, 10);
  return code <= 0x10ffff ? String.fromCodePoint(code) : reference;
}
