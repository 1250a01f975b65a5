import type { Finding } from "../../check/finding.ts";
import type { Closable } from "../../disks/block-device.ts";
import type { FileTree } from "../../filesystems/filetree.ts";
import type { FollowLinks } from "../../filesystems/host-tree.ts";
import { createTree, insert, type Replacement } from "../../filesystems/tree-builder.ts";
import { lookup, measureTree } from "../../filesystems/tree-walk.ts";
import { buildBootCommand } from "../../project/boot-command.ts";
import type { Capstanfile } from "../../project/capstanfile.ts";
import { formatLocalTime } from "../../store/image-index.ts";
import type { Layout } from "../../store/layout.ts";
import type { Loader } from "../../store/loaders.ts";
import { checkImageName } from "../../store/names.ts";
import { KERNEL_SUFFIX, stageImage } from "../../store/stage.ts";
import { formatSize } from "../../support/bytes.ts";
import type { Context } from "../../support/context.ts";
import { count } from "../../support/count.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { type Checking, checkComposed, kernelOf } from "../check-image.ts";
import { storedFingerprint } from "../fingerprint.ts";
import type { ProgramContent } from "../program.ts";
import { provenanceOf, stageProvenance } from "../provenance.ts";
import type { RootFilesystem } from "../root-filesystem.ts";
import { type Base, openBase, type RootWish } from "./base.ts";
import { amendedCommand } from "./command-line.ts";
import { buildInputs } from "./inputs.ts";
import { addLayer, insertPlaced } from "./overlay.ts";
import { addPackages } from "./packages/add-packages.ts";
import { insertLibraries, librariesOf } from "./packages/libraries.ts";
import { makeWritable } from "./writable.ts";
import { writeAmended } from "./write-amended.ts";

export interface BuildRequest {
  /** Of the new image. */
  readonly name: string;
  readonly capstanfile: Capstanfile;
  /** The image that `base` names. */
  readonly base: Loader;
  /** What `program` names, with all that it loads, and its boot command. */
  readonly program: BuiltProgram | undefined;
  readonly layout: Layout;
  readonly root: RootWish;
  readonly followLinks: FollowLinks;
  readonly checking: Checking;
  /** Build only if an input changed since the image of this name was built. */
  readonly onlyIfChanged: boolean;
}

export type BuiltProgram = Pick<ProgramContent, "tree" | "writable"> & { readonly commandLine: string };

export interface BuiltImage {
  readonly name: string;
  readonly path: string;
  readonly base: string;
  readonly commandLine: string;
  /** Of the disk as the guest sees it, in bytes. */
  readonly virtualSize: number;
  readonly files: number;
  /** Files that are laid over those of the base. */
  readonly added: number;
  /** False when the image was up to date already. */
  readonly composed: boolean;
  readonly findings: readonly Finding[];
}

/**
 * Makes an image of a base with what a Capstanfile lays over it. Nothing is booted for it; build commands have run before.
 * Errors: CapstanError `base-is-image`, `base-not-amendable`, `base-layout`, `no-such-file`, `tree-conflict`, …
 */
export async function buildImage(request: BuildRequest, context: Context): Promise<BuiltImage> {
  const { capstanfile } = request;
  checkImageName(request.name);
  checkNotBase(request);
  const base = openBase(request.base, capstanfile.base.where);
  const opened: Closable[] = [];
  try {
    const overlay = createTree();
    const onReplace = teller(context);
    const { program } = request;
    if (program !== undefined) insert(overlay, "/", program.tree, { onReplace });
    const files: string[] = [];
    for (const layer of capstanfile.layers) {
      files.push(...(await addPackages(overlay, { layer, layout: request.layout, opened, onReplace }, context)));
      await addLayer(overlay, layer, { followLinks: request.followLinks, onReplace }, context);
    }
    const { tree } = base;
    // Each layer has its own root directory; that of the base stays.
    insertPlaced(tree, "/", { ...overlay, implied: true }, { onReplace });
    const root = base.root(request.root, tree, context);
    if (program !== undefined) for (const one of [overlay, tree]) makeWritable(one, { tree, root, program });
    const commandLine = commandOf(request, base, tree);
    if (files.length > 0) {
      const libraries = librariesOf({ tree, files, kernel: kernelOf(base.loader), commandLine }, context);
      for (const one of [overlay, tree]) insertLibraries(one, libraries);
    }
    const added = measureTree(overlay).files;
    const inputs = buildInputs({ base: request.base, root, commandLine, overlay }, context.signal);
    return await storeBuilt({ ...request, base, tree, root, commandLine, inputs, added, overlay }, context);
  } finally {
    for (const one of opened) one.close();
    base.close();
  }
}

