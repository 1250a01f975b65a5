import { setTimeout as delay } from "node:timers/promises";
import { type InstanceInfo, listInstances } from "../../instances/list.ts";
import { LABELS } from "../../services/driver.ts";
import { readServicesFile } from "../../services/read-file.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { type Input, usageError } from "../input.ts";
import { formatInstances } from "../instance-table.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const root = openStore(context).settings.root.value;
  const filter = filterOf(input, context);
  const list = async () => (await listInstances(root)).filter(filter);
  if (input.on("watch")) {
    if (input.on("json")) throw usageError("--watch and --json exclude each other.", "Ask again and again instead.");
    return { value: undefined, text: () => watch(list, context) };
  }
  const value = await list();
  for (const { name, status, reason } of value) {
    if (status === "broken") context.reporter.report({ kind: "warning", text: `instance ${name}: ${reason}.` });
  }
  return { value, text: () => formatInstances(value, context.now()) };
}

const ACTIVE: readonly InstanceInfo["status"][] = ["created", "running", "paused", "restarting"];

function filterOf(input: Input, context: CommandContext): (info: InstanceInfo) => boolean {
  const [file, projectName] = [input.text("file"), input.text("project-name")];
  const project = file === undefined ? projectName : readServicesFile({ file, projectName }, context).name;
  return ({ status, labels }) =>
    (!input.on("running") || ACTIVE.includes(status)) && (project === undefined || labels[LABELS.project] === project);
}

const EVERY_MS = 1000;
const CLEAR = "\x1b[H\x1b[2J";

/** On a terminal, over what was there; elsewhere, whenever something has changed. Until Ctrl-C. */
async function* watch(
  list: () => Promise<readonly InstanceInfo[]>,
  { now, console }: CommandContext,
): AsyncGenerator<Uint8Array> {
  let before: string | undefined;
  for (;;) {
    const infos = await list();
    const seen = JSON.stringify(infos);
    if (console.stdoutIsTerminal) yield Buffer.from(CLEAR + formatInstances(infos, now()));
    else if (seen !== before) yield Buffer.from(`${before === undefined ? "" : "\n"}${formatInstances(infos, now())}`);
    before = seen;
    await delay(EVERY_MS);
  }
}
