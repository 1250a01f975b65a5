import { inOrder } from "../check/check.ts";
import type { Finding, FindingCode } from "../check/finding.ts";
import { loaderCommand } from "../check/loader-command.ts";
import { checkTree, findingText, kernelOf, machineDistribution } from "../compose/check-image.ts";
import { baseTree } from "../compose/merge.ts";
import { addWritable } from "../compose/program.ts";
import type { Distribution } from "../distributions/distribution.ts";
import { insert } from "../filesystems/tree-builder.ts";
import { treeSpace } from "../filesystems/tree-space.ts";
import type { Item } from "../programs/item.ts";
import type { Launch } from "../programs/launch.ts";
import { buildBootCommand, joinWords, wordProblem } from "../project/boot-command.ts";
import { writeLoaderOption } from "../project/osv-grammar.ts";
import type { Loader } from "../store/loaders.ts";
import { formatSize } from "../support/bytes.ts";
import { count } from "../support/count.ts";
import { ExitCode } from "../support/errors.ts";
import type { Answer, CommandContext } from "./answer.ts";
import type { AssembledProgram } from "./programs.ts";
import { formatTable } from "./table-text.ts";

export interface DryRunRequest {
  /** The whole boot command. */
  readonly boot: string;
  readonly loader: Loader;
  readonly path: string;
  /** Fail when the check finds errors or warnings. */
  readonly strict: boolean;
}

/** What would go into the image: why, from where, and how big. Nothing is written. */
export function dryRunProgram(program: AssembledProgram, request: DryRunRequest, context: CommandContext): Answer {
  const value = describeProgram(program, request, context);
  const isVerbose = context.reporter.verbose;
  const fails = request.strict && value.findings.some(({ severity }) => severity !== "note");
  return { value, text: () => render(value, isVerbose), exitCode: fails ? ExitCode.badData : ExitCode.ok };
}

/** What is worth a line when a program is composed; `keeping` says how to keep what was left out, where there is a way. */
export function tellProgram(
  program: AssembledProgram,
  { reporter }: CommandContext,
  keeping = "; --no-trim keeps them",
): void {
  const { launch, notes, trimmed } = program;
  reporter.report({ kind: "detail", text: `${program.name} is ${program.recognised.title}` });
  reporter.report({ kind: "detail", text: `Launch ${launch.mode}: ${launch.reason}` });
  for (const item of program.items) {
    const from = item.source === undefined || item.source === item.target ? "" : ` from ${item.source}`;
    reporter.report({ kind: "detail", text: `${item.target}${from}: ${reasonOf(item)}` });
  }
  if (launch.hindrance !== undefined) {
    reporter.report({ kind: "warning", text: `${program.name} is not expected to run: ${launch.hindrance}` });
  }
  for (const text of notes) reporter.report({ kind: "step", text });
  if (trimmed.length > 0) reporter.report({ kind: "step", text: `Left out ${trimmedText(program, keeping)}` });
}

type Described = ReturnType<typeof describeProgram>;

function describeProgram(program: AssembledProgram, { boot, loader, path }: DryRunRequest, context: CommandContext) {
  const kernel = kernelOf(loader);
  const distribution = machineDistribution(context.env);
  const items = program.items.map((item) => ({ ...item, package: packageOf(item, distribution) }));
  return {
    name: program.name,
    path,
    kind: program.recognised.kind,
    title: program.recognised.title,
    kernel: kernel.title,
    loader: loader.name,
    launch: program.launch,
    commandLine: boot,
    items,
    files: items.reduce((sum, { files }) => sum + files, 0),
    size: items.reduce((sum, { size }) => sum + size, 0),
    missing: program.missing,
    trimmed: program.trimmed,
    writable: program.writable,
    notes: program.notes,
    findings: findingsOfProgram(program, { commandLine: boot, loader }, context),
  };
}

function packageOf(item: Item, distribution: Distribution | undefined): string | null {
  if (item.source === undefined || item.type !== "file") return null;
  return distribution?.ownerOf(item.source)?.name ?? null;
}

/**
 * The command that starts a program with the arguments of the command line. Words that OSv's commands cannot hold, with
 * a `$` or other letters than ASCII's in them, reach the program through variables.
 */