/** Error: CapstanError `base-is-image`. */
export function checkNotBase({ name, base, capstanfile }: Pick<BuildRequest, "name" | "base" | "capstanfile">): void {
  if (base.name !== name) return;
  throw new CapstanError(`${capstanfile.base.where}: the base ${name} and the new image have one name`, {
    code: "base-is-image",
    hint: "Give the new image another one: capstan build NAME",
    exitCode: ExitCode.usage,
  });
}

function teller({ reporter }: Context): (replacement: Replacement) => void {
  return ({ path, before, after }) => {
    if (!reporter.verbose || before.origin === after.origin) return;
    reporter.report({
      kind: "detail",
      text: `${path}: the ${after.type} of ${after.origin} replaces the ${before.type}`,
    });
  };
}

/** A base without a command starts what the set called `default` says, where there is one. */
function commandOf({ capstanfile, program }: BuildRequest, base: Base, tree: FileTree): string {
  const cmdline = capstanfile.cmdline ?? program?.commandLine;
  const line = amendedCommand(cmdline, base.commandLine);
  if (cmdline !== undefined) return buildBootCommand({ run: line, runFlag: "cmdline" }).text;
  if (line.trim() !== "" || lookup(tree, "/run/default") === undefined) return line;
  return buildBootCommand({}).text;
}

interface StoreRequest extends Omit<BuildRequest, "base" | "root"> {
  readonly base: Base;
  readonly tree: FileTree;
  readonly overlay: FileTree;
  readonly root: RootFilesystem;
  readonly commandLine: string;
  readonly inputs: string;
  readonly added: number;
}

async function storeBuilt(request: StoreRequest, context: Context): Promise<BuiltImage> {
  const { name, base, tree, commandLine, inputs, added, layout } = request;
  const { loader } = base;
  const { files } = measureTree(tree);
  const same = request.onlyIfChanged ? storedFingerprint(layout, name) : undefined;
  const result = { name, base: loader.name, commandLine, files, added };
  const checked = { ...request, loader };
  if (same?.inputs === inputs) {
    context.reporter.report({ kind: "detail", text: `Image ${name} is up to date` });
    if (request.checking === "strict") checkComposed(same.path, checked, context);
    return { ...result, path: same.path, virtualSize: same.virtualSize, composed: false, findings: [] };
  }
  context.reporter.report({ kind: "detail", text: `Base ${loader.name}: ${loader.image}` });
  context.reporter.report({ kind: "detail", text: `Boot command: ${commandLine}` });
  // Otherwise the check tells it.
  if (commandLine.trim() === "" && request.checking === "off") tellNoCommand(request, context);
  const stage = stageImage(layout, name, { now: context.now(), signal: context.signal });
  try {
    const virtualSize = await writeAmended(stage.temporaryPath, request, context);
    const findings = checkComposed(stage.temporaryPath, checked, context);
    const companions = loader.kernel === undefined ? [] : [{ suffix: KERNEL_SUFFIX, path: loader.kernel }];
    const sources = { tree, loader: loader.name, base: { name: loader.name, provenance: provenanceOf(loader.image) } };
    companions.push(stageProvenance(stage.temporaryPath, sources));
    const build = request.capstanfile.layers.at(-1)?.build?.text.trim();
    const meta = { created: formatLocalTime(context.now()), inputs, build };
    const path = await stage.commit(meta, companions);
    const what = `${count(added, "file")} over ${loader.name}, ${formatSize(virtualSize)}`;
    context.reporter.report({ kind: "step", text: `Built ${name}: ${what}` });
    return { ...result, path, virtualSize, composed: true, findings };
  } catch (error) {
    stage.abort();
    throw error;
  }
}

function tellNoCommand({ name, capstanfile }: StoreRequest, { reporter }: Context): void {
  reporter.report({
    kind: "warning",
    text: `Neither ${capstanfile.name} nor its base has a boot command: ${name} runs nothing by itself.`,
    hint: "Write 'cmdline: /path/of/program' into it, or give a command when it runs: capstan run NAME --execute …",
  });
}
