import { isAbsolute, posix, resolve } from "node:path";
import { quotePath } from "../../filesystems/names.ts";
import type { Context } from "../../support/context.ts";
import type { Application, ApplicationRequest, Part } from "../application.ts";
import { userSpace } from "./places.ts";
import { isWithin } from "./survey.ts";

/**
 * Puts what the user's words name into the image, such that the words keep their meaning there. A word counts when it is a file
 * of this machine, or a folder with a slash in the word: "/srv/site" lands at the same path, "conf/x" where the program finds
 * it from the directory that it starts in. The value of "--config=./x" counts as well.
 */
export function withArguments(application: Application, request: ApplicationRequest, context: Context): Application {
  const parts: Part[] = [];
  const notes: string[] = [];
  for (const word of request.userArgs) {
    const taken = partFor(optionValue(word), { context, application });
    if (typeof taken === "string") notes.push(taken);
    else if (taken !== undefined) parts.push(taken);
  }
  if (parts.length === 0 && notes.length === 0) return application;
  return { ...application, parts: [...application.parts, ...parts], notes: [...application.notes, ...notes] };
}

interface Surroundings {
  readonly context: Pick<Context, "cwd" | "env">;
  readonly application: Application;
}

/** The part, or a sentence why a file that is there is not taken. */
function partFor(word: string, { context, application }: Surroundings): Part | string | undefined {
  if (word === "" || word.includes("\0") || /^[a-z][a-z\d+.-]*:\/\//i.test(word)) return undefined;
  const path = resolve(context.cwd, word);
  const target = isAbsolute(word) ? path : posix.resolve(application.workingDirectory ?? "/", word);
  const found = userSpace.find(path);
  if (found === undefined || found.type === "other") return undefined;
  // Commands such as "build" and "test" are words that happen to be folders as well.
  if (found.type === "directory" && !word.includes("/")) return undefined;
  if (application.parts.some((part) => part.target === target)) return undefined;
  const refusal = refusalOf(path, { target, isFolder: found.type === "directory", home: context.env.HOME });
  if (refusal !== undefined)
    return refusal === "" ? undefined : `${quotePath(word)} does not go into the image: ${refusal}.`;
  return {
    kind: found.type === "file" ? "file" : "folder",
    target,
    source: path,
    sourceSpace: "user",
    role: "data",
    neededBy: "the arguments",
  };
}

interface Candidate {
  readonly target: string;
  readonly isFolder: boolean;
  readonly home: string | undefined;
}

/** Why not; empty where nobody would expect it to. */
function refusalOf(path: string, { target, isFolder, home }: Candidate): string | undefined {
  if (OF_THE_KERNEL.some((folder) => isWithin(target, folder))) return "";
  if (isWithin(target, "/tmp")) return "/tmp is memory there, and empty at each start";
  if (!isFolder) return undefined;
  if (target === "/")
    return path === "/" ? "" : "its files would be mixed with those of the system; name a folder below";
  if (path === target && OF_MANY.test(path)) return "";
  if (home !== undefined && isWithin(home, path)) return "it holds all of your files";
  return undefined;
}

function optionValue(word: string): string {
  return /^--?[\w-]+=(.+)$/s.exec(word)?.[1] ?? word;
}

/** Folders that hold the files of many programs: naming one does not mean all of them. */
const OF_MANY = /^\/[^/]+$|^\/(usr|var)\/[^/]+$/;
const OF_THE_KERNEL = ["/dev", "/proc", "/sys", "/run"];
