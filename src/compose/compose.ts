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
import { CapstanError } from "../support/errors.ts";
import { type Checking, checkComposed } from "./check-image.ts";
import { checkStreamedTree } from "./check-tree.ts";
import { fingerprint, HostFingerprint, storedFingerprint, treeDigest } from "./fingerprint.ts";
import { mergeTree } from "./merge.ts";
import { BASE_PACKAGE, makePlan, type Plan } from "./plan.ts";
import { openPrevious } from "./previous.ts";
import { addWritable, type ProgramContent } from "./program.ts";
import { type ProvenanceInput, stageProvenance } from "./provenance.ts";
import { archiveIdentities, stageRecord } from "./record.ts";
import { tellMixedReleases } from "./releases.ts";
import { type RootFilesystem, type RootRequest, rootFilesystem, rootIdentity } from "./root-filesystem.ts";
import { openView } from "./view.ts";
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
  /** How many contents were taken from the image that was there before. */
  readonly reused?: number;
  /** What the check has to say of it; empty when it was not run. */
  readonly findings: readonly Finding[];
}

interface ComposeOptions {
  readonly name: string;
  readonly checking: Checking;
  readonly loader: Loader;
  readonly layout: Layout;
  readonly followLinks: FollowLinks;
  readonly root: RootRequest;
}

export interface ComposeFolderRequest extends ComposeOptions {
  /** A folder whose content becomes the root, or a single file; absolute. */
  readonly path: string;
  readonly commandLine: string | undefined;
}

/** `compose`: the files of a folder as they are, without packages. */
export async function composeFolder(request: ComposeFolderRequest, context: Context): Promise<ComposedImage> {
  checkImageName(request.name);
  const root = rootFilesystem(request.root, request.loader, context);
  const tree = await treeFromHost(request.path, {
    origin: request.path,
    followLinks: request.followLinks,
    signal: context.signal,
  });
  const { commandLine: run } = request;
  const commandLine = run === undefined ? "" : buildBootCommand({ run, runFlag: "--command_line" }).text;
  return await storeImage({ ...request, tree, commandLine, root, inputs: undefined }, context);
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
  const started = context.now().getTime();
  const root = rootFilesystem(request.root, request.loader, context);
  const { tree, commandLine, inputs, sources } = await prepareImage({ ...request, root }, context);
  const update = request.onlyIfChanged;
  if (update) {
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
    if (stored !== undefined && root.kind === "rofs") tellLostZfs(stored.path, request.name, context);
  }
  return await storeImage(
    { ...request, tree, commandLine, root, inputs, started, update, sources, meta: metaOf(project) },
    context,
  );
}

/** An update without --fs is rather a word that was forgotten than the wish for another root. */
function tellLostZfs(path: string, name: string, { reporter }: Context): void {
  if (filesystemOf(path) !== "zfs") return;
  const text = `The image ${name} had a ZFS root that can be written to, and gets a read-only one now`;
  reporter.report({ kind: "warning", text, hint: `To keep it as it was: capstan package compose ${name} --fs zfs` });
}

/** Undefined as well where the image is damaged: it is about to be replaced. */
function filesystemOf(path: string): "rofs" | "zfs" | undefined {
  try {
    const view = openView(path);
    view.close();
    return view.filesystem;
  } catch (error) {
    if (error instanceof CapstanError) return undefined;
    throw error;
  }
}

/** What `package compose` would compose, checked. Nothing is left in the store. */
export async function checkPackage(request: ComposePackageRequest, context: Context): Promise<readonly Finding[]> {
  const root = rootFilesystem(request.root, request.loader, context);
  const { tree, commandLine } = await prepareImage({ ...request, root }, context);
  const { loader, layout } = request;
  return await checkStreamedTree({ tree, commandLine, loader, folder: layout.root }, context);
}

interface PreparedImage {
  readonly tree: FileTree;
  readonly commandLine: string;
  /** A digest of all that the image would be made from. */
  readonly inputs: string;
  readonly sources: ProjectSources;
}

type ProjectSources = Pick<ProvenanceInput, "project" | "versions">;

async function prepareImage(
  request: Omit<ComposePackageRequest, "name" | "onlyIfChanged" | "checking" | "root"> & {
    readonly root: RootFilesystem;
  },
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
  if (content !== undefined) addWritable(content, request.root);
  const own = content?.tree;
  const tree = await mergeTree(plan, { followLinks: request.followLinks, onHostEntry: host.add, own }, context);
  const inputs = fingerprint({
    ...{ plan, loader, commandLine: boot.text, root: rootIdentity(request.root) },
    own: own === undefined ? host.digest() : treeDigest(own),
  });
  return { tree, commandLine: boot.text, inputs, sources: sourcesOf(plan, content) };
}

function sourcesOf({ project, packages }: Plan, content: ProgramContent | undefined): ProjectSources {
  const { name, version } = project.manifest;
  return {
    project: content === undefined ? { name, version, folder: project.dir } : undefined,
    versions: new Map(packages.map((one) => [one.name, one.version])),
  };
}

function metaOf({ manifest }: Project): ImageMeta {
  return { version: manifest.version, description: manifest.title, platform: manifest.platform };
}

interface StoreRequest extends Omit<ComposeOptions, "root"> {
  readonly root: RootFilesystem;
  readonly tree: FileTree;
  /** When the making of the image began, in milliseconds since 1970. */
  readonly started?: number;
  /** Whether what has not changed may come from the image of this name that is there. */
  readonly update?: boolean;
  readonly commandLine: string;
  readonly inputs: string | undefined;
  readonly sources?: ProjectSources;
  readonly meta?: ImageMeta;
}

async function storeImage(request: StoreRequest, context: Context): Promise<ComposedImage> {
  const { name, loader, tree, commandLine } = request;
  context.reporter.report({ kind: "detail", text: `Loader ${loader.name}: ${loader.image}` });
  context.reporter.report({ kind: "detail", text: `Boot command: ${commandLine}` });
  const stage = stageImage(request.layout, name, { now: context.now(), signal: context.signal });
  const previous = request.update ? openPrevious(request.layout, name) : undefined;
  try {
    const identities = archiveIdentities(tree);
    const content = { loader: loader.image, commandLine, tree, root: request.root, reuse: previous };
    const { virtualSize, files: written } = await writeImage(stage.temporaryPath, content, context);
    const meta = { ...request.meta, created: formatLocalTime(context.now()), inputs: request.inputs };
    const findings = checkComposed(stage.temporaryPath, { ...request, written }, context);
    const companions = loader.kernel === undefined ? [] : [{ suffix: KERNEL_SUFFIX, path: loader.kernel }];
    const { started } = request;
    if (started !== undefined) companions.push(stageRecord(stage.temporaryPath, { written, identities, started }));
    companions.push(stageProvenance(stage.temporaryPath, { tree, loader: loader.name, ...request.sources }));
    const path = await stage.commit(meta, companions);
    const { files } = measureTree(tree);
    const reused = previous?.found() ?? 0;
    const how = reused === 0 ? "" : `, ${reused} of them as they were`;
    context.reporter.report({
      kind: "step",
      text: `Composed ${name}: ${count(files, "file")}${how}, ${formatSize(virtualSize)}`,
    });
    return { name, path, commandLine, loader: loader.name, virtualSize, files, composed: true, reused, findings };
  } catch (error) {
    stage.abort();
    throw error;
  } finally {
    previous?.close();
  }
}
