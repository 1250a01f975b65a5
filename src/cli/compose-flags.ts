import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Checking, kernelOf } from "../compose/check-image.ts";
import { type RootRequest, ZFS_LOADER } from "../compose/root-filesystem.ts";
import type { FollowLinks } from "../filesystems/host-tree.ts";
import { readLockFile } from "../packages/lock-file.ts";
import { CAPSTANFILE } from "../project/folder.ts";
import { loadProject, type Project } from "../project/project.ts";
import { DEFAULT_LOADER, type Loader } from "../store/loaders.ts";
import { GiB } from "../support/bytes.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { parseSize } from "../support/sizes.ts";
import type { CommandContext } from "./answer.ts";
import { withBuilder } from "./builder.ts";
import { chosenLoader, projectLoader } from "./fetch-missing.ts";
import { findLoaderOrFile } from "./find-image.ts";
import { type Input, usageError } from "./input.ts";

/** The flags that all commands which compose have. */
export interface ComposeFlags {
  readonly loader: Loader;
  readonly root: RootRequest;
  readonly followLinks: FollowLinks;
  readonly checking: Checking;
}

/** With a project, the loader is that of its lock file. */
export async function composeFlags(input: Input, context: CommandContext, project?: Project): Promise<ComposeFlags> {
  const root = await withBuilder(rootRequest(input), input, context);
  return {
    ...{ root, loader: await loaderFor(root, { input, project }, context) },
    followLinks: followLinks(input),
    checking: checking(input),
  };
}

/** The size counts for a writable root alone; it has to be one in any case. */
function rootRequest(input: Input): RootRequest {
  const text = input.text("size");
  const size = text === undefined ? DEFAULT_SIZE : parseSize(text, { flag: "--size" });
  const root = input.text("zfs-root");
  if (input.text("fs") !== "zfs") {
    if (root !== undefined && root !== "auto") throw usageError("--zfs-root goes with --fs zfs.", "Write --fs zfs.");
    return { kind: "rofs" };
  }
  return { kind: "zfs", size, root: root === "osv" || root === "osv/zfs" || root === "both" ? root : undefined };
}

/** As in the original; what is not in use takes no space on this machine. */
const DEFAULT_SIZE = 10 * GiB;

interface LoaderChoice {
  readonly input: Input;
  readonly project: Project | undefined;
}

/** ZFS needs a loader with ZFS in it: that is another one where none was named, unless the usual one has it, as old ones do. */
async function loaderFor(
  root: RootRequest,
  { input, project }: LoaderChoice,
  context: CommandContext,
): Promise<Loader> {
  const isNamed = input.text("loader_image") !== undefined;
  const isLocked = project !== undefined && readLockFile(project.dir)?.loader !== undefined;
  if (root.kind === "rofs" || isNamed || isLocked) {
    return await (project === undefined ? chosenLoader(input, context) : projectLoader(input, project, context));
  }
  try {
    return await chosenLoader(input, context, ZFS_LOADER);
  } catch (error) {
    if (!(error instanceof CapstanError) || error.code !== "no-such-loader") throw error;
    const usual = usualLoader(context);
    if (usual === undefined || kernelOf(usual).can.zfs === false) throw noLoaderWithZfs(error);
    return usual;
  }
}

/** The small kernel that the usual hint speaks of has no ZFS. */
function noLoaderWithZfs(error: CapstanError): CapstanError {
  return new CapstanError(error.message, {
    code: error.code,
    hint: `ZFS needs a loader that has it: put one into the store with 'capstan import ${ZFS_LOADER} loader.img', or leave --fs zfs out.`,
    details: error.details,
    exitCode: error.exitCode,
    cause: error,
  });
}

function usualLoader(context: CommandContext): Loader | undefined {
  try {
    return findLoaderOrFile(DEFAULT_LOADER, context);
  } catch (error) {
    if (error instanceof CapstanError && error.code === "no-such-loader") return undefined;
    throw error;
  }
}

export function checking(input: Input): Checking {
  if (input.on("strict") && input.on("no-check")) throw usageError("--strict and --no-check exclude each other.");
  if (input.on("no-check")) return "off";
  return input.on("strict") ? "strict" : "warn";
}

/** The project of this folder. One with a meta/run.yaml alone goes by a default manifest, as in the original. */
export function projectToCompose(context: CommandContext): Project {
  const hasRunConfig = existsSync(join(context.cwd, "meta", "run.yaml"));
  const hasManifest = existsSync(join(context.cwd, "meta", "package.yaml"));
  if (!hasRunConfig && !hasManifest && existsSync(join(context.cwd, CAPSTANFILE))) throw capstanfileAlone();
  return loadProject(context.cwd, context, { missingManifest: hasRunConfig ? "default" : "refuse" });
}

function capstanfileAlone(): CapstanError {
  return new CapstanError("This folder has a Capstanfile and no meta/package.yaml, which this command goes by", {
    code: "not-a-project",
    exitCode: ExitCode.noInput,
    hint: "Build the image with `capstan build`, or run it with `capstan run`.",
  });
}

export function followLinks(input: Input): FollowLinks {
  const value = input.text("follow-links");
  return value === "inside" || value === "all" ? value : "never";
}
