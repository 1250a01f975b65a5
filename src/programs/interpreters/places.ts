import { basename, extname } from "node:path";
import type { FileSpace } from "../../filesystems/file-space.ts";
import { hostSpace } from "../../filesystems/host-space.ts";
import type { ApplicationRequest, Placed } from "../application.ts";
import { isSystemPath } from "../system-space.ts";

/** Where applications of the user go in the image, unless they are programs. */
export const APP_FOLDER = "/app";

/** This machine's own files, for what the user names: never the --sysroot. */
export const userSpace: FileSpace = hostSpace("/");

/** The program that was named, where the space has it. */
export function placeProgram({ recognised, space }: ApplicationRequest): Placed {
  const path = pathInSpace(recognised.path, space);
  return { source: path, target: isSystemPath(path) ? path : `/${basename(path)}` };
}

/** A path of this machine as one of the space: without the folder of another system that it may lie in. */
export function pathInSpace(path: string, space: FileSpace): string {
  return space.name !== "/" && path.startsWith(`${space.name}/`) ? path.slice(space.name.length) : path;
}

/** A short name for image and instance, from a path: "my app.py" gives "my-app". */
export function nameFrom(path: string): string {
  const name = basename(path, extname(path)).replace(/[^A-Za-z0-9._-]+/g, "-");
  return name.replace(/^[-._]+|[-._]+$/g, "").slice(0, LONGEST_NAME) || "app";
}

const LONGEST_NAME = 60;
