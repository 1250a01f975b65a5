import { isRecord } from "../support/records.ts";
import type { OpenAnswer } from "./http-exchange.ts";

/** What the body of an error says, as one short line without markup and control characters; undefined when it says nothing. */
export async function errorLine(answer: OpenAnswer): Promise<string | undefined> {
  const bytes = await firstBytes(answer);
  if (answer.headers["content-encoding"] !== undefined) return undefined;
  return cleanLine(sentenceOf(bytes.toString("utf8")));
}

/** At most so much is read of a body that nobody asked for. */
const READ_LIMIT = 16 * 1024;
const SHOWN = 160;

async function firstBytes(answer: OpenAnswer): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer.body) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= READ_LIMIT) break;
    }
  } catch {
    // The status says enough.
  }
  return Buffer.concat(chunks).subarray(0, READ_LIMIT);
}

/** `message` of JSON (GitHub), `<Message>` of XML (S3), the title of a page, or the first line of a text. */
function sentenceOf(text: string): string {
  const json = parseJson(text);
  if (isRecord(json)) return typeof json.message === "string" ? json.message : "";
  const tagged = /<(message|title|h1)\b[^>]{0,200}>([^<]{1,1000})</i.exec(text)?.[2];
  if (tagged !== undefined) return tagged;
  return /^\s*</.test(text) ? "" : (text.trim().split("\n")[0] ?? "");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function cleanLine(text: string): string | undefined {
  const line = text
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\ufffd]/gu, " ")
    .replace(/\s+/g, " ")
    .trim();
  if (line === "") return undefined;
  return line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line;
}
