/** What guests send, made and read by other means than the hub's. */
export const ADDRESS = "10.128.0.1";
export const MAC = "02:aa:aa:aa:aa:01";
const GUEST = "02:00:00:00:00:09";

function mac(text: string): Buffer {
  return Buffer.from(text.replaceAll(":", ""), "hex");
}

function ip(text: string): Buffer {
  return Buffer.from(text.split(".").map(Number));
}

export function arpRequest(address: string, from = "10.128.0.9", sender = GUEST): Buffer {
  const head = Buffer.concat([mac("ff:ff:ff:ff:ff:ff"), mac(sender), Buffer.from("0806", "hex")]);
  const body = [Buffer.from("0001080006040001", "hex"), mac(sender), ip(from), Buffer.alloc(6), ip(address)];
  return Buffer.concat([head, ...body, Buffer.alloc(18)]);
}

function packet(protocol: number, payload: Buffer, to = ADDRESS): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(20 + payload.length, 2);
  header.writeUInt8(64, 8);
  header.writeUInt8(protocol, 9);
  header.set(ip("10.128.0.9"), 12);
  header.set(ip(to), 16);
  header.writeUInt16BE(complementOf(header), 10);
  return Buffer.concat([mac(MAC), mac(GUEST), Buffer.from("0800", "hex"), header, payload]);
}

export function echoRequest(text: string): Buffer {
  const message = Buffer.concat([Buffer.from("0800000000010001", "hex"), Buffer.from(text)]);
  message.writeUInt16BE(complementOf(message), 2);
  return packet(1, message);
}

export function udp(port: number, payload: Buffer, to = ADDRESS): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(40_000, 0);
  header.writeUInt16BE(port, 2);
  header.writeUInt16BE(8 + payload.length, 4);
  return packet(17, Buffer.concat([header, payload]), to);
}

export function dnsQuery(name: string, type: number, to = ADDRESS): Buffer {
  const labels = name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const tail = Buffer.from([0, 0, type, 0, 1]);
  return udp(53, Buffer.concat([Buffer.from("123401000001000000000000", "hex"), ...labels, tail]), to);
}

export function parseReply(frame: Buffer): unknown {
  const text = (bytes: Buffer) => [...bytes].join(".");
  const hex = (bytes: Buffer) => bytes.toString("hex").replace(/(..)(?=.)/g, "$1:");
  if (frame.readUInt16BE(12) === 0x0806) {
    const [sender, address, target] = [frame.subarray(22, 28), frame.subarray(28, 32), frame.subarray(38, 42)];
    return {
      kind: "arp",
      to: hex(frame.subarray(0, 6)),
      mac: hex(sender),
      address: text(address),
      target: text(target),
    };
  }
  const header = frame.subarray(14, 34);
  const payload = frame.subarray(34);
  const to = text(header.subarray(16, 20));
  const headerIsRight = complementOf(header) === 0;
  if (header.readUInt8(9) === 1) {
    const isReply = payload.readUInt8(0) === 0;
    const sumsAreRight = headerIsRight && complementOf(payload) === 0;
    return { kind: isReply ? "echo" : "icmp", to, payload: payload.subarray(8).toString(), sumsAreRight };
  }
  const pseudo = Buffer.concat([header.subarray(12, 20), Buffer.from([0, 17]), payload.subarray(4, 6)]);
  const sumsAreRight = headerIsRight && complementOf(Buffer.concat([pseudo, payload])) === 0;
  const message = payload.subarray(8);
  const count = message.readUInt16BE(6);
  const addresses = count === 0 ? [] : [text(message.subarray(message.length - 4))];
  const code = message.readUInt16BE(2) & 15;
  return { kind: "dns", to, port: payload.readUInt16BE(2), id: message.readUInt16BE(0), code, addresses, sumsAreRight };
}

/** 0 over something that holds its own right sum. */
function complementOf(bytes: Buffer): number {
  const words = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
  let sum = 0;
  for (let at = 0; at < words.length; at += 2) {
    sum += words.readUInt16BE(at);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return 0xffff - sum;
}
