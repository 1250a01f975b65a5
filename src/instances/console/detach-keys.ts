import { CapstanError, ExitCode } from "../../support/errors.ts";

/** What leaves an attached console when it is typed. */
export const usualDetachKeys = "ctrl-p,ctrl-q";

/**
 * Reads keys as Docker writes them: characters and `ctrl-X` (X a letter or one of @ [ \ ] ^ _), with commas between.
 * Returns the bytes that a terminal sends for them.
 * @throws CapstanError `bad-detach-keys` (64)
 */
export function parseDetachKeys(text: string): Buffer {
  return Buffer.concat(text.split(",").map((key) => parseKey(text, key)));
}

/** For people: `Ctrl-P Ctrl-Q`. */
export function showDetachKeys(text: string): string {
  return text
    .split(",")
    .map((key) => (key.length === 1 ? key : `Ctrl-${key.slice(CTRL.length).toUpperCase()}`))
    .join(" ");
}

const CTRL = "ctrl-";

function parseKey(text: string, key: string): Buffer {
  if (/^[\x21-\x7e]$/.test(key)) return Buffer.from(key);
  const letter = key.toLowerCase().startsWith(CTRL) ? key.slice(CTRL.length).toUpperCase() : "";
  // In ASCII, the control characters lie 64 below these.
  if (/^[@-_]$/.test(letter)) return Buffer.from([letter.charCodeAt(0) - 64]);
  throw new CapstanError(`--detach-keys '${text}': '${key}' is no key`, {
    code: "bad-detach-keys",
    hint: `Write characters or ctrl-X with commas between, such as ${usualDetachKeys}.`,
    exitCode: ExitCode.usage,
  });
}

/** Takes the keys out of what is typed. Their beginning is held back until it is clear that it is none. */
export class DetachKeys {
  readonly #keys: Buffer;
  #matched = 0;
  detached = false;

  /** As parseDetachKeys returns them. */
  constructor(keys: Buffer) {
    this.#keys = keys;
  }

  /** Returns what goes to the guest. After the last of the keys, nothing does. */
  push(bytes: Buffer): Buffer {
    const passed: Buffer[] = [];
    for (const byte of bytes) {
      if (this.detached) break;
      this.#matched++;
      if (this.#keys[this.#matched - 1] === byte) {
        this.detached = this.#matched === this.#keys.length;
        continue;
      }
      const typed = Buffer.from([...this.#keys.subarray(0, this.#matched - 1), byte]);
      this.#matched = this.#longestBeginning(typed);
      passed.push(typed.subarray(0, typed.length - this.#matched));
    }
    return Buffer.concat(passed);
  }

  /** How much of the end of what was typed may be the beginning of the keys. */
  #longestBeginning(typed: Buffer): number {
    for (let length = Math.min(typed.length, this.#keys.length) - 1; length > 0; length--) {
      if (typed.subarray(typed.length - length).equals(this.#keys.subarray(0, length))) return length;
    }
    return 0;
  }
}
