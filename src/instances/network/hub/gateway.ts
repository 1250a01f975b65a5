import { asksForAddress, type DnsQuestion, type DnsVerdict, readQuestion, writeAnswer } from "./dns.ts";
import { FRAME_HEADER_SIZE } from "./frames.ts";

export interface GatewayInput {
  readonly mac: string;
  /** IPv4. */
  readonly address: string;
  /** The address of a member by its name. */
  readonly resolve: (name: string) => string | undefined;
  /** For names that are no member's, asked by the member of this address; undefined when it has no way to the outer world. */
  readonly resolveOutside: (name: string, asker: string) => Promise<string | undefined> | undefined;
  readonly send: (frame: Buffer) => void;
}

/**
 * What the hub itself is on its network: an address that answers to ARP, to ping, and to questions for names.
 *
 * Sources: RFC 826 (ARP), RFC 791 (IPv4), RFC 792 (echo), RFC 768 (UDP).
 */
export class Gateway {
  readonly #input: GatewayInput;
  readonly #mac: Buffer;
  readonly #address: Buffer;
  /** Questions for outside names that are being looked up. */
  #pending = 0;

  constructor(input: GatewayInput) {
    this.#input = input;
    this.#mac = Buffer.from(input.mac.replaceAll(":", ""), "hex");
    this.#address = Buffer.from(input.address.split(".").map(Number));
  }

