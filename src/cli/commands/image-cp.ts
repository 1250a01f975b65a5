import { closeSync, existsSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { extractTree } from "../../compose/extract.ts";
import { temporaryBeside, writeBeside } from "../../support/atomic.ts";
import { MiB } from "../../support/bytes.ts";
import { CapstanError, checkAborted, doing, ExitCode } from "../../support/errors.ts";
import { hostPath } from "../../support/host-paths.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { entryAt, viewImage } from "../view-image.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const path = input.need("path");
  const view = viewImage(input.need("image"), context);
  try {
    const root = view.root();
    const entry = entryAt(root, path);
    const target = finalTarget(resolve(context.cwd, input.need("target")), path);
    refuseExisting(target, entry.type === "file" && input.on("force"));
    if (entry.type === "directory") {
      const temporary = temporaryBeside(target);
      try {
        const counts = await extractTree(entry, temporary, context);
        renameSync(hostPath(temporary), hostPath(target));
        return { value: { path, target, ...counts } };
      } catch (error) {
        rmSync(hostPath(temporary), { recursive: true, force: true });
        throw error;
      }
    }
    await doing(`Writing ${target}`, () =>
      writeBeside(target, (temporary) => writeFile(root.readFile(path), temporary, context.signal)),
    );
    return { value: { path, target, files: 1, links: 0, directories: 0 } };
  } finally {
    view.close();
  }
}

/** As cp does: an existing folder gets the copy inside, under its own name. */
function finalTarget(target: string, path: string): string {
  const inside = existsSync(hostPath(target)) && statSync(hostPath(target)).isDirectory();
  if (!inside && !existsSync(hostPath(dirname(target)))) {
    throw new CapstanError(`The folder ${dirname(target)} does not exist`, {
      code: "no-folder",
      exitCode: ExitCode.noInput,
      hint: "Create it first.",
    });
  }
  const name = basename(path);
  return inside ? join(target, name === "" || name === "/" ? "root" : name) : target;
}

function refuseExisting(target: string, mayReplace: boolean): void {
  if (!existsSync(hostPath(target)) || mayReplace) return;
  throw new CapstanError(`${target} exists already`, {
    code: "exists",
    exitCode: ExitCode.cannotCreate,
    hint: "Choose another name, or remove it first; --force replaces a file.",
  });
}

async function writeFile(content: Iterable<Uint8Array>, temporary: string, signal: AbortSignal): Promise<void> {
  const file = openSync(hostPath(temporary), "wx");
  try {
    let sincePause = 0;
    for (const chunk of content) {
      for (let done = 0; done < chunk.length; ) done += writeSync(file, chunk, done);
      sincePause += chunk.length;
      if (sincePause < PAUSE_EVERY) continue;
      sincePause = 0;
      await setImmediate();
      checkAborted(signal);
    }
  } finally {
    closeSync(file);
  }
}

/** So that Ctrl-C is heard while a large file is written. */
const PAUSE_EVERY = 8 * MiB;
