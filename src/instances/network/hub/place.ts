import { join } from "node:path";
import { writeFileAtomically } from "../../../support/atomic.ts";
import { isRecord } from "../../../support/records.ts";
import { readRegularFile } from "../../../support/regular-file.ts";

/** The folder of a network that has a hub: `$CAPSTAN_ROOT/networks/NAME`, gone with the hub. */
export function networkFolder(root: string, network: string): string {
  return join(networksFolder(root), network);
}

export function networksFolder(root: string): string {
  return join(root, "networks");
}

/** Where a hub listens, unless its path would be too long there. */
export function hubSocketPath(folder: string): string {
  return join(folder, "hub.sock");
}

/** What a hub complains of. */
export function hubLogPath(folder: string): string {
  return join(folder, "hub.log");
}

/** Tells where the hub of this folder listens. */
export async function writeHubFile(folder: string, socket: string): Promise<void> {
  await writeFileAtomically(hubFilePath(folder), `${JSON.stringify({ socket })}\n`);
}

/** Where the hub of this folder listens; undefined when there is none, or none yet. */
export function readHubFile(folder: string): string | undefined {
  try {
    const value: unknown = JSON.parse(readRegularFile(hubFilePath(folder), { limit: 1 << 16 }).toString("utf8"));
    return isRecord(value) && typeof value.socket === "string" ? value.socket : undefined;
  } catch {
    return undefined;
  }
}

function hubFilePath(folder: string): string {
  return join(folder, "hub.json");
}
