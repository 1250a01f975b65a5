import { existsSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, join, resolve } from "node:path";
import { safeName } from "../../compose/program.ts";
import { quotePath } from "../../filesystems/names.ts";
import { loadCapstanfile } from "../../project/capstanfile.ts";
import { DEFAULT_LOADER } from "../../store/loaders.ts";
import { writeFileAtomically } from "../../support/atomic.ts";
import { CapstanError, doing, ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { canAsk, choose, confirm } from "../init/ask.ts";
import type { Candidate } from "../init/candidate.ts";
import { candidateOf, detect } from "../init/detect.ts";
import { capstanfileFiles, type NewFile, packageFiles } from "../init/files.ts";
import { type Input, usageError } from "../input.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const folder = resolve(context.cwd, input.arg("path") ?? ".");
  checkFolder(folder);
  const candidate = await choice(folder, input, context);
  const files = filesOf(candidate, folder, { input, context });
  await checkFree(folder, files, { input, context });
  for (const { path, text } of files) await writeFileAtomically(join(folder, path), text);
  for (const { path } of files) context.reporter.report({ kind: "step", text: `Wrote ${join(folder, path)}` });
  const value = { kind: candidate.kind, written: files.map(({ path }) => join(folder, path)) };
  if (!input.on("package")) checkWritten(files[0]?.path ?? "", folder);
  const where = folder === context.cwd ? "" : ` in ${folder}`;
  context.reporter.report({ kind: "step", text: `Run it with 'capstan run'${where}` });
  return { value };
}

function checkFolder(folder: string): void {
  const stats = doing(`Looking at ${folder}`, () => statSync(folder, { throwIfNoEntry: false }));
  if (stats?.isDirectory() === true) return;
  const isThere = stats !== undefined;
  throw new CapstanError(isThere ? `${quotePath(folder)} is not a folder` : `There is no folder ${quotePath(folder)}`, {
    code: isThere ? "not-a-folder" : "no-such-folder",
    hint: isThere ? "Name its folder, and the program in it with --program." : "Check the path.",
    exitCode: ExitCode.noInput,
  });
}

async function choice(folder: string, input: Input, context: CommandContext): Promise<Candidate> {
  const program = input.text("program");
  if (program !== undefined) return candidateOf(program, folder);
  const kind = input.text("kind");
  const all = detect(folder);
  const candidates = kind === undefined ? all : all.filter((candidate) => candidate.kind === kind);
  const [first, second] = candidates;
  if (first === undefined) throw nothingKnown(folder, kind, all);
  if (second === undefined) return first;
  const titles = candidates.map(({ title }) => title);
  if (canAsk(context)) {
    return candidates[await choose(`${folder} holds several things that can be run:`, titles, context)] ?? first;
  }
  const others = titles.slice(1).join(", ");
  context.reporter.report({
    kind: "warning",
    text: `Taking ${first.title}; there is also ${others}.`,
    hint: "Choose another one with --kind or --program.",
  });
  return first;
}

function nothingKnown(folder: string, kind: string | undefined, all: readonly Candidate[]): CapstanError {
  const others = all.length === 0 ? "" : `, but ${all.map(({ title }) => title).join(", ")}`;
  const what = kind === undefined ? "nothing that Capstan knows how to run" : `nothing of the kind ${kind}${others}`;
  return new CapstanError(`In ${quotePath(folder)} there is ${what}`, {
    code: "nothing-to-init",
    hint: "Name the program: capstan init --program PATH. Known are ELF programs, Node.js, Python, jars, Go, Rust and web pages.",
    exitCode: ExitCode.noInput,
  });
}

interface Given {
  readonly input: Input;
  readonly context: CommandContext;
}

function filesOf(candidate: Candidate, folder: string, { input, context }: Given): readonly NewFile[] {
  const description = candidate.describe();
  if (!input.on("package")) return capstanfileFiles(description, input.text("base") ?? DEFAULT_LOADER);
  const { runtime } = description;
  if (runtime === undefined) {
    throw usageError(`A project of meta/ has no runtime for ${candidate.title}.`, "Leave --package out.");
  }
  const author = context.env.USER || userInfo().username;
  return packageFiles(runtime, { name: safeName(basename(folder)), author, now: context.now() });
}

async function checkFree(folder: string, files: readonly NewFile[], { input, context }: Given): Promise<void> {
  const there = files.map(({ path }) => path).filter((path) => existsSync(join(folder, path)));
  if (there.length === 0 || input.on("force")) return;
  const names = there.map((path) => join(folder, path)).join(", ");
  const [are, them] = there.length === 1 ? ["is", "it"] : ["are", "them"];
  if (canAsk(context) && (await confirm(`${names} ${are} there already. Replace ${them}?`, context))) return;
  throw new CapstanError(`${names} ${there.length === 1 ? "exists" : "exist"} already`, {
    code: "exists",
    hint: `Use --force to replace ${there.length === 1 ? "it" : "them"}.`,
    exitCode: ExitCode.cannotCreate,
  });
}

/** What cannot be read back would be a mistake of ours. */
function checkWritten(path: string, folder: string): void {
  loadCapstanfile(join(folder, path), { cwd: folder });
}
