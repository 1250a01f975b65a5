import { join, relative, resolve, sep } from "node:path";
import type { FileTree } from "../filesystems/filetree.ts";
import { treeFromHost } from "../filesystems/host-tree.ts";
import { createdTime, type PackageManifest } from "../project/manifest.ts";
import { loadProject, type Project } from "../project/project.ts";
import { temporaryOwner, writeBeside } from "../support/atomic.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, doing, ExitCode } from "../support/errors.ts";
import { createGzipFile } from "./tar/gzip-file.ts";
import { MAX_OCTAL_NUMBER } from "./tar/layout.ts";
import { writeTar } from "./tar/writer.ts";

export interface BuiltPackage {
  readonly path: string;
  readonly manifest: PackageManifest;
}

export interface BuildPackageOptions {
  /** Default: NAME.mpm in the project. */
  readonly output?: string | undefined;
}

/**
 * Packs a project into an .mpm: all but what .capstanignore names and earlier packages of it; meta is included.
 * Built twice, the bytes are the same: see writeTar, and `packageTime` for the times in it.
 * Nothing is left behind by a failure, and an earlier package stays.
 */
export async function buildPackage(
  folder: string,
  options: BuildPackageOptions,
  context: Context,
): Promise<BuiltPackage> {
  // With it, all that will be read of the project is checked now, and not when somebody uses the package.
  const project = loadProject(folder, context);
  const { manifest } = project;
  const path = resolve(context.cwd, options.output ?? join(project.dir, `${manifest.name}.mpm`));
  const mtime = packageTime(manifest, context.env);
  const tree = await packageContent(project, path, context);
  await doing(`Writing ${path}`, () =>
    writeBeside(path, (temporary) => writePackage(tree, { path: temporary, mtime }, context)),
  );
  return { path, manifest };
}

/**
 * The time of all entries of a package, in seconds: SOURCE_DATE_EPOCH (reproducible-builds.org) where it is set,
 * else what the manifest has as `created`, else 0. A time without a zone is taken as UTC, on every machine.
 */
export function packageTime(manifest: Pick<PackageManifest, "created">, env: Context["env"]): number {
  const epoch = env.SOURCE_DATE_EPOCH;
  if (epoch !== undefined && epoch !== "") {
    if (/^[0-9]{1,10}$/.test(epoch)) return Math.min(Number(epoch), MAX_OCTAL_NUMBER);
    throw new CapstanError(`SOURCE_DATE_EPOCH is '${epoch}', and has to be a number of seconds since 1970`, {
      code: "bad-source-date-epoch",
      hint: "Set it to a number, such as $(git log -1 --format=%ct), or unset it.",
      exitCode: ExitCode.usage,
    });
  }
  const seconds = Math.floor((createdTime(manifest.created) ?? 0) / 1000);
  return Math.min(Math.max(seconds, 0), MAX_OCTAL_NUMBER);
}

async function packageContent(project: Project, output: string, context: Context): Promise<FileTree> {
  const { name } = project.manifest;
  const ignore = project.ignore.forPackage();
  const outputInside = relative(project.dir, output).split(sep).join("/");
  return treeFromHost(project.dir, {
    origin: name,
    signal: context.signal,
    ignore: (path, isDirectory) =>
      path === outputInside || isOwnOutput(path, name) || ignore.ignores(path, isDirectory),
    onSkip: (path) => context.reporter.report({ kind: "detail", text: `${path} is left out` }),
  });
}

/** What Capstan itself makes in a project: its package, anywhere as with the original, and what is just being written. */
export function isOwnOutput(path: string, name: string): boolean {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return file === `${name}.mpm` || temporaryOwner(file) !== undefined;
}

async function writePackage(
  tree: FileTree,
  target: { readonly path: string; readonly mtime: number },
  { signal, reporter }: Context,
): Promise<void> {
  const file = await createGzipFile(target.path);
  try {
    await writeTar(tree, {
      write: (chunk) => file.write(chunk),
      mtime: target.mtime,
      signal,
      onProgress: (done, total) =>
        reporter.report({ kind: "progress", text: `Packing ${tree.origin}`, done, total, unit: "bytes" }),
    });
    await file.finish();
  } finally {
    await file.close();
  }
}
