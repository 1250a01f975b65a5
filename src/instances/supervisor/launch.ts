import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import type { Context } from "../../support/context.ts";
import { CapstanError, checkAborted, ExitCode } from "../../support/errors.ts";
import { isPersisted } from "../acquire.ts";
import { readConfig } from "../config.ts";
import { instanceFolder } from "../layout.ts";
import { readCommandLine } from "../overlay.ts";
import { instanceNameOf } from "../plan.ts";
import type { PlanInput } from "../run-input.ts";
import type { InstanceState } from "../state.ts";
import { parseMessage, type SupervisorMessage, type SupervisorRequest } from "./messages.ts";
import { supervisorProgram } from "./program.ts";

export interface DetachedInstance {
  readonly name: string;
  /** As it was when the guest was up: it may have ended since. */
  readonly state: InstanceState;
}

/**
 * Starts an instance in the background, and returns when its guest is up. From then on nothing that happens to this process
 * concerns it; until then, an abort ends it.
 * @throws CapstanError as runInstance does, or `supervisor-failed`
 */
export async function runDetached(input: PlanInput, context: Context): Promise<DetachedInstance> {
  const { commandLine, ...rest } = input;
  const request: SupervisorRequest = {
    ...{ cwd: context.cwd, verbose: context.reporter.verbose },
    input: { ...rest, detached: true },
    commandLine: commandLine?.(await composedCommandLine(input)),
  };
  const child = startSupervisor(request, context);
  const abort = () => child.kill("SIGTERM");
  context.signal.addEventListener("abort", abort, { once: true });
  try {
    const message = await answerOf(child, context);
    if (message.kind === "ready") return { name: message.name, state: message.state };
    checkAborted(context.signal);
    throw message.error;
  } finally {
    context.signal.removeEventListener("abort", abort);
    child.unref();
  }
}

/** What the command line of the request is made from: that of the instance that is there, or of the image. */
async function composedCommandLine(input: PlanInput): Promise<string> {
  const { root, image } = input;
  const name = instanceNameOf(input);
  if (isPersisted(root, name)) return (await readConfig(instanceFolder(root, name))).commandLine;
  return image === undefined ? "" : readCommandLine(image.path);
}

/** In a session of its own: no terminal's signals reach it. Its folder is one that nobody wants to unmount. */
function startSupervisor(request: SupervisorRequest, { env }: Context): ChildProcess {
  const [program = "", ...args] = supervisorProgram();
  const child = spawn(program, args, {
    ...{ cwd: "/", detached: true, env: { ...env } },
    stdio: ["pipe", "ignore", "ignore", "pipe"],
  });
  // It may be gone before it has read; then its end tells.
  child.stdin?.on("error", () => {});
  child.stdin?.end(JSON.stringify(request));
  return child;
}

type Answer = Exclude<SupervisorMessage, { kind: "event" }>;

function answerOf(child: ChildProcess, { reporter }: Context): Promise<Answer> {
  const messages = child.stdio[3] as Readable;
  return new Promise((resolve) => {
    const settle = (answer: Answer) => {
      resolve(answer);
      messages.destroy();
    };
    child.once("error", (error) => settle(failed(error.message)));
    messages.on("error", () => {});
    // All that it said has been read by then.
    messages.once("close", () => settle(failed("it ended without a word")));
    readMessages(messages, (message) => {
      if (message.kind === "event") reporter.report(message.event);
      else settle(message);
    });
  });
}

function readMessages(from: Readable, onMessage: (message: SupervisorMessage) => void): void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  from.on("data", (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const message = parseMessage(line);
      if (message !== undefined) onMessage(message);
    }
  });
}

function failed(why: string): Answer {
  const error = new CapstanError(`The instance's supervisor failed: ${why}`, {
    code: "supervisor-failed",
    hint: "Try it in the foreground, without -d, and report what you see.",
    exitCode: ExitCode.unavailable,
  });
  return { kind: "error", error };
}
