import { mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { copyToNew } from "../../store/copy.ts";
import { temporaryBeside } from "../../support/atomic.ts";
import { CapstanError, doing, ExitCode, isErrno } from "../../support/errors.ts";
import { hashFile } from "../../support/hash-file.ts";
import type { PublishTarget } from "./target.ts";

/** A folder of this machine, such as that of a web server. */
export function folderTarget(folder: string): PublishTarget {
  return {
    address: folder,
    async read(path) {
      try {
        return readFileSync(join(folder, path));
      } catch (error) {
        if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
        throw error;
      }
    },
    async write({ path, source, sha256 }, { signal }) {
      const target = join(folder, path);
      const temporary = temporaryBeside(target);
      await doing(`Writing ${target}`, async () => {
        mkdirSync(dirname(target), { recursive: true });
        try {
          await copyToNew(source, temporary, { signal });
          // What was published is what the index says, also when the file is written to at this moment.
          if ((await hashFile(temporary, signal)) !== sha256) throw changed(source);
          renameSync(temporary, target);
        } finally {
          rmSync(temporary, { force: true });
        }
      });
    },
  };
}

function changed(path: string): CapstanError {
  return new CapstanError(`${path} changed while it was being published`, {
    code: "repository-stale",
    hint: "Run 'capstan repo index', and publish again.",
    exitCode: ExitCode.badData,
  });
}
