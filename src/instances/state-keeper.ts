import { rmSync } from "node:fs";
import { join } from "node:path";
import { FILES } from "./layout.ts";
import { type InstanceState, type InstanceTimes, writeState } from "./state.ts";

type Changes = Partial<Omit<InstanceState, "version" | "times">> & { readonly times?: Partial<InstanceTimes> };

/** The state of an instance as its supervisor knows it, and as it is in the file unless the disk refuses. */
export class StateKeeper {
  readonly #folder: string;
  readonly #onTrouble: (error: unknown) => void;
  #isWritten = true;
  current: InstanceState;

  constructor(folder: string, first: InstanceState, onTrouble: (error: unknown) => void) {
    this.#folder = folder;
    this.#onTrouble = onTrouble;
    this.current = first;
    this.#write();
  }

  update(changes: Changes): void {
    this.current = { ...this.current, ...changes, times: { ...this.current.times, ...changes.times } };
    this.#write();
  }

  /** The last one: where it cannot be written, an older one that is wrong by now does not stay. */
  finish(changes: Changes): void {
    this.update(changes);
    if (this.#isWritten) return;
    try {
      rmSync(join(this.#folder, FILES.state), { force: true });
    } catch {
      // What the processes say counts for more anyway.
    }
  }

  #write(): void {
    try {
      writeState(this.#folder, this.current);
      this.#isWritten = true;
    } catch (error) {
      if (this.#isWritten) this.#onTrouble(error);
      this.#isWritten = false;
    }
  }
}
