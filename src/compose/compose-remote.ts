import { planCpio } from "../filesystems/cpio/writer.ts";
import type { FollowLinks } from "../filesystems/host-tree.ts";
import type { Project } from "../project/project.ts";
import type { Layout } from "../store/layout.ts";
import { formatSize } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";
import { count } from "../support/count.ts";
import { mergeTree } from "./merge.ts";
import { makePlan, REMOTE_BASE_PACKAGE } from "./plan.ts";
import { type UploadTarget, uploadTree } from "./upload.ts";

export interface ComposeRemoteRequest {
  readonly project: Project;
  readonly layout: Layout;
  readonly require: readonly string[];
  readonly followLinks: FollowLinks;
  readonly target: UploadTarget;
}

export interface ComposedRemotely {
  readonly host: string;
  readonly port: number;
  readonly packages: readonly string[];
  readonly files: number;
  readonly links: number;
  readonly directories: number;
  /** Sent. */
  readonly bytes: number;
}

/** `package compose-remote`: the project and all that it requires go to a guest that runs, and are written there. */
export async function composeRemote(request: ComposeRemoteRequest, context: Context): Promise<ComposedRemotely> {
  const { project, layout, target } = request;
  const plan = await makePlan({ project, require: request.require, base: REMOTE_BASE_PACKAGE }, layout, context);
  // A guest that runs has its own base files, and cpiod does not survive a link that is there already.
  const tree = await mergeTree({ ...plan, hasBase: true }, { followLinks: request.followLinks }, context);
  const archive = planCpio(tree);
  context.reporter.report({
    kind: "detail",
    text: `Sending ${count(archive.counts.files, "file")}, ${formatSize(archive.size)}, to ${target.host}:${target.port}`,
  });
  const { bytes } = await uploadTree(archive, target, context);
  context.reporter.report({
    kind: "step",
    text: `Sent ${count(archive.counts.files, "file")}, ${formatSize(bytes)}, to ${target.host}:${target.port}`,
  });
  const { host, port } = target;
  return { host, port, packages: plan.packages.map(({ name }) => name), ...archive.counts, bytes };
}
