import { setTimeout as delay } from "node:timers/promises";
import { guestThreads, type ThreadSample } from "../../instances/guest/info.ts";
import type { GuestRest } from "../../instances/guest/rest.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { withGuest } from "../guest.ts";
import { type Input, usageError } from "../input.ts";
import { formatTable } from "../table-text.ts";

interface ThreadLoad {
  readonly id: number;
  readonly name: string;
  readonly cpu: number | null;
  /** Of one processor, in percent, between two looks. */
  readonly percent: number;
  readonly cpuMs: number;
  readonly status: string;
}

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const waitMs = delayFlag(input);
  const live = context.console.stdoutIsTerminal && !input.on("json") && !input.on("once");
  const value = await withGuest(input, context, async (rest) => {
    let before = await guestThreads(rest);
    for (;;) {
      const now = await nextSample(rest, waitMs, context);
      const loads = compare(before, now);
      if (!live) return loads;
      // Home, the picture, and what is left of the last one away.
      context.console.output.write(`\x1b[H${picture(loads).replaceAll("\n", "\x1b[K\n")}\x1b[J`);
      before = now;
    }
  });
  return { value, text: () => picture(value) };
}

async function nextSample(rest: GuestRest, waitMs: number, { signal }: CommandContext): Promise<ThreadSample> {
  await delay(waitMs, undefined, { signal });
  return await guestThreads(rest);
}

function compare(before: ThreadSample, now: ThreadSample): ThreadLoad[] {
  const passed = Math.max(1, now.time - before.time);
  const earlier = new Map(before.threads.map(({ id, cpuMs }) => [id, cpuMs]));
  return now.threads
    .map(({ id, name, cpu, cpuMs, status }) => {
      const percent = Math.round(((cpuMs - (earlier.get(id) ?? cpuMs)) * 1000) / passed) / 10;
      return { id, name, cpu, percent, cpuMs, status };
    })
    .sort((a, b) => b.percent - a.percent || b.cpuMs - a.cpuMs);
}

function picture(loads: readonly ThreadLoad[]): string {
  const rows = loads.map((it) => [
    String(it.id),
    String(it.cpu ?? "-"),
    it.percent.toFixed(1),
    (it.cpuMs / 1000).toFixed(2),
    it.status,
    it.name,
  ]);
  return formatTable(["ID", "CPU", "%CPU", "Time", "Status", "Name"], rows);
}

function delayFlag(input: Input): number {
  const text = input.text("delay") ?? "1";
  const seconds = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (seconds >= 0.1) return seconds * 1000;
  throw usageError(`--delay '${text}' is not a number of seconds from 0.1 on.`, "Write a number, such as --delay 2.");
}
