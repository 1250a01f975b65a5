import { join } from "node:path";
import type { InstanceConfig } from "./config.ts";
import { segmentPath } from "./console/files.ts";
import { findInstance, noInstance } from "./find.ts";
import { FILES } from "./layout.ts";
import { type InstanceInfo, toInfo } from "./list.ts";
import { takeSnapshot } from "./snapshot.ts";
import type { InstanceState } from "./state.ts";
import { statusOf } from "./status.ts";

/** Everything that is known about an instance. */
export interface InstanceDetails extends InstanceInfo {
  readonly folder: string;
  readonly files: { readonly disk: string; readonly log: string; readonly supervisorLog: string };
  readonly sockets: { readonly monitor?: string | undefined; readonly control?: string | undefined };
  /** ISO 8601, of the last start but for `created`. */
  readonly times: Readonly<Partial<Record<keyof InstanceState["times"], string>>>;
  readonly end?: InstanceState["end"] | undefined;
  readonly healthDetails?: InstanceState["health"] | undefined;
  readonly acceleration?: InstanceState["acceleration"] | undefined;
  readonly mac?: string | undefined;
  /** What the guest booted with. */
  readonly commandLine?: string | undefined;
  /** QEMU and its arguments, exactly. */
  readonly argv: readonly string[];
  /** How it is started again; undefined for one that nobody keeps. */
  readonly config?: InstanceConfig | undefined;
}

/** @throws CapstanError `no-such-instance` (66), `bad-instance-name` (64) */
export async function inspectInstance(root: string, name: string): Promise<InstanceDetails> {
  const folder = findInstance(root, name);
  const snapshot = await takeSnapshot(root, name);
  if (snapshot === undefined) throw noInstance(root, name);
  const { state, lock, config } = snapshot;
  return {
    ...toInfo(snapshot, await statusOf(snapshot)),
    folder,
    files: {
      disk: join(folder, FILES.disk),
      log: segmentPath(folder, 0),
      supervisorLog: join(folder, FILES.supervisorLog),
    },
    sockets: { monitor: lock?.owner?.monitor, control: lock?.owner?.control },
    times: Object.fromEntries(
      Object.entries(state?.times ?? {}).flatMap(([key, time]: [string, number | undefined]) =>
        time === undefined ? [] : [[key, new Date(time).toISOString()]],
      ),
    ),
    end: state?.end,
    healthDetails: state?.health,
    acceleration: state?.acceleration,
    mac: state?.mac,
    commandLine: state?.commandLine,
    argv: state?.argv ?? [],
    config,
  };
}
