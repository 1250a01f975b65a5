import type { Finding } from "../check/finding.ts";
import type { FileTree } from "../filesystems/filetree.ts";
import { type FollowLinks, treeFromHost } from "../filesystems/host-tree.ts";
import { measureTree } from "../filesystems/tree-walk.ts";
import { type BootRequest, buildBootCommand } from "../project/boot-command.ts";
import type { Project } from "../project/project.ts";
import { formatLocalTime, type ImageMeta } from "../store/image-index.ts";
import type { Layout } from "../store/layout.ts";
import { BUILTIN_LOADER, type Loader } from "../store/loaders.ts";
import { checkImageName } from "../store/names.ts";
import { KERNEL_SUFFIX, stageImage } from "../store/stage.ts";
import { formatSize } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";
import { count } from "../support/count.ts";
import { type Checking, checkComposed } from "./check-image.ts";
import { checkStreamedTree } from "./check-tree.ts";
import { fingerprint, HostFingerprint, storedFingerprint, treeDigest } from "./fingerprint.ts";
import { mergeTree } from "./merge.ts";
import { BASE_PACKAGE, makePlan } from "./plan.ts";
import { addWritable, type ProgramContent } from "./program.ts";
import { tellMixedReleases } from "./releases.ts";
import { writeImage } from "./write-image.ts";

export interface ComposedImage {
  readonly name: string;
  readonly path: string;
  readonly commandLine: string;
  readonly loader: string;
  /** Of the disk as the guest sees it, in bytes. */
  readonly virtualSize: number;
  readonly files: number;
  /** False when the image was up to date already. */
  readonly composed: boolean;
  /** What the check has to say of it; empty when it was not run. */
  readonly findings: readonly Finding[];
}

interface ComposeOptions {
  readonly name: string;
  readonly checking: Checking;
  readonly loader: Loader;
  readonly layout: Layout;
  readonly followLinks: FollowLinks;
}

export interface ComposeFolderRequest extends ComposeOptions {
  /** A folder whose content becomes the root, or a single file; absolute. */
  readonly path: string;
  readonly commandLine: string | undefined;
}

/** `compose`: the files of a folder as they are, without packages. */
export async function composeFolder(request: ComposeFolderRequest, context: Context): Promise<ComposedImage> {
  checkImageName(request.name);
  const tree = await treeFromHost(request.path, {
    origin: request.path,
    followLinks: request.followLinks,
    signal: context.signal,
  });
  const { commandLine: run } = request;
  const commandLine = run === undefined ? "" : buildBootCommand({ run, runFlag: "--command_line" }).text;
  return await storeImage({ ...request, tree, commandLine, inputs: undefined }, context);
}

export interface ComposePackageRequest extends ComposeOptions {
  readonly project: Project;
  readonly require: readonly string[];
  readonly boot: Pick<BootRequest, "run" | "runFlag" | "boot" | "env">;
  /** Compose only if something has changed since the image of this name was composed. */
  readonly onlyIfChanged: boolean;
  /** What goes in in place of the project's folder. */
  readonly content?: ProgramContent | undefined;
}

/** `package compose`: the project and all packages that it requires. */
export async function composePackage(request: ComposePackageRequest, context: Context): Promise<ComposedImage> {
  const { project, layout } = request;
  checkImageName(request.name);
  const { tree, commandLine, inputs } = await prepareImage(request, context);
  if (request.onlyIfChanged) {
    const stored = storedFingerprint(layout, request.name);
    if (stored !== undefined && stored.inputs === inputs) {
      context.reporter.report({ kind: "detail", text: `Image ${request.name} is up to date` });
      // What was told when it was composed is not told again; but it fails whenever it is to.
      if (request.checking === "strict") checkComposed(stored.path, { ...request, tree, commandLine }, context);
      return {
        name: request.name,
        path: stored.path,
        commandLine,
        loader: request.loader.name,
        virtualSize: stored.virtualSize,
        files: measureTree(tree).files,
        composed: false,
        findings: [],
      };
    }
  }
  return await storeImage({ ...request, tree, commandLine, inputs, meta: metaOf(project) }, context);
}

/** What `package compose` would compose, checked. Nothing is left in the store. */
export async function checkPackage(request: ComposePackageRequest, context: Context): Promise<readonly Finding[]> {
  const { tree, commandLine } = await prepareImage(request, context);
  const { loader, layout } = request;
  return await checkStreamedTree({ tree, commandLine, loader, folder: layout.root }, context);
}

interface PreparedImage {
  readonly tree: FileTree;
  readonly commandLine: string;
  /** A digest of all that the image would be made from. */
  readonly inputs: string;
}

async function prepareImage(
  request: Omit<ComposePackageRequest, "name" | "onlyIfChanged" | "checking">,
  context: Context,
): Promise<PreparedImage> {
  const { project, loader, layout, content } = request;
  const plan = await makePlan({ project, require: request.require, base: BASE_PACKAGE }, layout, context);
  if (!plan.hasBase && loader.name !== BUILTIN_LOADER && content === undefined) {
    context.reporter.report({
      kind: "warning",
      text: `The package ${BASE_PACKAGE} is not in the store: the image gets Capstan's own base files, without libgcc_s.`,
      hint: `Fetch it with \`capstan package pull ${BASE_PACKAGE}\` if the program needs more.`,
    });
  }
  tellMixedReleases(plan, loader, { layout, context });
  const boot = buildBootCommand({
    ...request.boot,
    configDefault: project.runConfig?.defaults,
    sets: plan.scripts.map(({ set }) => set),
  });
  if (boot.warning !== undefined) context.reporter.report({ kind: "warning", text: boot.warning });
  const host = new HostFingerprint();
  if (content !== undefined) addWritable(content);
  const own = content?.tree;
  const tree = await mergeTree(plan, { followLinks: request.followLinks, onHostEntry: host.add, own }, context);
  const inputs = fingerprint({
    ...{ plan, loader, commandLine: boot.text },
    own: own === undefined ? host.digest() : treeDigest(own),
  });
  return { tree, commandLine: boot.text, inputs };
}

function metaOf({ manifest }: Project): ImageMeta {
  return { version: manifest.version, description: manifest.title, platform: manifest.platform };
}

interface StoreRequest extends ComposeOptions {
  readonly tree: FileTree;
  readonly commandLine: string;
  readonly inputs: string | undefined;
  readonly meta?: ImageMeta;
}

async function storeImage(request: StoreRequest, context: Context): Promise<ComposedImage> {
  const { name, loader, tree, commandLine } = request;
  context.reporter.report({ kind: "detail", text: `Loader ${loader.name}: ${loader.image}` });
  context.reporter.report({ kind: "detail", text: `Boot command: ${commandLine}` });
  const stage = stageImage(request.layout, name, { now: context.now(), signal: context.signal });
  try {
    const content = { loader: loader.image, commandLine, tree };
    const { virtualSize } = await writeImage(stage.temporaryPath, content, context);
    const kernel = loader.kernel === undefined ? [] : [{ suffix: KERNEL_SUFFIX, path: loader.kernel }];
    const meta = { ...request.meta, created: formatLocalTime(context.now()), inputs: request.inputs };
    const findings = checkComposed(stage.temporaryPath, request, context);
    const path = await stage.commit(meta, kernel);
    const { files } = measureTree(tree);
    context.reporter.report({
      kind: "step",
      text: `Composed ${name}: ${count(files, "file")}, ${formatSize(virtualSize)}`,
    });
    return { name, path, commandLine, loader: loader.name, virtualSize, files, composed: true, findings };
  } catch (error) {
    stage.abort();
    throw error;
  }
}
