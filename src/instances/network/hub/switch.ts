import { FRAME_HEADER_SIZE } from "./frames.ts";

/** One plug of a switch. */
export interface SwitchPort {
  /** Takes a frame that is for it. It lies in memory that is the sender's: copied by whoever keeps it. */
  send(frame: Buffer): void;
}

/**
 * How many addresses are remembered for a port: guests have one card each, and who makes up further addresses gets no
 * memory for them.
 */
const ADDRESSES_OF_A_PORT = 16;

/**
 * A switch that learns: a frame goes to the port where its destination was heard, and to all others as long as it was
 * not heard anywhere. Never back to where it came from.
 */
export class EthernetSwitch {
  /** The addresses heard behind each port, the oldest first. */
  readonly #ports = new Map<SwitchPort, Set<number>>();
  readonly #places = new Map<number, SwitchPort>();

  plug(port: SwitchPort): void {
    this.#ports.set(port, new Set());
  }

  unplug(port: SwitchPort): void {
    for (const address of this.#ports.get(port) ?? []) this.#places.delete(address);
    this.#ports.delete(port);
  }

  /** Passes on what has come in at a port. Anything shorter than a frame's header is dropped, as is what is unplugged. */
  receive(from: SwitchPort, frame: Buffer): void {
    if (frame.length < FRAME_HEADER_SIZE || !this.#ports.has(from)) return;
    const destination = frame.readUIntBE(0, 6);
    this.#learn(from, frame.readUIntBE(6, 6));
    const place = isGroup(frame) ? undefined : this.#places.get(destination);
    if (place !== undefined) {
      if (place !== from) place.send(frame);
      return;
    }
    for (const port of this.#ports.keys()) {
      if (port !== from) port.send(frame);
    }
  }

  #learn(port: SwitchPort, source: number): void {
    // The group bit of a source, or no address at all: nobody can be reached there.
    if (isGroupAddress(source) || source === 0) return;
    const before = this.#places.get(source);
    if (before === port) return;
    // A guest that was started again may come in at another port.
    if (before !== undefined) this.#ports.get(before)?.delete(source);
    const heard = this.#ports.get(port);
    if (heard === undefined) return;
    const oldest = heard.size >= ADDRESSES_OF_A_PORT ? first(heard) : undefined;
    if (oldest !== undefined) {
      heard.delete(oldest);
      this.#places.delete(oldest);
    }
    heard.add(source);
    this.#places.set(source, port);
  }
}

/** Broadcast and multicast: the lowest bit of the first byte. */
function isGroup(frame: Buffer): boolean {
  return (frame.readUInt8(0) & 1) === 1;
}

function isGroupAddress(address: number): boolean {
  return (Math.floor(address / 2 ** 40) & 1) === 1;
}

function first<Item>(items: Iterable<Item>): Item | undefined {
  for (const item of items) return item;
  return undefined;
}
