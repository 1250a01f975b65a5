import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CapstanError, checkAborted, doing, ExitCode, isErrno } from "../../../support/errors.ts";
import { isHeld, readLock } from "../../lock.ts";
import { readLines } from "./lines.ts";
import { hubLogPath, networkFolder, readHubFile } from "./place.ts";
import { type HubAnswer, type JoinRequest, LONGEST_LINE, type MemberView, parseAnswer } from "./protocol.ts";

/** How the hub of a network is reached and, where there is none, started. */
export interface HubAccess {
  readonly root: string;
  readonly network: string;
  /** The program and its first arguments that serveNetwork is reached by; the folder and the network's name are added. */
  readonly hubProgram: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
}

export interface Joined {
  readonly address: string;
  /** All that were members then, this one too. */
  readonly members: readonly MemberView[];
  /** As long as it is open, this is a member. It does not keep the process alive. */
  readonly connection: Socket;
}

/** How often a hub that does not answer is tried again, and the pause between. Together, ten seconds. */
const MOST_TRIES = 400;
const PAUSE_MS = 25;
/** After so many tries in vain, a hub is started although another one may just be starting; then after twice as many, and so on. */
const TRIES_BEFORE_START = 40;
/** How many hubs may fail to start. */
const MOST_FAILURES = 3;

/**
 * Makes an instance a member of a network, whose hub is started if need be.
 * @throws CapstanError `network-unavailable` (69), `address-taken` (73), `network-full` (73)
 */
export async function joinHub(access: HubAccess, request: Omit<JoinRequest, "do">): Promise<Joined> {
  const folder = networkFolder(access.root, access.network);
  let nextStart: number | undefined;
  let failures = 0;
  for (let tries = 0; tries < MOST_TRIES && failures < MOST_FAILURES; tries++) {
    checkAborted(access.signal);
    const asked = await ask(folder, { do: "join", ...request });
    if (asked !== undefined) return toJoined(access.network, asked);
    const isForUs = isForUsToStart(folder) && nextStart === undefined;
    if (isForUs || tries >= (nextStart ?? TRIES_BEFORE_START)) {
      startHub(folder, access, () => {
        failures++;
        nextStart = 0;
      });
      nextStart = 2 * tries + TRIES_BEFORE_START;
    }
    await delay(PAUSE_MS);
  }
  throw new CapstanError(`The hub of the network ${access.network} does not answer`, {
    code: "network-unavailable",
    hint: `See ${hubLogPath(folder)}, and try again.`,
    exitCode: ExitCode.unavailable,
  });
}

/** The members of a network; undefined when it has no hub now. */
export async function networkMembers(root: string, network: string): Promise<readonly MemberView[] | undefined> {
  const asked = await ask(networkFolder(root, network), { do: "status" });
  asked?.connection.destroy();
  return asked?.answer.ok === true ? asked.answer.members : undefined;
}

function toJoined(network: string, { answer, connection }: Asked): Joined {
  if (answer.ok && answer.address !== undefined) {
    return { address: answer.address, members: answer.members, connection };
  }
  connection.destroy();
  if (answer.ok || answer.code === "bad-request") {
    throw new CapstanError(`The hub of the network ${network} does not understand this capstan`, {
      code: "network-unavailable",
      hint: "Stop the instances of the network, which another version may have started, and start them anew.",
      exitCode: ExitCode.unavailable,
    });
  }
  throw new CapstanError(`The network ${network} cannot be joined: ${answer.message}`, {
    code: answer.code,
    hint: answer.code === "address-taken" ? "Choose another address, or leave it out." : "Use a second network.",
    exitCode: ExitCode.cannotCreate,
  });
}

interface Asked {
  readonly answer: HubAnswer;
  readonly connection: Socket;
}

/** Undefined when no hub answers. */
function ask(folder: string, request: JoinRequest | { readonly do: "status" }): Promise<Asked | undefined> {
  const path = readHubFile(folder);
  if (path === undefined) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const connection = connect(path);
    connection.on("error", () => {});
    connection.once("close", () => resolve(undefined));
    connection.setTimeout(ANSWER_MS, () => connection.destroy());
    readLines(connection, LONGEST_LINE, (line) => {
      const answer = parseAnswer(line);
      if (answer === undefined) {
        connection.destroy();
        return;
      }
      connection.setTimeout(0);
      connection.unref();
      resolve({ answer, connection });
    });
    connection.write(`${JSON.stringify(request)}\n`);
  });
}

/** A hub answers at once; one that was stopped in the middle does not. */
const ANSWER_MS = 5000;

/** Of many that find no hub, one starts it: who makes the folder, or finds that the hub in it was killed. */
function isForUsToStart(folder: string): boolean {
  return doing(`Creating ${folder}`, () => {
    mkdirSync(dirname(folder), { recursive: true });
    try {
      mkdirSync(folder);
      return true;
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      const lock = readLock(folder);
      return lock !== undefined && !isHeld(lock);
    }
  });
}

/** In a session of its own: it goes on when the instance that started it ends. */
function startHub(folder: string, { hubProgram, network, env }: HubAccess, onFailure: () => void): void {
  const [program, ...args] = hubProgram;
  if (program === undefined) throw new TypeError("there is no program to be the hub");
  const log = openLog(folder);
  try {
    const hub = spawn(program, [...args, folder, network], {
      cwd: "/",
      detached: true,
      env,
      stdio: ["ignore", "ignore", log ?? "ignore"],
    });
    hub.once("error", onFailure);
    // One that finds another one at work ends with 0.
    hub.once("exit", (code) => {
      if (code !== 0) onFailure();
    });
    hub.unref();
  } finally {
    if (log !== undefined) closeSync(log);
  }
}

/** Undefined when a hub that ends has just taken the folder away. */
function openLog(folder: string): number | undefined {
  try {
    return openSync(hubLogPath(folder), "a");
  } catch {
    return undefined;
  }
}
