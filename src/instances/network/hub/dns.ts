/**
 * The part of the domain name system that names of instances take: one question, answered with one address.
 * Sources: RFC 1035 4.1 (the messages), 3.2.2 (types), RFC 2308 (a name that is there without an address of the type).
 */

const HEADER_SIZE = 12;
const LONGEST_NAME = 255;
const LONGEST_LABEL = 63;

const Flag = { response: 0x8000, authoritative: 0x0400, recursionDesired: 0x0100, recursionAvailable: 0x0080 } as const;
const OPCODE_MASK = 0x7800;

const Type = { a: 1, any: 255 } as const;
const CLASS_INTERNET = 1;
const ResponseCode = { noError: 0, serverFailure: 2, noSuchName: 3 } as const;

/** Seconds that an answer may be remembered: an instance of the same name may have another address a moment later. */
const TIME_TO_LIVE = 5;

export interface DnsQuestion {
  /** In lower case, without the dot at its end. */
  readonly name: string;
  readonly type: number;
  /** The question as it stands in the message, to be repeated in the answer. */
  readonly bytes: Buffer;
  readonly id: number;
  readonly flags: number;
}

export type DnsVerdict =
  /** Four numbers between dots; undefined when the name is there and has no address of the type. */
  | { readonly kind: "address"; readonly address: string | undefined }
  | { readonly kind: "unknown" }
  | { readonly kind: "failed" };

/** The one question of a query; undefined when the message is anything else. */
export function readQuestion(message: Buffer): DnsQuestion | undefined {
  if (message.length < HEADER_SIZE + 5) return undefined;
  const flags = message.readUInt16BE(2);
  const isQuery = (flags & (Flag.response | OPCODE_MASK)) === 0;
  if (!isQuery || message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER_SIZE;
  for (;;) {
    if (at >= message.length || at - HEADER_SIZE > LONGEST_NAME) return undefined;
    const length = message.readUInt8(at);
    at += 1;
    if (length === 0) break;
    // Longer ones are pointers, which a question has no use for.
    if (length > LONGEST_LABEL || at + length > message.length) return undefined;
    labels.push(message.toString("latin1", at, at + length).toLowerCase());
    at += length;
  }
  if (at + 4 > message.length || message.readUInt16BE(at + 2) !== CLASS_INTERNET) return undefined;
  return {
    name: labels.join("."),
    type: message.readUInt16BE(at),
    bytes: message.subarray(HEADER_SIZE, at + 4),
    id: message.readUInt16BE(0),
    flags,
  };
}

/** Whether the question wants an IPv4 address. */
export function asksForAddress({ type }: DnsQuestion): boolean {
  return type === Type.a || type === Type.any;
}

export function writeAnswer(question: DnsQuestion, verdict: DnsVerdict): Buffer {
  const address = verdict.kind === "address" ? verdict.address : undefined;
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt16BE(question.id, 0);
  const flags = Flag.response | Flag.authoritative | Flag.recursionAvailable;
  header.writeUInt16BE(flags | (question.flags & Flag.recursionDesired) | codeOf(verdict), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(address === undefined ? 0 : 1, 6);
  return Buffer.concat([header, question.bytes, ...(address === undefined ? [] : [record(address)])]);
}

function codeOf({ kind }: DnsVerdict): number {
  if (kind === "address") return ResponseCode.noError;
  return kind === "unknown" ? ResponseCode.noSuchName : ResponseCode.serverFailure;
}

function record(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  // A pointer to the name of the question, which stands right behind the header.
  bytes.writeUInt16BE(0xc000 | HEADER_SIZE, 0);
  bytes.writeUInt16BE(Type.a, 2);
  bytes.writeUInt16BE(CLASS_INTERNET, 4);
  bytes.writeUInt32BE(TIME_TO_LIVE, 6);
  bytes.writeUInt16BE(4, 10);
  bytes.set(address.split(".").map(Number), 12);
  return bytes;
}
