import { readFileSync } from "node:fs";
import type { SupervisorRequest } from "../instances/supervisor/messages.ts";
import { serveInstance } from "../instances/supervisor/serve.ts";
import { ExitCode, InterruptedError } from "../support/errors.ts";

// The supervisor of an instance in the background: started by `run -d`, `start` and `up`, which write to its stdin what to
// do, and read from its descriptor 3 what becomes of it.
const ANSWERS = 3;

const request = JSON.parse(readFileSync(0, "utf8")) as SupervisorRequest;
process.title = `capstan supervisor ${request.input.name ?? request.input.image?.name ?? ""}`;
const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(ExitCode.terminated);
    stop.abort(new InterruptedError(ExitCode.terminated));
  });
}
await serveInstance({
  request,
  answers: ANSWERS,
  context: { env: process.env, now: () => new Date(), signal: stop.signal },
  onExit: (handler) => {
    process.on("exit", handler);
    return () => process.off("exit", handler);
  },
});
process.exit(ExitCode.ok);
