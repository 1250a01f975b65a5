import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { FollowLinks } from "../filesystems/host-tree.ts";
import type { Project } from "../project/project.ts";
import type { Layout } from "../store/layout.ts";
import { temporaryBeside } from "../support/atomic.ts";
import type { Context } from "../support/context.ts";
import { doing } from "../support/errors.ts";
import { type Extracted, extractTree } from "./extract.ts";
import { mergeTree } from "./merge.ts";
import { BASE_PACKAGE, makePlan, REMOTE_BASE_PACKAGE } from "./plan.ts";

export const COLLECT_FOLDER = "mpm-pkg";

export interface CollectRequest {
  readonly project: Project;
  readonly layout: Layout;
  readonly require: readonly string[];
  readonly followLinks: FollowLinks;
  /** For `package compose-remote`, whose base is another package. */
  readonly remote: boolean;
}

export interface Collected extends Extracted {
  readonly folder: string;
  readonly packages: readonly string[];
}

/** `package collect`: writes what would be composed into the folder mpm-pkg of the project, in place of the last one. */
export async function collect(request: CollectRequest, context: Context): Promise<Collected> {
  const { project, layout } = request;
  const base = request.remote ? REMOTE_BASE_PACKAGE : BASE_PACKAGE;
  const plan = await makePlan({ project, require: request.require, base }, layout, context);
  const tree = await mergeTree(plan, { followLinks: request.followLinks }, context);
  const folder = join(project.dir, COLLECT_FOLDER);
  const temporary = temporaryBeside(folder);
  try {
    const counts = await extractTree(tree, temporary, context);
    if (existsSync(folder)) doing(`Removing the old ${folder}`, () => rmSync(folder, { recursive: true }));
    renameSync(temporary, folder);
    return { folder, packages: plan.packages.map(({ name }) => name), ...counts };
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}
