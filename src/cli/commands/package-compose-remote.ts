import { composeRemote } from "../../compose/compose-remote.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { followLinks, projectToCompose } from "../compose-flags.ts";
import { fetchMissing } from "../fetch-missing.ts";
import { type Input, usageError } from "../input.ts";
import { openStore } from "../store.ts";
import { watchedUpload } from "../watched-upload.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const project = projectToCompose(context);
  const target = {
    host: checkedHost(input.need("host")),
    port: wholeNumber(input, "port", { fallback: DEFAULT_PORT, most: 65_535 }),
    waitMs: 1000 * wholeNumber(input, "wait", { fallback: 10, least: 0, most: MOST_SECONDS }),
    idleMs: 1000 * wholeNumber(input, "timeout", { fallback: 120, most: MOST_SECONDS }),
  };
  await fetchMissing(input, { project, forRemote: true, byLock: true }, context);
  const { layout } = openStore(context);
  const request = { project, target, layout, require: input.list("require"), followLinks: followLinks(input) };
  const value = await watchedUpload({ root: layout.root, target }, context, (watched) =>
    composeRemote(request, { ...context, ...watched }),
  );
  return { value };
}

const DEFAULT_PORT = 10_000;
const MOST_SECONDS = 86_400;

function checkedHost(host: string): string {
  const withPort = /^(\[.*\]|[^:]*):\d+$/.exec(host);
  if (withPort !== null) throw usageError(`'${host}' is more than a host.`, "Give the port with --port.");
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  if (bare !== "" && !/[\s/]/.test(bare)) return bare;
  throw usageError(`'${host}' is not the name or address of a host.`);
}

interface Bounds {
  readonly fallback: number;
  readonly least?: number;
  readonly most: number;
}

function wholeNumber(input: Input, flag: string, { fallback, least = 1, most }: Bounds): number {
  const text = input.text(flag);
  if (text === undefined) return fallback;
  const number = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw usageError(`--${flag} '${text}' is not a number from ${least} to ${most}.`);
}
