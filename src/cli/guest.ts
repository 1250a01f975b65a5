import { findInstance } from "../instances/find.ts";
import { REST_PORT, type ReachableInstance, withGuestPort } from "../instances/guest/reach.ts";
import { GuestRest } from "../instances/guest/rest.ts";
import { instanceInfo } from "../instances/list.ts";
import { isHeld, readLock } from "../instances/lock.ts";
import { readState } from "../instances/state.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { type Input, usageError } from "./input.ts";
import { openStore } from "./store.ts";

/** Runs `use` with the REST server of the guest that the argument `name` names. */
export async function withGuest<T>(
  input: Input,
  context: CommandContext,
  use: (rest: GuestRest) => Promise<T>,
): Promise<T> {
  return await withGuestOf(input.need("name"), input, context, use);
}

export async function withGuestOf<T>(
  name: string,
  input: Input,
  context: CommandContext,
  use: (rest: GuestRest) => Promise<T>,
): Promise<T> {
  const { root } = openStore(context).settings;
  const port = portFlag(input);
  const instance = await reachable(root.value, name);
  try {
    return await withGuestPort(instance, port, (address) => use(new GuestRest(address, context.signal)));
  } catch (error) {
    // Why it is silent now may be that it is gone.
    if (error instanceof CapstanError && error.code === "guest-unreachable") await reachable(root.value, name);
    throw error;
  }
}

function portFlag(input: Input): number {
  const text = input.text("port");
  if (text === undefined) return REST_PORT;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65535) return port;
  throw usageError(
    `--port '${text}' is not a port.`,
    "Write the port that the guest's REST server listens on: 8000 by default.",
  );
}

/** @throws CapstanError `no-such-instance` (66), `instance-not-running`, `instance-paused` (69) */
async function reachable(root: string, name: string): Promise<ReachableInstance> {
  const folder = findInstance(root, name);
  const status = (await instanceInfo(root, name))?.status;
  if (status === "paused") throw notReachable(name, "paused", `Let it go on first: capstan resume ${name}`);
  const lock = readLock(folder);
  if (lock === undefined || !isHeld(lock)) {
    throw notReachable(name, "not-running", `Start it first: capstan start ${name}`);
  }
  return { name, forwards: readState(folder)?.forwards ?? [], monitor: lock.owner?.monitor };
}

function notReachable(name: string, how: "paused" | "not-running", hint: string): CapstanError {
  return new CapstanError(`The instance ${name} is ${how.replace("-", " ")}`, {
    code: `instance-${how}`,
    hint,
    exitCode: ExitCode.unavailable,
  });
}
