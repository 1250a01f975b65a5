import type { QemuProcess } from "../../hypervisors/qemu/process.ts";
import { readLog } from "./log-reader.ts";

/** What a terminal sends for Ctrl-D. */
export const END_OF_INPUT = Buffer.from([0x04]);

/** Of guest/: its terminal makes an end of input of a Ctrl-D. */
const TAKES_IT = "Capstan demo kernel";
/**
 * OSv's banner. Its console has no end of input: drivers/line-discipline.cc hands a Ctrl-D to the program as any other
 * character (there, VEOF is 0 and nothing looks at it), and a read never returns 0.
 */
const TAKES_IT_NOT = /^OSv v/m;
/** Kernels say who they are at once; the BIOS says nothing on the serial port. */
const LONGEST_BEGINNING = 4096;
/** A program that takes no more than it was given is gone by then. */
const PATIENCE_MS = 2000;

/** Whether the kernel that begins like this takes it; undefined while that is not clear. */
function takesIt(beginning: string): boolean | undefined {
  if (beginning.includes(TAKES_IT)) return true;
  return TAKES_IT_NOT.test(beginning) ? false : undefined;
}

/** The same of an instance, by the beginning of its console's log. */
export async function takesEndOfInput(folder: string): Promise<boolean> {
  let beginning = "";
  for await (const chunk of readLog({ folder })) {
    beginning += chunk.toString("latin1", 0, LONGEST_BEGINNING);
    if (beginning.length >= LONGEST_BEGINNING) break;
  }
  return takesIt(beginning) === true;
}

export interface EndOfInputOptions {
  readonly guest: Pick<QemuProcess, "output">;
  /** Sends END_OF_INPUT, behind all that came before it. */
  readonly tell: () => void;
  /** The guest's program cannot know, and has not ended since. */
  readonly onUntold: () => void;
}

/** Passes the end of the input on, once it is clear from the console which kernel listens. */
export class EndOfInput {
  readonly #options: EndOfInputOptions;
  #beginning = "";
  #isReached = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: EndOfInputOptions) {
    this.#options = options;
    options.guest.output.on("data", this.#onOutput);
  }

  reached(): void {
    this.#isReached = true;
    this.#decide();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#options.guest.output.off("data", this.#onOutput);
  }

  readonly #onOutput = (chunk: Buffer): void => {
    this.#beginning += chunk.toString("latin1", 0, LONGEST_BEGINNING);
    if (this.#beginning.length >= LONGEST_BEGINNING) this.#options.guest.output.off("data", this.#onOutput);
    if (this.#isReached) this.#decide();
  };

  #decide(): void {
    const { guest, tell, onUntold } = this.#options;
    const takes = takesIt(this.#beginning);
    if (takes === undefined) return;
    guest.output.off("data", this.#onOutput);
    this.#isReached = false;
    if (takes) tell();
    else this.#timer = setTimeout(onUntold, PATIENCE_MS);
  }
}
