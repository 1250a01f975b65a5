import { rmdirSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { basename, dirname } from "node:path";
import { FrameReader, packFrame } from "./frames.ts";
import type { JoinRequest } from "./protocol.ts";
import type { SwitchPort } from "./switch.ts";

export interface MemberInput {
  readonly request: JoinRequest;
  readonly address: string;
  /** The connection on which it joined. */
  readonly control: Socket;
  readonly onFrame: (member: Member, frame: Buffer) => void;
  /** Called once, when neither the instance nor its machine is there any more. */
  readonly onGone: (member: Member) => void;
}

/** How much may wait for a machine that does not read; what comes on top is dropped, as on any full wire. */
const MOST_WAITING = 1 << 20;
/** Machines take a moment until they listen. */
const FIRST_RETRY_MS = 5;
const LONGEST_RETRY_MS = 250;

/** An instance of a network, and the wire to its machine. */
export class Member implements SwitchPort {
  readonly #input: MemberInput;
  #wire: Socket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #hasLeft = false;
  #isGone = false;

  constructor(input: MemberInput) {
    this.#input = input;
    input.control.once("close", () => this.#leave());
    this.#connect(FIRST_RETRY_MS);
  }

  get name(): string {
    return this.#input.request.name;
  }

  get names(): readonly string[] {
    return this.#input.request.names;
  }

  get address(): string {
    return this.#input.address;
  }

  get hasWayOut(): boolean {
    return this.#input.request.outside;
  }

  get isConnected(): boolean {
    return this.#wire !== undefined;
  }

  send(frame: Buffer): void {
    const wire = this.#wire;
    if (wire === undefined || wire.writableLength > MOST_WAITING) return;
    // What comes in one turn goes out in one.
    wire.cork();
    wire.write(packFrame(frame));
    process.nextTick(() => wire.uncork());
  }

  isJoinedBy(control: Socket): boolean {
    return this.#input.control === control;
  }

  /** Another one takes its place, or the next hub will: where its machine listens is left as it is. */
  drop(): void {
    this.#hasLeft = true;
    clearTimeout(this.#retry);
    this.#input.control.destroy();
    this.#wire?.destroy();
    this.#go();
  }

  #connect(delay: number): void {
    const wire = connect(this.#input.request.socket);
    const reader = new FrameReader();
    wire.once("connect", () => {
      if (this.#isGone) wire.destroy();
      else this.#wire = wire;
    });
    wire.on("data", (chunk) => {
      const frames = reader.push(chunk);
      if (frames === undefined) wire.destroy();
      for (const frame of frames ?? []) this.#input.onFrame(this, frame);
    });
    wire.on("error", () => {});
    wire.once("close", () => {
      const wasConnected = this.#wire === wire;
      this.#wire = undefined;
      if (this.#hasLeft) this.#finish();
      else this.#retryAfter(wasConnected ? LONGEST_RETRY_MS : delay);
    });
  }

  #retryAfter(delay: number): void {
    this.#retry = setTimeout(() => this.#connect(Math.min(2 * delay, LONGEST_RETRY_MS)), delay);
  }

  #leave(): void {
    this.#hasLeft = true;
    if (this.#wire !== undefined) return;
    clearTimeout(this.#retry);
    this.#finish();
  }

  #finish(): void {
    if (this.#isGone) return;
    removeSocket(this.#input.request.socket);
    this.#go();
  }

  #go(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#input.onGone(this);
  }
}

/** Machines that were killed leave their socket behind, and the folder that was made for it alone. */
export function removeSocket(path: string): void {
  try {
    rmSync(path, { force: true });
    if (/^capstan-[A-Za-z0-9]{6}$/.test(basename(dirname(path)))) rmdirSync(dirname(path));
  } catch {
    // Something else is in the folder, or it is gone already.
  }
}