export function bootOfProgram(
  program: AssembledProgram,
  { args, env }: { readonly args: readonly string[]; readonly env: ReadonlyMap<string, string> },
): string {
  const { command, workingDirectory } = program;
  const place = workingDirectory === undefined ? [] : [writeLoaderOption(`--cwd=${workingDirectory}`)];
  const carried = new Map<string, string>();
  const words = [...command, ...args].map((word) => {
    if (wordProblem(word, { dollar: "refuse" }) === undefined) return word;
    const name = `CAPSTAN_WORD_${carried.size + 1}`;
    carried.set(name, word);
    return `$${name}`;
  });
  const run = [...place, joinWords(words, { dollar: "reference" })].join(" ");
  return buildBootCommand({ run, env: new Map([...program.env, ...env, ...carried]) }).text;
}

export function findingsOfProgram(
  program: AssembledProgram,
  { commandLine, loader }: { readonly commandLine: string; readonly loader: Loader },
  { env }: CommandContext,
): readonly Finding[] {
  const tree = baseTree();
  addWritable(program);
  insert(tree, "/", program.tree);
  const space = treeSpace(tree, "the image");
  const found = checkTree({ space, tree, hasModes: true, commandLine, loader, env });
  return inOrder([...found, ...foundBefore(program, found)]);
}

/** What was known of the program before there was an image, and the check of that has not told. */
function foundBefore({ launch, command, notes }: AssembledProgram, found: readonly Finding[]): readonly Finding[] {
  const [first = "/"] = command;
  const path = loaderCommand(command)?.program ?? first;
  const findings: Finding[] = notes.map((note) => ({
    ...{ code: "program-note", severity: "note", path, problem: note },
    advice: "There is nothing to do, unless the program misses it.",
  }));
  const isTold = found.some((one) => one.severity === "error" && one.path === path && LAUNCH_CODES.has(one.code));
  if (launch.hindrance === undefined || isTold) return findings;
  const problem = `${path} is not expected to run: ${launch.hindrance}`;
  const advice = adviceFor(launch);
  return [{ code: "not-expected-to-run", severity: "error", path, problem, advice }, ...findings];
}

/** Codes of the check with which it tells what hinders a launch. */
const LAUNCH_CODES: ReadonlySet<FindingCode> = new Set([
  "not-expected-to-run",
  "static-program",
  "linux-loader",
  "relocations",
  "missing-symbol",
]);

function adviceFor({ mode, chosen }: Launch): string {
  const other = chosen === "asked" ? `Leave --launch ${mode} out, or compose` : "Compose";
  return `${other} with an OSv newer than 0.57.0 (--loader_image).`;
}

function render(value: Described, isVerbose: boolean): string {
  const lines = [
    `program   ${value.path}: ${value.title}`,
    `kernel    ${value.kernel} (loader ${value.loader})`,
    `launch    ${value.launch.mode}: ${value.launch.reason}`,
    ...value.launch.doubts.map((doubt) => `          ${doubt}`),
    `command   ${value.commandLine}`,
    ...value.notes.map((note) => `note      ${note}`),
    ...value.trimmed.map(
      ({ what, files, bytes }) => `left out  ${what}: ${count(files, "file")}, ${formatSize(bytes)}`,
    ),
    ...(value.writable.length === 0 ? [] : [`writable  ${value.writable.join(" ")} (in memory)`]),
    "",
  ];
  const rows = value.items.map((item) => [
    item.type === "link" ? "" : formatSize(item.size),
    item.type === "folder" ? `${item.target}/ (${count(item.files, "file")})` : item.target,
    item.type === "link" ? `-> ${item.to}` : fromText(item),
    reasonOf(item),
  ]);
  const total = `${count(value.files, "file")}, ${formatSize(value.size)}`;
  const findings = value.findings
    .filter(({ severity }) => isVerbose || severity !== "note")
    .filter(({ code }) => code !== "program-note");
  return [
    ...lines.map((line) => `${line}\n`),
    formatTable(["SIZE", "IN THE IMAGE", "FROM", "WHY"], rows),
    `\n${total} in all\n`,
    ...findings.map((finding) => `\n${finding.severity}: ${findingText(finding)}\n  ${finding.advice}\n`),
  ].join("");
}

function fromText({ source, target, package: owner }: Described["items"][number]): string {
  const from = source === undefined ? "made" : source === target ? "the same" : source;
  return owner === null ? from : `${from} (${owner})`;
}

function reasonOf({ role, neededBy }: Item): string {
  if (role === "with") return "given by --with";
  const [first, ...others] = neededBy;
  if (first === undefined) return role;
  return `${role}, for ${first}${others.length === 0 ? "" : ` and ${others.length} more`}`;
}

function trimmedText({ trimmed }: AssembledProgram, keeping: string): string {
  const bytes = trimmed.reduce((sum, one) => sum + one.bytes, 0);
  return `${trimmed.map(({ what }) => what).join(", ")}: ${formatSize(bytes)} saved${keeping}`;
}
