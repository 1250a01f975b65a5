import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { CapstanError, isErrno, withNoun } from "../support/errors.ts";
import { readConfig } from "./config.ts";
import { FILES, instanceFolder, instancesFolder } from "./layout.ts";
import { isHeld, type Lock, readLock } from "./lock.ts";

export interface InstanceInfo {
  readonly name: string;
  readonly platform: "qemu";
  readonly status: "running" | "stopped" | "broken";
  readonly image: string;
  readonly persistent: boolean;
  /** ISO 8601, of a running one. */
  readonly started?: string | undefined;
  /** QEMU's process, of a running one. */
  readonly pid?: number | undefined;
  /** What is wrong with a broken one. */
  readonly reason?: string | undefined;
}

/** All instances by name; a broken one is listed with the reason and hides no other. */
export async function listInstances(root: string): Promise<InstanceInfo[]> {
  const infos: InstanceInfo[] = [];
  for (const name of names(root)) {
    const info = await inspectInstance(root, name);
    if (info !== undefined) infos.push(info);
  }
  return infos;
}

/** One instance, or undefined where there is none of that name. */
export async function inspectInstance(root: string, name: string): Promise<InstanceInfo | undefined> {
  const folder = instanceFolder(root, name);
  if (!existsSync(folder)) return undefined;
  const lock = readLock(folder);
  if (lock !== undefined && isHeld(lock)) return running(name, lock);
  const common = { name, platform: "qemu", persistent: true } as const;
  try {
    const { image } = await readConfig(folder);
    const missing = existsSync(join(folder, FILES.disk)) ? undefined : `its disk ${FILES.disk} is missing`;
    return { ...common, image, status: missing === undefined ? "stopped" : "broken", reason: missing };
  } catch (error) {
    if (!(error instanceof CapstanError)) throw error;
    // Removed while we looked.
    if (!existsSync(folder)) return undefined;
    const reason = existsSync(join(folder, FILES.config))
      ? error.message
      : "it was left behind when its capstan was killed";
    return { ...common, image: lock?.owner?.image ?? "", status: "broken", reason };
  }
}

function running(name: string, { owner }: Lock): InstanceInfo {
  return {
    name,
    platform: "qemu",
    status: "running",
    image: owner?.image ?? "",
    persistent: owner?.persist ?? false,
    started: owner?.started,
    pid: owner?.qemu?.pid,
  };
}

function names(root: string): string[] {
  const folder = instancesFolder(root);
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith("."))
      .sort();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw withNoun(error, `Reading ${folder}`);
  }
}
