import { join } from "node:path";
import type { SharedFolder } from "../../hypervisors/machine.ts";
import { chooseMonitorPath } from "../../hypervisors/qemu/monitor-path.ts";
import type { Context } from "../../support/context.ts";
import { removeMonitorFolder } from "../acquire.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { findVirtiofsd } from "./find-virtiofsd.ts";
import { endLeftDaemons, forgetDaemon, noteDaemon } from "./left.ts";
import { checkMounts, type Mount } from "./mount.ts";
import { rootOptions } from "./root.ts";

export interface MountsInput {
  readonly mounts: readonly Mount[];
  /** The instance's. */
  readonly folder: string;
  /** The image, or the instance's disk: what the guest has its root on. */
  readonly disk: string;
}

export interface PreparedMounts {
  /** For the description of the machine. */
  readonly folders: readonly SharedFolder[];
  /** Options of OSv's loader, to stand before the command. */
  readonly loaderOptions: readonly string[];
  /** Of the processes that serve them, for who looks into an instance. */
  readonly pids: readonly number[];
  /** Ends what was started. Synchronous, and harmless when called again. */
  readonly stop: () => void;
}

/**
 * Starts what serves the folders to the guest.
 * @throws CapstanError `bad-mount`, `virtiofsd-not-found`, `virtiofsd-needs-root`, `virtiofsd-failed`
 */
export async function prepareMounts({ mounts, folder, disk }: MountsInput, context: Context): Promise<PreparedMounts> {
  if (mounts.length === 0) return { folders: [], loaderOptions: [], pids: [], stop: () => {} };
  checkMounts(mounts);
  endLeftDaemons(folder);
  const virtiofsd = await findVirtiofsd(context);
  const { reporter, env, signal } = context;
  const how = `Folders are shared by ${virtiofsd.path} ${virtiofsd.version}`;
  reporter.report({ kind: "detail", text: how });
  const started: { daemon: Daemon; socket: string; socketFolder: string | undefined; index: number }[] = [];
  const stop = () => {
    for (const { daemon, socketFolder, index } of started) {
      daemon.stop();
      forgetDaemon(folder, index);
      removeMonitorFolder(socketFolder);
    }
  };
  try {
    for (const [index, mount] of mounts.entries()) {
      const { path: socket, folder: socketFolder } = chooseMonitorPath(join(folder, `fs${index}.socket`), env);
      const log = join(folder, `virtiofsd.${index}.log`);
      try {
        const daemon = await startDaemon({ virtiofsd, mount, socket, log, env, signal });
        started.push({ daemon, socket, socketFolder, index });
        noteDaemon(folder, index, daemon.pid);
      } catch (error) {
        removeMonitorFolder(socketFolder);
        throw error;
      }
    }
  } catch (error) {
    stop();
    throw error;
  }
  return {
    folders: started.map(({ socket }, index) => ({ socket, tag: tagOf(index) })),
    loaderOptions: mountOptions(mounts, disk),
    pids: started.map(({ daemon }) => daemon.pid),
    stop,
  };
}

/** What a dry run shows: the sockets are not there. */
export function foreseeMounts({
  mounts,
  folder,
  disk,
}: MountsInput): Pick<PreparedMounts, "folders" | "loaderOptions"> {
  checkMounts(mounts);
  return {
    folders: mounts.map((_, index) => ({ socket: join(folder, `fs${index}.socket`), tag: tagOf(index) })),
    loaderOptions: mountOptions(mounts, disk),
  };
}

/** OSv numbers the devices in the order in which it finds them, and passes their tags over (drivers/virtio-fs.cc). */
function mountOptions(mounts: readonly Mount[], disk: string): readonly string[] {
  if (mounts.length === 0) return [];
  const options = mounts.map(({ target }, index) => `--mount-fs=virtiofs,/dev/virtiofs${index},${target}`);
  return [...rootOptions(disk), ...options];
}

function tagOf(index: number): string {
  return `folder${index}`;
}
