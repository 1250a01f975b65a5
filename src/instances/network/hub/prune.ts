import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { claim, isHeld, readLock, removeFolder } from "../../lock.ts";
import { identify } from "../../process-identity.ts";
import { networkFolder, networksFolder } from "./place.ts";

/** Removes what hubs that were killed have left, and returns the names of their networks. */
export function pruneNetworks(root: string): string[] {
  // The folder is claimed first, so that no hub starts in it meanwhile.
  const owner = { capstan: identify(process.pid), image: "", persist: false, started: "" };
  return list(networksFolder(root)).filter((name) => {
    if (name.startsWith(".gone-")) {
      rmSync(join(networksFolder(root), name), { recursive: true, force: true });
      return false;
    }
    const folder = networkFolder(root, name);
    const lock = readLock(folder);
    // A folder without a lock has just been made for a hub that is starting.
    if (lock === undefined || isHeld(lock) || !claim(folder, owner).claimed) return false;
    removeFolder(folder);
    return true;
  });
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
