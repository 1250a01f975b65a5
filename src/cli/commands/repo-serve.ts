import { serve } from "../../hosting/serve/server.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { type Input, usageError } from "../input.ts";

/** Runs until Ctrl-C. */
export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const port = Number(input.text("port") ?? "8080");
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw usageError("--port is no port.", "Give 0 to 65535.");
  const host = input.text("host") ?? "127.0.0.1";
  const serving = await serve(input.need("dir"), { port, host }, context);
  context.reporter.report({ kind: "step", text: `Serving ${input.need("dir")} at ${serving.url} (Ctrl-C ends it)` });
  const release = context.onInterrupt(() => void serving.close());
  try {
    await serving.closed;
  } finally {
    release();
  }
  return { value: { url: serving.url } };
}
