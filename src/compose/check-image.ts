import { checkImage } from "../check/check.ts";
import type { Finding } from "../check/finding.ts";
import { type Distribution, openDistribution } from "../distributions/distribution.ts";
import { programRunner } from "../distributions/run-program.ts";
import type { FileSpace } from "../filesystems/file-space.ts";
import type { FileTree } from "../filesystems/filetree.ts";
import { hostSpace } from "../filesystems/host-space.ts";
import { treeSpace } from "../filesystems/tree-space.ts";
import { someFile } from "../filesystems/tree-walk.ts";
import { type Kernel, readKernel } from "../kernels/kernel.ts";
import type { Loader } from "../store/loaders.ts";
import type { Context } from "../support/context.ts";
import { count } from "../support/count.ts";
import { CapstanError } from "../support/errors.ts";
import type { WrittenFile } from "./record.ts";
import { WrittenContents } from "./written-contents.ts";

/** What becomes of what the check finds: nothing is looked for, it is told, or it also fails the command. */
export type Checking = "off" | "warn" | "strict";

export interface CheckRequest {
  readonly name: string;
  readonly tree: FileTree;
  readonly commandLine: string;
  readonly loader: Loader;
  readonly checking: Checking;
  /** Where in the image the contents lie, as far as it is known: nothing of it need be read to find them. */
  readonly written?: readonly WrittenFile[] | undefined;
}

/**
 * Looks at what has just been written to `path`. Files of this machine are looked at where they lie; those that came out of
 * packed archives, which cannot be read at any place, in the image. What the image cannot keep, such as modes, shows in the tree.
 */
export function checkComposed(path: string, request: CheckRequest, context: Context): readonly Finding[] {
  if (request.checking === "off") return [];
  const contents = new WrittenContents(path, request.written ?? []);
  try {
    const findings = checkTree({
      ...request,
      space: treeSpace(request.tree, `the image ${request.name}`, (at, file) => contents.contentOf(at, file)),
      ...{ hasModes: true, onlyBooted: true, env: context.env },
    });
    reportFindings(findings, request.checking, context);
    return findings;
  } finally {
    contents.close();
  }
}

export function hasExtents(tree: FileTree): boolean {
  return someFile(tree, ({ content }) => content.kind === "extent");
}

export interface CheckTreeRequest {
  /** For the contents. */
  readonly space: FileSpace;
  readonly tree: FileTree;
  readonly hasModes: boolean;
  readonly commandLine: string;
  readonly onlyBooted?: boolean | undefined;
  readonly loader: Loader;
  readonly env: Context["env"];
}

export function checkTree({ loader, env, ...request }: CheckTreeRequest): readonly Finding[] {
  const machine = hostSpace("/");
  return checkImage({
    ...request,
    kernel: kernelOf(loader),
    hostSpace: machine,
    distribution: machineDistribution(env),
  });
}

/** The packages of this machine: what is read of them is kept for the command. */
export function machineDistribution(env: Context["env"]): Distribution | undefined {
  if (!distributions.has(env)) {
    distributions.set(env, openDistribution(hostSpace("/"), { runProgram: programRunner(env) }));
  }
  return distributions.get(env);
}

const distributions = new WeakMap<Context["env"], Distribution | undefined>();

/** What a loader's kernel is: it reads its facts when they are asked for, once for all who ask in a command. */
export function kernelOf(loader: Loader): Kernel {
  const { name, image, kernel: elf } = loader;
  const kernel = kernels.get(loader) ?? readKernel({ name, image, elf });
  kernels.set(loader, kernel);
  return kernel;
}

const kernels = new WeakMap<Loader, Kernel>();

/** Tells what was found as warnings; strict: as the command's failure. Error: CapstanError `check-failed`. */
export function reportFindings(findings: readonly Finding[], checking: Checking, { reporter }: Context): void {
  const told = findings.filter(({ severity }) => severity !== "note" || reporter.verbose);
  const bad = findings.filter(({ severity }) => severity !== "note");
  if (checking === "strict" && bad.length > 0) {
    const [first, ...others] = bad.map(findingText);
    throw new CapstanError(`${count(bad.length, "finding")} of the check: ${first}`, {
      code: "check-failed",
      hint: bad[0]?.advice,
      details: others,
    });
  }
  for (const finding of told) reporter.report({ kind: "warning", text: findingText(finding), hint: finding.advice });
}

export function findingText({ problem, code }: Finding): string {
  return `${problem.replace(/\.$/, "")} [${code}]`;
}
