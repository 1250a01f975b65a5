import { createServer, type Server, type Socket } from "node:net";
import { addressFor, gatewayMac, isMemberAddress, MOST_MEMBERS, type Subnet, subnetOf } from "./addresses.ts";
import { Gateway } from "./gateway.ts";
import { readLines } from "./lines.ts";
import { Member } from "./member.ts";
import { type HubAnswer, type JoinRequest, LONGEST_LINE, type MemberView, parseRequest } from "./protocol.ts";
import { EthernetSwitch } from "./switch.ts";

export interface HubInput {
  /** The network's name. */
  readonly network: string;
  /** Where instances ask to join. */
  readonly socket: string;
  /** The IPv4 address of a name of the outer world; undefined when there is none. */
  readonly resolveOutside: (name: string) => Promise<string | undefined>;
  /** Called when the last member has gone. */
  readonly onEmpty: () => void;
}

/** Connections of instances, members or about to be. */
const MOST_CONNECTIONS = MOST_MEMBERS + 64;

/** A network in user space: machines are its ports, and nothing of it leaves this process. */
export class Hub {
  readonly #input: HubInput;
  readonly #subnet: Subnet;
  readonly #members = new Map<string, Member>();
  readonly #switch = new EthernetSwitch();
  readonly #server: Server;
  readonly #controls = new Set<Socket>();
  readonly #gateway: Gateway;

  constructor(input: HubInput) {
    this.#input = input;
    this.#subnet = subnetOf(input.network);
    const port = { send: (frame: Buffer) => this.#gateway.receive(frame) };
    this.#gateway = new Gateway({
      mac: gatewayMac(input.network),
      address: this.#subnet.gateway,
      resolve: (name) => this.#resolve(name),
      resolveOutside: (name, asker) => (this.#hasWayOut(asker) ? input.resolveOutside(name) : undefined),
      send: (frame) => this.#switch.receive(port, frame),
    });
    this.#switch.plug(port);
    this.#server = createServer((control) => this.#welcome(control));
    this.#server.maxConnections = MOST_CONNECTIONS;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#input.socket, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** Ends everything: members are told by the end of their connection. */
  close(): void {
    this.#server.close();
    for (const control of this.#controls) control.destroy();
    for (const member of [...this.#members.values()]) member.drop();
  }

  #welcome(control: Socket): void {
    this.#controls.add(control);
    control.once("close", () => this.#controls.delete(control));
    control.on("error", () => {});
    readLines(control, LONGEST_LINE, (line) => {
      control.write(`${JSON.stringify(this.#answer(line, control))}\n`);
    });
  }

  #answer(line: string, control: Socket): HubAnswer {
    const request = parseRequest(line);
    if (request === undefined) return { ok: false, code: "bad-request", message: "that is no request" };
    if (request.do === "status") return { ok: true, members: this.#views() };
    const isMember = [...this.#members.values()].some((member) => member.isJoinedBy(control));
    if (isMember) return { ok: false, code: "bad-request", message: "this connection has joined already" };
    return this.#join(request, control);
  }

  #join(request: JoinRequest, control: Socket): HubAnswer {
    // Names of running instances differ: one of the same name has ended, and its end was not seen yet.
    this.#members.get(request.name)?.drop();
    const address = this.#addressOf(request);
    if (typeof address !== "string") return address;
    const member = new Member({
      ...{ request, address, control },
      onFrame: (from, frame) => this.#switch.receive(from, frame),
      onGone: (gone) => this.#remove(gone),
    });
    this.#members.set(request.name, member);
    this.#switch.plug(member);
    return { ok: true, address, members: this.#views() };
  }

  #addressOf({ name, address, fixed }: JoinRequest): string | HubAnswer {
    const holder = (wanted: string) => [...this.#members.values()].find((member) => member.address === wanted);
    if (address !== undefined && isMemberAddress(address, this.#subnet)) {
      const other = holder(address);
      if (other === undefined) return address;
      if (fixed) return { ok: false, code: "address-taken", message: `${address} is the address of ${other.name}` };
    } else if (fixed) {
      const { base, prefix } = this.#subnet;
      const message = `${address} is not one from ${base}.2 to ${base}.${MOST_MEMBERS + 1} (${base}.0/${prefix})`;
      return { ok: false, code: "address-taken", message };
    }
    const free = addressFor(name, this.#subnet, (one) => holder(one) !== undefined);
    return free ?? { ok: false, code: "network-full", message: `it has ${MOST_MEMBERS} members` };
  }

  #remove(member: Member): void {
    this.#switch.unplug(member);
    if (this.#members.get(member.name) === member) this.#members.delete(member.name);
    if (this.isEmpty) this.#input.onEmpty();
  }

  #resolve(name: string): string | undefined {
    for (const member of this.#members.values()) {
      if (member.names.some((one) => one.toLowerCase() === name)) return member.address;
    }
    return undefined;
  }

  #hasWayOut(address: string): boolean {
    return [...this.#members.values()].some((member) => member.address === address && member.hasWayOut);
  }

  #views(): MemberView[] {
    return [...this.#members.values()].map(({ name, names, address, isConnected }) => ({
      ...{ name, names, address },
      connected: isConnected,
    }));
  }
}
