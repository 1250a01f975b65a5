import { CapstanError, ExitCode } from "../../support/errors.ts";
import { isRecord } from "../../support/records.ts";

/** What QEMU says on its machine protocol (docs/interop/qmp-spec of QEMU): one JSON object a line. */
export type QmpMessage =
  | { readonly kind: "greeting" }
  | { readonly kind: "return"; readonly id: unknown; readonly value: unknown }
  | { readonly kind: "error"; readonly id: unknown; readonly description: string }
  | { readonly kind: "event"; readonly name: string; readonly data: unknown };

/** Far above what a command that is used here answers. */
const LONGEST_LINE = 1 << 20;

/** Cuts the stream into lines, wherever its chunks end, and each line into a message. */
export class QmpReader {
  #pending: Buffer[] = [];
  #pendingLength = 0;

  /** @throws CapstanError `qmp-bad-answer` */
  push(chunk: Buffer): QmpMessage[] {
    const messages: QmpMessage[] = [];
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      this.#keep(chunk.subarray(start, end));
      const message = parseMessage(Buffer.concat(this.#pending).toString("utf8"));
      if (message !== undefined) messages.push(message);
      this.#pending = [];
      this.#pendingLength = 0;
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
    return messages;
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    this.#pendingLength += part.length;
    if (this.#pendingLength > LONGEST_LINE) throw badAnswer(`a line of more than ${LONGEST_LINE} bytes`);
    this.#pending.push(part);
  }
}

function parseMessage(line: string): QmpMessage | undefined {
  if (line.trim() === "") return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    throw badAnswer(`a line that is not JSON: ${line.slice(0, 80)}`);
  }
  if (!isRecord(parsed)) throw badAnswer(`a line that is not an object: ${line.slice(0, 80)}`);
  if ("QMP" in parsed) return { kind: "greeting" };
  if ("return" in parsed) return { kind: "return", id: parsed.id, value: parsed.return };
  if (isRecord(parsed.error)) {
    return { kind: "error", id: parsed.id, description: String(parsed.error.desc ?? "unknown error").slice(0, 1000) };
  }
  if (typeof parsed.event === "string") return { kind: "event", name: parsed.event, data: parsed.data };
  throw badAnswer(`a message of no known kind: ${line.slice(0, 80)}`);
}

function badAnswer(what: string): CapstanError {
  return new CapstanError(`QEMU's monitor sent ${what}`, {
    code: "qmp-bad-answer",
    hint: "Check that the socket belongs to QEMU and not to another program.",
    exitCode: ExitCode.unavailable,
  });
}
