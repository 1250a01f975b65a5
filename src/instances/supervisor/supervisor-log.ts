import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import type { ReportEvent } from "../../support/reporter.ts";

/** One that is longer becomes the older one: there are never more than two. */
const LONGEST = 256 * 1024;

/** What a supervisor has to say of its instance, each line with its time. What the disk refuses is lost. */
export class SupervisorLog {
  readonly #now: () => Date;
  #early: string[] = [];
  #file: number | undefined;
  #path = "";

  constructor(now: () => Date) {
    this.#now = now;
  }

  /** What was said before comes first. */
  open(path: string): void {
    this.#path = path;
    this.#attempt(() => {
      this.#file = openSync(path, "a");
    });
    for (const line of this.#early) this.#write(line);
    this.#early = [];
  }

  report(event: ReportEvent): void {
    if (event.kind === "progress") return;
    const hint = "hint" in event && event.hint !== undefined ? ` (${event.hint})` : "";
    const line = `${this.#now().toISOString()} ${event.kind}: ${event.text}${hint}\n`;
    if (this.#file === undefined) this.#early.push(line);
    else this.#write(line);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #write(line: string): void {
    this.#attempt(() => {
      if (this.#file === undefined) return;
      if (fstatSync(this.#file).size > LONGEST) {
        renameSync(this.#path, `${this.#path}.1`);
        const older = this.#file;
        this.#file = openSync(this.#path, "a");
        closeSync(older);
      }
      writeSync(this.#file, line);
    });
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch {
      // A full disk, or a folder that is gone: the instance goes on.
    }
  }
}
