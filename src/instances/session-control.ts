import type { Arguments, StopHow } from "./control/protocol.ts";
import type { Handler } from "./control/server.ts";
import type { LivingGuest } from "./life.ts";
import type { InstanceState } from "./state.ts";

export interface Controlled {
  readonly state: () => InstanceState;
  readonly guest: () => LivingGuest | undefined;
  /** Resolves when the instance has come to its end, restarts included, and its last state is known. */
  readonly ended: Promise<void>;
  /** Gives up a start, or the wait for a restart. */
  readonly stopStarting: () => void;
}

/** What a supervisor does when it is asked: see control/protocol.ts. */
export function controlHandlers({ state, guest, ended, stopStarting }: Controlled): Readonly<Record<string, Handler>> {
  const atEnd = async () => {
    await ended;
    return { state: state() };
  };
  const stopped = async () => {
    await ended;
    const { end } = state();
    const how: StopHow = end === "killed" ? "ended" : "powered-off";
    return { how, state: state() };
  };
  return {
    status: () => ({ state: state() }),
    wait: atEnd,
    stop: (args) => {
      const living = guest();
      if (living === undefined) stopStarting();
      else living.ender.stop(graceOf(args));
      return stopped();
    },
    kill: () => {
      const living = guest();
      if (living === undefined) stopStarting();
      else living.ender.kill();
      return stopped();
    },
    input: async ({ data }) => {
      await guest()?.input.send(Buffer.from(typeof data === "string" ? data : "", "base64"));
      return {};
    },
    resize: () => ({}),
  };
}

const USUAL_GRACE_MS = 10_000;

function graceOf({ graceMs }: Arguments): number {
  return typeof graceMs === "number" && graceMs >= 0 && graceMs < 2 ** 31 ? graceMs : USUAL_GRACE_MS;
}
