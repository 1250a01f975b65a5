import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { readLog } from "../../instances/console/log-reader.ts";
import { readTimedLines } from "../../instances/console/timed-lines.ts";
import { instanceFolder } from "../../instances/layout.ts";
import { findLog } from "../../instances/logs.ts";
import { FILE_NAMES, readServicesFile } from "../../services/read-file.ts";
import type { ServicesFile } from "../../services/services-file.ts";
import { checkNames } from "../../services/up.ts";
import { formatSize } from "../../support/bytes.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { countFlag, sinceFlag } from "../durations.ts";
import { showConsoles } from "../follow-services.ts";
import { type Input, usageError } from "../input.ts";
import { instancesOf } from "../services.ts";
import { startSettings } from "../start-settings.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const [follow, tail] = [input.on("follow"), tailFlag(input)];
  const since = sinceFlag(input, context.now());
  if (follow && input.on("json")) throw usageError("--follow and --json exclude each other.", "Leave --json out.");
  const services = logsOfServices(input, context);
  if (services !== undefined) return await serviceLogs(services, { input, follow, since, tail }, context);
  const name = input.need("name");
  const log = findLog(openStore(context).settings.root.value, name);
  const warn = (text: string) => context.reporter.report({ kind: "warning", text });
  if (log.dropped > 0 && tail === undefined && since === undefined) {
    warn(`The first ${formatSize(log.dropped)} of the console are not kept any more: see --log-size of capstan run.`);
  }
  const options = { ...log, follow, since, tail, onLost: () => warn("A part of the console went by too fast.") };
  if (input.on("json")) return { value: { name, dropped: log.dropped, lines: await allLines(options) } };
  return { value: undefined, text: () => (input.on("timestamps") ? stampedLines(options) : readLog(options)) };
}

interface ServiceLogs {
  readonly file: ServicesFile;
  /** All of them without one. */
  readonly service: string | undefined;
}

/**
 * The services that are meant: those of --file, or of the file that is the argument, or of this folder's where nothing is
 * named; and a service of this folder's file where there is no instance of that name.
 */
function logsOfServices(input: Input, context: CommandContext): ServiceLogs | undefined {
  const [name, flag, projectName] = [input.arg("name"), input.text("file"), input.text("project-name")];
  const read = (file: string | undefined) => readServicesFile({ file, projectName }, context);
  if (flag !== undefined || projectName !== undefined) {
    const file = read(flag);
    if (name !== undefined) checkNames(file, [name]);
    return { file, service: name };
  }
  if (name === undefined) {
    if (!hasServicesFile(context)) throw nothingNamed();
    return { file: read(undefined), service: undefined };
  }
  if (isServicesFile(name, context)) return { file: read(name), service: undefined };
  if (isInstance(name, context) || !hasServicesFile(context)) return undefined;
  const file = read(undefined);
  return file.services.has(name) ? { file, service: name } : undefined;
}

function hasServicesFile({ cwd }: CommandContext): boolean {
  return FILE_NAMES.some((one) => existsSync(resolve(cwd, one)));
}

function nothingNamed(): CapstanError {
  return new CapstanError(`No instance is named, and this folder has no ${FILE_NAMES[0]}`, {
    code: "no-services-file",
    hint: "Name one: capstan logs INSTANCE. `capstan ps` lists them.",
    exitCode: ExitCode.noInput,
  });
}

/** Names of instances may end so too: then there is a folder of that name. */
function isServicesFile(name: string, context: CommandContext): boolean {
  if (!/\.ya?ml$/.test(name) || !existsSync(resolve(context.cwd, name))) return false;
  return name.includes("/") || !isInstance(name, context);
}

function isInstance(name: string, context: CommandContext): boolean {
  return existsSync(instanceFolder(openStore(context).settings.root.value, name));
}

async function serviceLogs(
  { file, service }: ServiceLogs,
  { input, ...options }: Pick<Options, "follow" | "since" | "tail"> & { readonly input: Input },
  context: CommandContext,
): Promise<Answer> {
  const { root } = startSettings(context);
  const instances = await instancesOf(file.name, root);
  const names = instances.filter((one) => service === undefined || one.service === service).map(({ name }) => name);
  if (!input.on("json")) {
    const { follow = false } = options;
    await showConsoles(names, { ...options, follow, signal: context.signal }, context);
    return { value: undefined };
  }
  const read = async (name: string) => {
    const log = findLog(root, name);
    return { name, dropped: log.dropped, lines: await allLines({ ...log, ...options }) };
  };
  return { value: await Promise.all(names.map(read)) };
}

type Options = Parameters<typeof readLog>[0];

async function allLines(options: Options) {
  const lines: { time: string | null; text: string }[] = [];
  for await (const { time, bytes } of readTimedLines(options)) {
    lines.push({ time: stamp(time) ?? null, text: bytes.toString("utf8").replace(/[\r\n]+$/, "") });
  }
  return lines;
}

async function* stampedLines(options: Options): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { time, bytes } of readTimedLines(options)) {
    yield Buffer.concat([Buffer.from(`${stamp(time) ?? NO_TIME} `), bytes]);
  }
}

const NO_TIME = "-".padEnd(24);

function stamp(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString();
}

function tailFlag(input: Input): number | undefined {
  return input.text("tail") === "all" ? undefined : countFlag(input, "tail");
}
