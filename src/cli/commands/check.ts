import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { Finding } from "../../check/finding.ts";
import { checkTree } from "../../compose/check-image.ts";
import { checkPackage } from "../../compose/compose.ts";
import { treeSpace } from "../../filesystems/tree-space.ts";
import { hasCapstanfile, isProject } from "../../project/folder.ts";
import { loaderFile } from "../../store/loaders.ts";
import { count } from "../../support/count.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { projectToCompose } from "../compose-flags.ts";
import { chosenLoader } from "../fetch-missing.ts";
import { type FoundImage, findImageOrFile } from "../find-image.ts";
import { type Input, usageError } from "../input.ts";
import { findProgram, isStored, notAnImage } from "../named-path.ts";
import { printable } from "../output.ts";
import { bootOfProgram, findingsOfProgram } from "../program-report.ts";
import { assembleProgram, programOptions } from "../programs.ts";
import { openStore } from "../store.ts";
import { viewImage } from "../view-image.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await check(input, context);
  const fails = value.errors > 0 || (input.on("strict") && value.warnings > 0);
  return { value, text: () => render(value), exitCode: fails ? ExitCode.badData : ExitCode.ok };
}

interface Checked {
  /** What was checked: "project", "image" or "program", and its path. */
  readonly kind: "project" | "image" | "program";
  readonly path: string;
  readonly loader: string;
  readonly findings: readonly Finding[];
  readonly errors: number;
  readonly warnings: number;
  readonly notes: number;
}

async function check(input: Input, context: CommandContext): Promise<Checked> {
  const target = input.arg("target");
  const folder = target === undefined ? context.cwd : resolve(context.cwd, target);
  const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
  const isOurs = isFolder && (isProject(folder) || hasCapstanfile(folder));
  if (target === undefined || isOurs) return await checkProject(folder, input, context);
  const named = isStored(target, context) ? undefined : findProgram(target, context, input.text("sysroot"));
  return named === undefined ? checkStored(target, input, context) : await checkProgram(named.path, input, context);
}

async function checkProject(folder: string, input: Input, context: CommandContext): Promise<Checked> {
  const project = projectToCompose({ ...context, cwd: folder });
  const loader = await chosenLoader(input, context);
  const { layout } = openStore(context);
  const findings = await checkPackage(
    {
      ...{ project, loader, layout, name: project.manifest.name, require: [], boot: {} },
      ...{ root: { kind: "rofs" }, followLinks: "never", checking: "off", onlyIfChanged: false },
    },
    context,
  );
  return summary("project", { path: folder, loader: loader.name, findings });
}

async function checkProgram(path: string, input: Input, context: CommandContext): Promise<Checked> {
  const loader = await chosenLoader(input, context);
  const options = programOptions(input, context);
  const program = await assembleProgram({ path, userArgs: [], loader, options }, context);
  const boot = bootOfProgram(program, { args: [], env: new Map() });
  return summary("program", {
    path,
    loader: loader.name,
    findings: findingsOfProgram(program, { commandLine: boot, loader }, context),
  });
}

/** An image has its kernel in itself, whatever else is in the store. */
function checkStored(target: string, input: Input, context: CommandContext): Checked {
  const image = findImage(target, context);
  if (input.text("loader_image") !== undefined) {
    throw usageError("--loader_image does not go with an image, which has its kernel in it.");
  }
  const view = viewImage(target, context);
  try {
    const { tree } = view.root();
    const loader = { ...loaderFile(image.path), name: image.name, ...(image.kernel && { kernel: image.kernel }) };
    const commandLine = view.image.commandLine ?? "";
    const space = treeSpace(tree, `the image ${image.name}`);
    const findings = checkTree({ space, tree, hasModes: false, commandLine, loader, env: context.env });
    return summary("image", { path: image.path, loader: loader.name, findings });
  } finally {
    view.close();
  }
}

function findImage(target: string, context: CommandContext): FoundImage {
  try {
    return findImageOrFile(target, context);
  } catch (error) {
    if (!(error instanceof CapstanError) || error.code !== "no-such-image") throw error;
    throw notAnImage(error, target, context);
  }
}

function summary(
  kind: Checked["kind"],
  { path, loader, findings }: Pick<Checked, "path" | "loader" | "findings">,
): Checked {
  const of = (severity: Finding["severity"]) => findings.filter((finding) => finding.severity === severity).length;
  return { kind, path, loader, findings, errors: of("error"), warnings: of("warning"), notes: of("note") };
}

function render({ findings, errors, warnings, notes }: Checked): string {
  const lines = findings.flatMap(({ code, severity, path, problem, advice }) => [
    `${severity}  ${path}  [${code}]`,
    `  ${problem}`,
    `  ${advice}`,
    "",
  ]);
  const total = [count(errors, "error"), count(warnings, "warning"), count(notes, "note")].join(", ");
  return `${[...lines, findings.length === 0 ? "Nothing was found." : total].map(printable).join("\n")}\n`;
}
