import { basename } from "node:path";
import { isElf } from "../../elf/reader.ts";
import { type FileSpace, withOpenFile } from "../../filesystems/file-space.ts";
import { quotePath } from "../../filesystems/names.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { ApplicationRequest } from "../application.ts";
import { behindShim } from "./shims.ts";

/**
 * The interpreter that a script asks for, by a name or a path, as a path in the space whose links are not followed yet. Only
 * ELF programs count: a wrapper in the shell's language cannot run on OSv. What version managers put in their place is seen
 * through. A path that is not there is looked for by its name.
 * Errors: CapstanError `interpreter-not-found`, `interpreter-not-elf`.
 */
export function findInterpreter(asked: string, request: ApplicationRequest, context: Context): string {
  if (request.interpreter !== undefined) return chosen(request.interpreter, request.space);
  if (asked.startsWith("/") && isProgram(request.space, asked)) return asked;
  const folders = foldersOf(request, context);
  for (const name of namesFor(basename(asked))) {
    for (const folder of folders) {
      const path = `${folder}/${name}`;
      if (isProgram(request.space, path)) return path;
      const behind = request.isThisMachine ? behindShim(path, { space: request.space, context }) : undefined;
      if (behind !== undefined && isProgram(request.space, behind)) return behind;
    }
  }
  return versionedInterpreter(basename(asked), { space: request.space, folders }) ?? notFound(asked, request, folders);
}

/** Whether a program lies there, links followed. */
function isProgram(space: FileSpace, path: string): boolean {
  const found = space.find(path);
  if (found?.type !== "file") return false;
  try {
    return withOpenFile(found, isElf);
  } catch (error) {
    // What may not be read cannot be taken.
    if (error instanceof CapstanError) return false;
    throw error;
  }
}

function chosen(path: string, space: FileSpace): string {
  if (isProgram(space, path)) return path;
  const there = space.find(path) !== undefined;
  throw new CapstanError(
    `The interpreter ${quotePath(path)} ${there ? "is no ELF program" : `is not in ${space.name}`}`,
    {
      code: there ? "interpreter-not-elf" : "interpreter-not-found",
      hint: "Name the program itself: no script that starts it.",
      exitCode: there ? ExitCode.badData : ExitCode.noInput,
    },
  );
}

function foldersOf({ isThisMachine }: ApplicationRequest, { env }: Context): string[] {
  const own = isThisMachine ? (env.PATH ?? "").split(":").filter((folder) => folder.startsWith("/")) : [];
  const javaHome = isThisMachine && env.JAVA_HOME?.startsWith("/") ? [`${env.JAVA_HOME}/bin`] : [];
  return [...new Set([...javaHome, ...own, ...PROGRAM_FOLDERS].map((folder) => folder.replace(/\/+$/, "")))];
}

function namesFor(name: string): readonly string[] {
  return [name, ...(OTHER_NAMES.get(name) ?? [])];
}

/** Where a distribution installs only "lua5.4" and leaves "lua" to an optional link: the newest. */
function versionedInterpreter(
  name: string,
  { space, folders }: { readonly space: FileSpace; readonly folders: readonly string[] },
): string | undefined {
  for (const folder of folders) {
    const versions = (space.list(folder) ?? []).filter(
      (one) => one.startsWith(name) && VERSION.test(one.slice(name.length)),
    );
    const newest = versions
      .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
      .findLast((one) => isProgram(space, `${folder}/${one}`));
    if (newest !== undefined) return `${folder}/${newest}`;
  }
  return undefined;
}

function notFound(asked: string, { recognised, space }: ApplicationRequest, folders: readonly string[]): never {
  const wrapper = folders
    .map((folder) => `${folder}/${basename(asked)}`)
    .find((path) => space.find(path)?.type === "file");
  const reason = wrapper === undefined ? `there is none in ${space.name}` : `${wrapper} is a script, no ELF program`;
  throw new CapstanError(
    `${quotePath(recognised.path)} is ${recognised.title} and needs ${quotePath(asked)}, but ${reason}`,
    {
      code: "interpreter-not-found",
      hint: "Install it, or give its path with --interpreter.",
      exitCode: ExitCode.unavailable,
    },
  );
}

const PROGRAM_FOLDERS = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];
const VERSION = /^-?\d+(\.\d+)*$/;
const OTHER_NAMES = new Map<string, readonly string[]>([
  ["python", ["python3"]],
  ["node", ["nodejs"]],
  ["nodejs", ["node"]],
]);
