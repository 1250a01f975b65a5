import type { ElfFile } from "../elf/elf-file.ts";
import { readElfFile } from "../elf/reader.ts";
import { type FileSpace, notAFile } from "../filesystems/file-space.ts";
import { quotePath } from "../filesystems/names.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { MissingLibrary } from "./closure.ts";
import { Inspector } from "./inspect.ts";
import { interpreterPath } from "./interpreters.ts";
import { folderOf, type Loading, otherMachine } from "./search.ts";

/** Errors: CapstanError `no-such-file`, `not-a-file`, `not-elf`, `bad-elf`, and those of opening. */
export function openProgram(path: string, space: FileSpace, inspector: Inspector): Loading {
  const inspected = inspector.at(path);
  if (inspected.kind === "elf") {
    const { realPath, elf } = inspected;
    // The origin of a program is where it really is: the kernel follows the links.
    const origin = folderOf(realPath);
    const rest = { how: "program", through: undefined, neededBy: new Set<string>(), loader: undefined } as const;
    return { name: path, path, realPath, elf, origin, ...rest };
  }
  const file = space.find(path) ?? noSuchFile(path, space);
  if (file.type !== "file") throw notAFile(path);
  // Reading it once more gives the error that the inspector kept to one phrase.
  readElfFile(file);
  return openProgram(path, space, new Inspector(space));
}

export function noSuchFile(path: string, space: FileSpace): never {
  throw new CapstanError(`There is no ${quotePath(path)} in ${space.name}`, {
    code: "no-such-file",
    hint: "Check the path.",
    exitCode: ExitCode.noInput,
  });
}

interface FoundInterpreter {
  readonly interpreter: Loading | undefined;
  readonly missing: Omit<MissingLibrary, "neededBy"> | undefined;
}

/** For a library, which names no interpreter, that of the machine: it is what its process has loaded. */
export function findInterpreter(elf: ElfFile, space: FileSpace, inspector: Inspector): FoundInterpreter {
  const path = interpreterPath(elf, space);
  if (path === undefined || !path.startsWith("/")) return { interpreter: undefined, missing: undefined };
  const inspected = inspector.at(path);
  const refused: { path: string; why: string }[] = [];
  if (inspected.kind === "elf") {
    const why = otherMachine(inspected.elf, elf);
    if (why === undefined) return { interpreter: interpreterObject(path, inspected), missing: undefined };
    refused.push({ path, why });
  } else if (inspected.kind !== "nothing") refused.push({ path, why: inspected.why });
  return { interpreter: undefined, missing: elf.interpreter === undefined ? undefined : { name: path, refused } };
}

function interpreterObject(path: string, { realPath, elf }: Pick<Loading, "realPath" | "elf">): Loading {
  const rest = { how: "interpreter", through: undefined, loader: undefined } as const;
  return { name: path, path, realPath, elf, neededBy: new Set(), origin: folderOf(path), ...rest };
}
