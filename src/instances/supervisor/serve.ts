import { closeSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import type { Context } from "../../support/context.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { ReportEvent, Reporter } from "../../support/reporter.ts";
import { FILES } from "../layout.ts";
import { runInstance } from "../run.ts";
import { formatMessage, type SupervisorMessage, type SupervisorRequest } from "./messages.ts";
import { SupervisorLog } from "./supervisor-log.ts";

export interface ServeInput {
  readonly request: SupervisorRequest;
  /** The descriptor of the pipe to whoever started it. */
  readonly answers: number;
  readonly context: Omit<Context, "reporter" | "cwd">;
  readonly onExit: (handler: () => void) => () => void;
}

/** Is the supervisor of one instance, until that has ended. Never throws: what goes wrong is told, or in its log. */
export async function serveInstance({ request, answers, context, onExit }: ServeInput): Promise<void> {
  const { input, commandLine, cwd, verbose } = request;
  const starter = new Starter(answers);
  const log = new SupervisorLog(context.now);
  const report = (event: ReportEvent) => {
    starter.tell({ kind: "event", event });
    log.report(event);
  };
  const reporter: Reporter = { report, verbose };
  try {
    await runInstance(
      {
        ...input,
        commandLine: commandLine === undefined ? undefined : () => commandLine,
        console: { output: nowhere() },
        onExit,
        onFolder: (folder) => log.open(join(folder, FILES.supervisorLog)),
        onReady: (name, state) => starter.finish({ kind: "ready", name, state }),
      },
      { ...context, cwd, reporter },
    );
  } catch (error) {
    const known = error instanceof CapstanError ? error : unexpected(error);
    log.report({ kind: "failure", text: known.message });
    starter.finish({ kind: "error", error: known });
  } finally {
    log.close();
  }
}

/** Whoever started the supervisor, and waits. It may be gone. */
class Starter {
  #answers: number | undefined;

  constructor(answers: number) {
    this.#answers = answers;
  }

  tell(message: SupervisorMessage): void {
    if (this.#answers === undefined) return;
    const bytes = Buffer.from(formatMessage(message));
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#answers, bytes, done);
    } catch {
      this.#close();
    }
  }

  finish(message: SupervisorMessage): void {
    this.tell(message);
    this.#close();
  }

  #close(): void {
    if (this.#answers !== undefined) closeSync(this.#answers);
    this.#answers = undefined;
  }
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

function unexpected(error: unknown): CapstanError {
  return new CapstanError(error instanceof Error ? (error.stack ?? error.message) : String(error), {
    code: "internal",
    exitCode: ExitCode.bug,
  });
}
