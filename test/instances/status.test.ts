import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { identify } from "../../src/instances/process-identity.ts";
import type { Snapshot } from "../../src/instances/snapshot.ts";
import type { InstanceState } from "../../src/instances/state.ts";
import { statusOf } from "../../src/instances/status.ts";
import { temporaryFolder } from "../hypervisors/tiny-guest.ts";

const started = "2026-01-01T00:00:10.000Z";
const at = (seconds: number) => Date.parse(started) + seconds * 1000;

/** A supervisor that is there, with no QEMU, and this written down. */
function withoutQemu(state: Pick<InstanceState, "state" | "reason">, ended?: number): Snapshot {
  const owner = { capstan: identify(process.pid), image: "i", persist: true, started };
  const times = { created: at(-100), asked: at(-1), ended };
  return {
    ...{ name: "app", isHeld: true, isSupervised: true, hasQemu: false },
    lock: { folder: "/nowhere", generation: 1, owner },
    state: { version: 1, restarts: 0, forwards: [], ...state, times },
  } as unknown as Snapshot;
}

test.each([
  [
    "its run is over, and its supervisor tidies up",
    withoutQemu({ state: "failed", reason: "r" }, at(5)),
    "failed",
    "r",
  ],
  ["the same of one that ended well", withoutQemu({ state: "stopped" }, at(5)), "stopped", undefined],
  ["only the run before is over", withoutQemu({ state: "failed", reason: "r" }, at(-5)), "created", undefined],
  ["nothing has ended", withoutQemu({ state: "created" }), "created", undefined],
  ["it waits for its next start", withoutQemu({ state: "restarting" }, at(5)), "restarting", undefined],
])("without QEMU: %s", async (_, snapshot, status, reason) => {
  expect(await statusOf(snapshot)).toEqual({ status, reason });
});

test("a QEMU that stands still: its process runs, and it is told that it does not answer", async () => {
  const monitor = join(temporaryFolder(), "monitor");
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(monitor, resolve));
  const before = withoutQemu({ state: "running" });
  const owner = { ...before.lock?.owner, monitor, qemu: identify(process.pid) };
  const snapshot = { ...before, hasQemu: true, lock: { ...before.lock, owner } } as Snapshot;
  expect(await statusOf(snapshot)).toEqual({ status: "running", reason: "QEMU is there, but does not answer" });
  server.close();
});
