import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { identify, isAlive, parseIdentity } from "../process-identity.ts";

const NAME = /^virtiofsd\.\d{1,4}\.json$/;

/** Writes down which process serves a folder, for the case that nobody is left who could end it. */
export function noteDaemon(folder: string, index: number, pid: number): void {
  writeFileSync(join(folder, `virtiofsd.${index}.json`), JSON.stringify(identify(pid)));
}

export function forgetDaemon(folder: string, index: number): void {
  rmSync(join(folder, `virtiofsd.${index}.json`), { force: true });
}

/**
 * Ends what was started for an instance whose owner is dead and whose guest is gone: it waits for that guest still, if that
 * never came. `folder` is the instance's; that nobody owns it is the caller's to know.
 */
export function endLeftDaemons(folder: string): void {
  for (const name of noted(folder)) {
    const daemon = read(join(folder, name));
    if (daemon !== undefined && daemon.start !== "" && isAlive(daemon)) kill(daemon.pid);
    rmSync(join(folder, name), { force: true });
  }
}

function noted(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => NAME.test(name));
  } catch {
    return [];
  }
}

function read(path: string) {
  try {
    return parseIdentity(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

/** Each is the first of a group of its own. */
function kill(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
