import type { ZfsRoot } from "../filesystems/zfs/writer.ts";
import { packageTime } from "../packages/build-package.ts";
import type { Loader } from "../store/loaders.ts";
import type { Context } from "../support/context.ts";
import { CapstanError } from "../support/errors.ts";
import type { Builder } from "./builder/build-by-vm.ts";
import { kernelOf } from "./check-image.ts";

/** What becomes the root of an image: a read-only one that takes what it needs, or a writable one of some size. */
export type RootFilesystem =
  | { readonly kind: "rofs" }
  | {
      readonly kind: "zfs";
      /** Of the partition, in bytes. */
      readonly size: number;
      readonly root: ZfsRoot;
      /** Seconds since 1970; what is later in the tree gets this time. Undefined: times are as they are. */
      readonly timestamp: number | undefined;
      /** What writes it in a virtual machine; undefined where Capstan does it itself. */
      readonly builder: Builder | undefined;
    };

/** The same as it is asked for: which data set is the root is left to the kernel where it is undefined. */
export type RootRequest =
  | { readonly kind: "rofs" }
  | {
      readonly kind: "zfs";
      readonly size: number;
      readonly root: ZfsRoot | undefined;
      readonly builder?: Builder | undefined;
    };

/** OSv's loader with ZFS in it. */
export const ZFS_LOADER = "osv-loader-with-zfs";

/**
 * What the loader's kernel makes of the request.
 * Errors: CapstanError `kernel-without-zfs`, `bad-source-date-epoch`.
 */
export function rootFilesystem(request: RootRequest, loader: Loader, context: Context): RootFilesystem {
  if (request.kind === "rofs") return request;
  checkMountsZfs(loader);
  const { zfs } = kernelOf(loader).can;
  const root = request.root ?? (zfs === undefined || zfs === false ? "both" : zfs);
  if (request.root === undefined && root === "both") {
    context.reporter.report({
      kind: "warning",
      text: `Which ZFS data set the kernel of ${loader.name} mounts does not show: the image boots with either.`,
      hint: "Space of the files that are in it now is never freed then; --zfs-root osv (kernels after v0.57.0) or osv/zfs avoids that.",
    });
  }
  return { ...request, root, timestamp: sourceDate(context.env), builder: request.builder };
}

function sourceDate(env: Context["env"]): number | undefined {
  const epoch = env.SOURCE_DATE_EPOCH;
  return epoch === undefined || epoch === "" ? undefined : packageTime({}, env);
}

/** Error: CapstanError `kernel-without-zfs`. */
export function checkMountsZfs(loader: Loader): void {
  const { can, title } = kernelOf(loader);
  if (can.zfs !== false) return;
  throw new CapstanError(`The kernel of ${loader.name}, ${title}, cannot mount ZFS`, {
    code: "kernel-without-zfs",
    hint: `Take one that can, --loader_image ${ZFS_LOADER}, or leave --fs zfs out.`,
  });
}

/** For fingerprints: what of it makes another image. */
export function rootIdentity(root: RootFilesystem): string {
  if (root.kind === "rofs") return "rofs";
  return `zfs ${root.size} ${root.root} ${root.timestamp ?? ""} ${root.builder?.kernel ?? ""}`;
}
