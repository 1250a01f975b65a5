import { type AttachEnd, attach } from "../../instances/console/attach.ts";
import { parseDetachKeys, showDetachKeys, usualDetachKeys } from "../../instances/console/detach-keys.ts";
import { type ControlClient, findControl } from "../../instances/control/client.ts";
import { type Lock, readLock } from "../../instances/lock.ts";
import { findLog } from "../../instances/logs.ts";
import { parseState } from "../../instances/state.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { consoleOf } from "../console.ts";
import { countFlag } from "../durations.ts";
import type { Input } from "../input.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const name = input.need("name");
  const keys = input.text("detach-keys") ?? usualDetachKeys;
  const detachKeys = parseDetachKeys(keys);
  const { folder, isOver } = findLog(openStore(context).settings.root.value, name);
  const lock = readLock(folder);
  if (lock === undefined || isOver()) throw notRunning(name);
  const console = consoleOf(input, context);
  const tell = (text: string) => context.reporter.report({ kind: "step", text });
  const warn = (text: string) => context.reporter.report({ kind: "warning", text });
  const control = input.on("no-input") ? undefined : await connect(name, lock, warn);
  if (control !== undefined && console.rawMode !== undefined) {
    tell(`Attached to ${name}; ${showDetachKeys(keys)} leaves it running`);
  }
  const outcome = control?.request("wait").catch(() => undefined);
  try {
    const end = await attach({
      ...{ folder, console, detachKeys, isOver, taker: control, signal: context.signal },
      tail: countFlag(input, "tail") ?? USUAL_TAIL,
      onInputFailure: (error) => {
        if (!isOver()) warn(`What is typed reaches nobody any more: ${error instanceof Error ? error.message : error}`);
      },
    });
    tell(`${name} ${end === "ended" ? "has ended" : "goes on running"}`);
    const state = end === "ended" ? parseState((await outcome)?.state) : undefined;
    return { value: { name, end, guestStatus: state?.guestStatus }, exitCode: exitCodeOf(end, state?.state, context) };
  } finally {
    control?.close();
  }
}

/** What was said before is still of use: a prompt, say. */
const USUAL_TAIL = 10;

async function connect(name: string, lock: Lock, warn: (text: string) => void): Promise<ControlClient | undefined> {
  const control = await findControl(lock);
  if (control !== undefined) return control;
  warn(`The supervisor of ${name} does not answer: nothing can be typed, and nothing new is shown.`);
  return undefined;
}

function exitCodeOf(end: AttachEnd, state: string | undefined, { signal }: CommandContext): ExitCode {
  if (end === "ended") return state === "failed" ? ExitCode.runFailed : ExitCode.ok;
  if (end !== "aborted") return ExitCode.ok;
  return signal.reason instanceof CapstanError ? signal.reason.exitCode : ExitCode.interrupted;
}

function notRunning(name: string): CapstanError {
  return new CapstanError(`The instance ${name} is not running`, {
    code: "not-running",
    hint: `Start it: capstan start ${name}; what it has said: capstan logs ${name}`,
    exitCode: ExitCode.cannotCreate,
  });
}