  /** Takes a frame of the network; anything that is not for it, or not whole, is passed over. */
  receive(frame: Buffer): void {
    if (frame.length < FRAME_HEADER_SIZE) return;
    const type = frame.readUInt16BE(12);
    const body = frame.subarray(FRAME_HEADER_SIZE);
    if (type === EtherType.arp) this.#arp(body);
    if (type === EtherType.ipv4 && frame.subarray(0, 6).equals(this.#mac)) this.#ip(frame, body);
  }

  #arp(body: Buffer): void {
    if (body.length < ARP_SIZE || !body.subarray(0, 8).equals(ARP_REQUEST)) return;
    if (!body.subarray(24, 28).equals(this.#address)) return;
    const asker = body.subarray(8, 18);
    const reply = Buffer.concat([ARP_REPLY, this.#mac, this.#address, asker]);
    this.#input.send(this.#ethernet(asker.subarray(0, 6), EtherType.arp, reply));
  }

  #ip(frame: Buffer, packet: Buffer): void {
    const found = readIp(packet);
    if (found === undefined || !found.destination.equals(this.#address)) return;
    const asker: Asker = { mac: Buffer.from(frame.subarray(6, 12)), address: Buffer.from(found.source) };
    if (found.protocol === Protocol.icmp) this.#icmp(asker, found.payload);
    if (found.protocol === Protocol.udp) this.#udp(asker, found.payload);
  }

  #icmp(asker: Asker, message: Buffer): void {
    const isEcho = message.length >= 8 && message.readUInt8(0) === ECHO_REQUEST && message.readUInt8(1) === 0;
    if (!isEcho) return;
    const reply = Buffer.from(message);
    reply.fill(0, 0, 4);
    reply.writeUInt16BE(checksum(reply), 2);
    this.#sendIp(asker, Protocol.icmp, reply);
  }

  #udp(asker: Asker, datagram: Buffer): void {
    if (datagram.length < UDP_HEADER_SIZE || datagram.readUInt16BE(2) !== DNS_PORT) return;
    const length = datagram.readUInt16BE(4);
    if (length < UDP_HEADER_SIZE || length > datagram.length) return;
    const question = readQuestion(datagram.subarray(UDP_HEADER_SIZE, length));
    if (question === undefined) return;
    const port = datagram.readUInt16BE(0);
    const answer = (verdict: DnsVerdict) => this.#sendUdp(asker, port, writeAnswer(question, verdict));
    const address = this.#input.resolve(question.name);
    if (address === undefined) this.#answerFromOutside(asker, question, answer);
    else answer({ kind: "address", address: asksForAddress(question) ? address : undefined });
  }

  #answerFromOutside(asker: Asker, question: DnsQuestion, answer: (verdict: DnsVerdict) => void): void {
    // Names without a dot are names of members, whether they are there or not.
    const isOutside = question.name.includes(".");
    const found = isOutside ? this.#lookUpOutside(question.name, asker) : undefined;
    if (found === undefined) {
      answer({ kind: "unknown" });
      return;
    }
    found.then(
      (address) => {
        if (address === undefined) answer({ kind: "unknown" });
        else answer({ kind: "address", address: asksForAddress(question) ? address : undefined });
      },
      () => answer({ kind: "failed" }),
    );
  }

  #lookUpOutside(name: string, asker: Asker): Promise<string | undefined> | undefined {
    if (this.#pending >= MOST_PENDING) return Promise.reject(new Error("too many questions at once"));
    const found = this.#input.resolveOutside(name, [...asker.address].join("."));
    if (found === undefined) return undefined;
    this.#pending++;
    return found.finally(() => {
      this.#pending--;
    });
  }

  #sendUdp(asker: Asker, port: number, payload: Buffer): void {
    const header = Buffer.alloc(UDP_HEADER_SIZE);
    header.writeUInt16BE(DNS_PORT, 0);
    header.writeUInt16BE(port, 2);
    header.writeUInt16BE(UDP_HEADER_SIZE + payload.length, 4);
    const pseudo = Buffer.concat([this.#address, asker.address, Buffer.from([0, Protocol.udp]), header.subarray(4, 6)]);
    // A sum of 0 would say that there is none.
    header.writeUInt16BE(checksum(Buffer.concat([pseudo, header, payload])) || 0xffff, 6);
    this.#sendIp(asker, Protocol.udp, Buffer.concat([header, payload]));
  }

  #sendIp(asker: Asker, protocol: number, payload: Buffer): void {
    const header = Buffer.alloc(IP_HEADER_SIZE);
    header.writeUInt8(0x45, 0);
    header.writeUInt16BE(IP_HEADER_SIZE + payload.length, 2);
    header.writeUInt8(64, 8);
    header.writeUInt8(protocol, 9);
    header.set(this.#address, 12);
    header.set(asker.address, 16);
    header.writeUInt16BE(checksum(header), 10);
    this.#input.send(this.#ethernet(asker.mac, EtherType.ipv4, Buffer.concat([header, payload])));
  }

  #ethernet(to: Uint8Array, type: number, payload: Buffer): Buffer {
    const header = Buffer.alloc(FRAME_HEADER_SIZE);
    header.set(to, 0);
    header.set(this.#mac, 6);
    header.writeUInt16BE(type, 12);
    return Buffer.concat([header, payload]);
  }
}

interface Asker {
  readonly mac: Buffer;
  readonly address: Buffer;
}

const EtherType = { ipv4: 0x0800, arp: 0x0806 } as const;
const Protocol = { icmp: 1, udp: 17 } as const;

/** Ethernet and IPv4 with addresses of 6 and 4 bytes; the last number is what is done. */
const ARP_REQUEST = Buffer.from([0, 1, 8, 0, 6, 4, 0, 1]);
const ARP_REPLY = Buffer.from([0, 1, 8, 0, 6, 4, 0, 2]);
const ARP_SIZE = 28;

const IP_HEADER_SIZE = 20;
const ECHO_REQUEST = 8;
const UDP_HEADER_SIZE = 8;
const DNS_PORT = 53;
const MOST_PENDING = 64;

interface IpPacket {
  readonly source: Buffer;
  readonly destination: Buffer;
  readonly protocol: number;
  readonly payload: Buffer;
}

/** A packet that is whole; pieces of one are not put together. */
function readIp(packet: Buffer): IpPacket | undefined {
  if (packet.length < IP_HEADER_SIZE || packet.readUInt8(0) >> 4 !== 4) return undefined;
  const headerSize = (packet.readUInt8(0) & 15) * 4;
  const size = packet.readUInt16BE(2);
  if (headerSize < IP_HEADER_SIZE || size < headerSize || size > packet.length) return undefined;
  const isPiece = (packet.readUInt16BE(6) & 0x3fff) !== 0;
  if (isPiece) return undefined;
  return {
    source: packet.subarray(12, 16),
    destination: packet.subarray(16, 20),
    protocol: packet.readUInt8(9),
    payload: packet.subarray(headerSize, size),
  };
}

/** RFC 1071: the complement of the sum of 16-bit words in ones' complement. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  if (bytes.length % 2 === 1) sum += bytes.readUInt8(bytes.length - 1) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
