import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, test } from "vitest";

/** The path of a program, undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

/** Why a test that needs these programs cannot run here; undefined when it can. */
export function lacksProgram(...names: readonly string[]): string | undefined {
  const missing = names.filter((name) => findProgram(name) === undefined);
  return missing.length === 0 ? undefined : `${missing.join(" and ")} not installed`;
}

export function lacksRoot(): string | undefined {
  return process.getuid?.() === 0 ? undefined : "needs root";
}

/**
 * What a command line is put behind so that file modes hold for it, for root as well. It stays the same user, since
 * another one cannot read a checkout that lies in /root.
 */
export const HELD_BY_MODES: readonly string[] =
  lacksRoot() === undefined
    ? ["setpriv", ...["bounding-set", "inh-caps"].map((set) => `--${set}=-dac_override,-dac_read_search`)]
    : [];

/** Why file modes cannot be made to hold here; undefined when they can. */
export function lacksModes(): string | undefined {
  return lacksRoot() === undefined ? lacksProgram("setpriv") : undefined;
}

/** `test`, or where there is a reason against it a skipped test whose title says so. */
export function testUnless(reason: string | undefined) {
  return (title: string, work: () => Promise<void> | void, timeout?: number) => {
    if (reason === undefined) test(title, work, timeout);
    else test.skip(`${title} (skipped: ${reason})`);
  };
}

/** The same for a group of tests. */
export function describeUnless(reason: string | undefined) {
  return (title: string, tests: () => void) => {
    if (reason === undefined) describe(title, tests);
    else test.skip(`${title} (skipped: ${reason})`);
  };
}
