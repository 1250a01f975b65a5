import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileInside } from "../remotes/index/inside.ts";
import { parseIndex } from "../remotes/index/parse.ts";
import { INDEX_NAME, IndexLimit, type RepositoryIndex } from "../remotes/index/schema.ts";
import { CapstanError, doing, ExitCode } from "../support/errors.ts";

export interface IndexFile {
  readonly index: RepositoryIndex;
  readonly bytes: Buffer;
}

/** The index that lies in the folder; undefined when there is none. Errors: those of parseIndex. */
export function readIndexFile(root: string): IndexFile | undefined {
  const path = join(root, INDEX_NAME);
  const file = fileInside(root, INDEX_NAME);
  if (file === undefined) return undefined;
  if (file.stats.size > IndexLimit.document) {
    throw new CapstanError(`${path} is larger than ${IndexLimit.document} bytes`, {
      code: "remote-index-invalid",
      hint: "Make it anew with 'capstan repo index'.",
    });
  }
  const bytes = doing(`Reading ${path}`, () => readFileSync(file.path));
  return { bytes, index: parseIndex(bytes, path) };
}

/** Error: CapstanError `repository-without-index`. */
export function needIndexFile(root: string): IndexFile {
  const file = readIndexFile(root);
  if (file !== undefined) return file;
  throw new CapstanError(`${root} has no ${INDEX_NAME}`, {
    code: "repository-without-index",
    hint: `Make it with 'capstan repo index ${root}'.`,
    exitCode: ExitCode.noInput,
  });
}
