import type { Socket } from "node:net";
import type { Reporter } from "../../../support/reporter.ts";
import { type HubAccess, type Joined, joinHub } from "./client.ts";
import { removeSocket } from "./member.ts";
import type { JoinRequest, MemberView } from "./protocol.ts";

/** An instance's place in a network. */
export interface Membership {
  readonly address: string;
  /** All that were members when it joined, this one too. */
  readonly members: readonly MemberView[];
  /** Synchronous, and harmless when called again. */
  leave(): void;
}

export interface JoinInput extends HubAccess {
  readonly request: Omit<JoinRequest, "do">;
  readonly reporter: Reporter;
}

/**
 * Joins a network, and stays in it: when its hub ends before its time, the next one is joined with the same address, and the
 * machine, which listens, is connected again.
 * @throws CapstanError as joinHub does
 */
export async function join(input: JoinInput): Promise<Membership> {
  const joined = await joinHub(input, input.request);
  let connection = joined.connection;
  let hasLeft = false;
  const stay = async () => {
    while (!hasLeft) {
      await closed(connection);
      const again = hasLeft ? undefined : await rejoin(input, joined);
      if (again === undefined) return;
      connection = again;
      if (hasLeft) again.destroy();
    }
  };
  void stay();
  return {
    address: joined.address,
    members: joined.members,
    leave: () => {
      hasLeft = true;
      connection.destroy();
      removeSocket(input.request.socket);
    },
  };
}

function closed(connection: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (connection.closed) resolve();
    else connection.once("close", () => resolve());
  });
}

/** Never fails: undefined, and a warning, when there is no way back. */
async function rejoin(input: JoinInput, { address }: Joined): Promise<Socket | undefined> {
  try {
    // The guest has this address by now.
    return (await joinHub(input, { ...input.request, address, fixed: true })).connection;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    input.reporter.report({ kind: "warning", text: `The network ${input.network} is lost: ${why}` });
    return undefined;
  }
}
