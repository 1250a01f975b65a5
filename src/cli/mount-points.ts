import { posix } from "node:path";
import { openView } from "../compose/view.ts";
import type { TreeImage } from "../filesystems/tree-image.ts";
import type { RunInput } from "../instances/run-input.ts";
import { CapstanError } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";

/**
 * OSv mounts only on folders that are there, and makes missing ones only where it can write; on a ROFS it goes on without
 * a word, and the program finds nothing. So that is told before the boot: of the folders of --mount as an error, of what the
 * boot command mounts from volumes as a warning. Roots of other kinds, and instances that are there, are not looked into.
 * @throws CapstanError `no-mount-point` (65)
 */
export function checkMountPoints(run: MountingRun, { reporter }: CommandContext): void {
  const { image, mounts = [], volumes = [] } = run;
  if (image === undefined || (mounts.length === 0 && volumes.length === 0)) return;
  const view = openView(image.path);
  try {
    if (view.filesystem !== "rofs") return;
    const composed = view.image.commandLine ?? "";
    const own = mountedByCommand(run.commandLine?.(composed) ?? composed);
    const lacks = missing(view.root(), [...mounts.map(({ target }) => target), ...own]);
    for (const { target, instead } of lacks) {
      const text = `The image has no folder ${target} to mount on, and OSv cannot make one there`;
      const hint = `Put an empty folder ${target} into the image${instead}`;
      if (mounts.some((mount) => mount.target === target))
        throw new CapstanError(text, { code: "no-mount-point", hint });
      reporter.report({ kind: "warning", text, hint });
    }
  } finally {
    view.close();
  }
}

type MountingRun = Pick<RunInput, "image" | "mounts" | "volumes" | "commandLine">;

/** The places of `--mount-fs=TYPE,DEVICE,PATH`. */
function mountedByCommand(command: string): string[] {
  return [...command.matchAll(/(?:^|\s)--mount-fs=[^,\s]+,[^,\s]+,(\/[^,\s]*)/g)].map((found) => found[1] ?? "");
}

function missing(root: TreeImage, targets: readonly string[]) {
  const writable = ramFolders(root);
  const [memory] = writable;
  return targets.flatMap((target, index) => {
    const isInEarlier = targets.slice(0, index).some((earlier) => target.startsWith(`${earlier}/`));
    // It makes one folder, not those above it.
    if (isInEarlier || root.lookup(target)?.type === "directory" || writable.includes(posix.dirname(target))) return [];
    const instead = memory === undefined ? "" : `, or mount in ${memory}: ${memory}/${posix.basename(target)}`;
    return [{ target, instead }];
  });
}

/** Where the image's /etc/fstab mounts memory: a folder in there is made when it is needed. */
function ramFolders(root: TreeImage): readonly string[] {
  const entry = root.lookup("/etc/fstab");
  if (entry?.type !== "file" || entry.size > LARGEST_FSTAB) return [];
  const text = Buffer.concat([...root.readFile("/etc/fstab")]).toString("utf8");
  return text.split("\n").flatMap((line) => {
    const [, folder, type] = line.trim().split(/\s+/);
    return type === "ramfs" && folder?.startsWith("/") === true && folder !== "/" ? [folder] : [];
  });
}

const LARGEST_FSTAB = 64 * 1024;
