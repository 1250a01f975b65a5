import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { packageManifest, readPackageIndex } from "../packages/package-index.ts";
import { parseManifest, readManifestFile } from "../project/manifest.ts";
import { PACKAGES } from "../remotes/index/survey.ts";
import { copyToNew } from "../store/copy.ts";
import { temporaryBeside, writeFileAtomically } from "../support/atomic.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, doing } from "../support/errors.ts";
import { hashFile } from "../support/hash-file.ts";
import type { Added } from "./add-to-repository.ts";
import { otherContent, placeOf, versionedName } from "./places.ts";
import { type Repository, whileLocked } from "./repository.ts";

export interface Add {
  readonly repository: Repository;
  readonly replace: boolean;
}

/** Copies an .mpm, with the manifest that is in it beside it. A suffix with an architecture stays. */
export async function addPackage(source: string, add: Add, context: Context): Promise<Added> {
  const suffix = /\.mpm(?:\.(?:x86_64|aarch64))?$/.exec(source)?.[0] ?? ".mpm";
  return await stagePackage({ source, suffix }, add, {
    context,
    fill: (incoming) =>
      doing(`Copying ${source}`, () => copyToNew(source, incoming, { signal: context.signal })).then(() => undefined),
  });
}

export interface ComingPackage {
  /** Where it comes from, as messages call it. */
  readonly source: string;
  /** `.mpm` or `.mpm.ARCH` */
  readonly suffix: string;
}

/**
 * `fill` makes the archive of that path, and may return the manifest that is to stand beside it: the one inside is taken
 * without that. It is read before it comes into its place.
 */
export async function stagePackage(
  { source, suffix }: ComingPackage,
  add: Add,
  { fill, context }: { readonly fill: (incoming: string) => Promise<string | undefined>; readonly context: Context },
): Promise<Added> {
  const folder = join(add.repository.root, PACKAGES);
  doing(`Making ${folder}`, () => mkdirSync(folder, { recursive: true }));
  const incoming = temporaryBeside(join(folder, "incoming.mpm"));
  try {
    const beside = await fill(incoming);
    const index = await readPackageIndex(incoming, { context });
    const { name, version } = beside === undefined ? packageManifest(index) : parseManifest(beside, FOREIGN);
    const coming = { incoming, name, version, suffix, manifest: beside ?? index.manifestText ?? "" };
    const sha256 = await hashFile(incoming, context.signal);
    return await whileLocked(add.repository, context, () => place({ ...coming, sha256 }, folder, { add, context }));
  } catch (error) {
    throw withSource(error, incoming, source);
  } finally {
    rmSync(incoming, { force: true });
  }
}

const FOREIGN = { name: "the manifest", foreign: true };

interface Coming {
  readonly incoming: string;
  readonly sha256: string;
  readonly name: string;
  readonly version: string | undefined;
  readonly suffix: string;
  readonly manifest: string;
}

async function place(
  coming: Coming,
  folder: string,
  { add, context }: { readonly add: Add; readonly context: Context },
): Promise<Added> {
  const { name, version } = coming;
  const before = versionAt(folder, name);
  const where = placeOf({ before, version });
  if (where === "newer" && before?.version !== undefined) putAside(folder, name, versionedName(name, before.version));
  const stem = where === "older" && version !== undefined ? versionedName(name, version) : name;
  const path = join(folder, `${stem}${coming.suffix}`);
  const added = {
    kind: "package",
    name,
    version: version ?? null,
    path: `${PACKAGES}/${stem}${coming.suffix}`,
  } as const;
  if (existsSync(path)) {
    if ((await hashFile(path, context.signal)) === coming.sha256) return { ...added, changed: false };
    if (!add.replace) throw otherContent("package", name, version);
  }
  renameSync(coming.incoming, path);
  await writeFileAtomically(join(folder, `${stem}.yaml`), coming.manifest);
  return { ...added, changed: true };
}

/** What the plain name stands for; a manifest that cannot be read is as good as none. */
function versionAt(folder: string, name: string): { readonly version: string | undefined } | undefined {
  const path = join(folder, `${name}.yaml`);
  try {
    const manifest = readManifestFile(path, { name: path, foreign: true });
    return manifest && { version: manifest.version };
  } catch (error) {
    if (error instanceof CapstanError) return undefined;
    throw error;
  }
}

/** With its packages for all architectures, which share the manifest. */
function putAside(folder: string, from: string, to: string): void {
  for (const file of readdirSync(folder)) {
    if (file !== `${from}.yaml` && !/^\.mpm(\.x86_64|\.aarch64)?$/.test(file.slice(from.length))) continue;
    if (!file.startsWith(`${from}.`)) continue;
    const path = join(folder, file);
    // A link to the file of one architecture would lead nowhere.
    if (lstatSync(path).isSymbolicLink()) rmSync(path);
    else renameSync(path, join(folder, `${to}${file.slice(from.length)}`));
  }
}

/** It is the copy that was read, and what it was made of that the user knows. */
function withSource(error: unknown, copy: string, source: string): unknown {
  if (!(error instanceof CapstanError) || !error.message.includes(copy)) return error;
  const { code, exitCode, hint, details } = error;
  return new CapstanError(error.message.replaceAll(copy, source), { code, exitCode, hint, details, cause: error });
}
