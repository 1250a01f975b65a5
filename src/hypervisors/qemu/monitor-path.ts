import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/**
 * The longest path that a unix socket can have everywhere, in bytes: sun_path holds 108 on Linux and 104 on macOS,
 * the ending NUL included.
 */
export const LONGEST_SOCKET_PATH = 103;

export interface MonitorPath {
  readonly path: string;
  /** A folder that was made for the socket alone, to be removed with it. */
  readonly folder?: string;
}

/** Where a monitor listens: at its usual path or, if that is too long, in a private folder of the run-time folder. */
export function chooseMonitorPath(usual: string, env: Readonly<Record<string, string | undefined>>): MonitorPath {
  if (fits(usual)) return { path: usual };
  const parents = [env.XDG_RUNTIME_DIR, tmpdir(), "/tmp"];
  for (const parent of parents) {
    if (!parent?.startsWith("/") || !fits(join(parent, "capstan-XXXXXX", "monitor"))) continue;
    try {
      const path = join(mkdtempSync(join(parent, "capstan-")), "monitor");
      return { path, folder: dirname(path) };
    } catch {
      // A run-time folder of a session that has ended: the next one will do.
    }
  }
  return { path: usual };
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= LONGEST_SOCKET_PATH;
}
