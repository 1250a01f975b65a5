import { type ChildProcess, spawn } from "node:child_process";
import { createServer, type Socket } from "node:net";
import { FrameReader, packFrame } from "../../../../src/instances/network/hub/frames.ts";

/** What listens as a machine does, and takes frames. */
export class StandInMachine {
  readonly socket: string;
  readonly frames: Buffer[] = [];
  wire: Socket | undefined;
  connections = 0;
  reads = true;
  readonly #server = createServer((wire) => this.#welcome(wire));
  readonly #waiting = new Set<() => void>();

  constructor(socket: string) {
    this.socket = socket;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(this.socket, resolve));
    return this;
  }

  send(frame: Buffer): void {
    this.raw(packFrame(frame));
  }

  raw(bytes: Buffer): void {
    this.wire?.write(bytes);
  }

  /** Resolves once `isSo`, looked at whenever something happens. */
  until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!isSo()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  connected(): Promise<void> {
    return this.until(() => this.wire !== undefined);
  }

  got(text: string): Promise<void> {
    return this.until(() => this.frames.some((frame) => frame.includes(text)));
  }

  /** As a machine that ends. */
  end(): void {
    this.#server.close();
    this.wire?.destroy();
  }

  #welcome(wire: Socket): void {
    this.wire = wire;
    this.connections++;
    const reader = new FrameReader();
    if (this.reads) {
      wire.on("data", (chunk) => {
        this.frames.push(...(reader.push(chunk) ?? []));
        this.#look();
      });
    }
    wire.on("error", () => {});
    wire.once("close", () => {
      if (this.wire === wire) this.wire = undefined;
      this.#look();
    });
    this.#look();
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}

/** A QEMU without a guest that ties its own user network, at 10.0.2.2, to the wire. */
export function startRealMachine(socket: string): ChildProcess {
  const networks = [
    "user,id=user",
    `stream,id=wire,server=on,addr.type=unix,addr.path=${socket}`,
    "hubport,id=one,hubid=0,netdev=user",
    "hubport,id=two,hubid=0,netdev=wire",
  ];
  const args = ["-nodefaults", "-machine", "none", "-display", "none", ...networks.flatMap((one) => ["-netdev", one])];
  return spawn("qemu-system-x86_64", args, { stdio: "ignore" });
}

export function frame(to: string, from: string, text: string): Buffer {
  const head = Buffer.from((to + from).replaceAll(":", ""), "hex");
  return Buffer.concat([head, Buffer.from("88b5", "hex"), Buffer.from(text)]);
}

export const EVERYBODY = "ff:ff:ff:ff:ff:ff";
