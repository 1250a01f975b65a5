import { quoted } from "../../project/text-file.ts";
import { IndexLimit } from "./schema.ts";

/**
 * The path that a relative address of an index stands for, or what is wrong with it. Only plain paths that stay below
 * the folder of the index pass: no scheme, host, query or fragment, and no segment that a server, a proxy or a file
 * system might take for another one.
 */
export function parseRelativeUrl(url: string): { readonly path: string } | { readonly problem: string } {
  if (url.length > IndexLimit.url) return { problem: `is longer than ${IndexLimit.url} characters` };
  if (/[?#\\]/.test(url)) return { problem: `${quoted(url)} has one of '?', '#' and '\\' in it` };
  if (/^[^/]*:|^\//.test(url)) return { problem: `${quoted(url)} is not relative to the folder of the index` };
  const segments = url.split("/").map(decodeSegment);
  if (!segments.every((segment) => segment !== undefined && isSegment(segment))) {
    return { problem: `${quoted(url)} is not a path below the folder of the index` };
  }
  return { path: segments.join("/") };
}

/** The relative address of a path, each byte that has a meaning in an address percent-encoded. */
export function relativeUrl(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

/** Whether a name can be one of a file below the repository's folder; names with a leading dot are nobody's to ask for. */
export function isSegment(segment: string): boolean {
  return segment !== "" && !segment.startsWith(".") && !/[\p{Cc}\p{Cs}/\\]/u.test(segment);
}

function decodeSegment(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
