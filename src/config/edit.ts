import { join } from "node:path";
import { decodeText, readTextFile } from "../project/text-file.ts";
import { writeFileAtomically } from "../support/atomic.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { GITHUB_API, OSV_REPOSITORY, type RemoteSetting } from "./remotes.ts";

/** Adds a remote at the end of config.yaml's list; comments and all else stay. Errors: CapstanError `exists`, `bad-yaml`. */
export async function addRemote(
  root: string,
  setting: RemoteSetting,
  existing: readonly RemoteSetting[],
): Promise<string> {
  if (existing.some(({ name }) => name === setting.name)) {
    throw new CapstanError(`There is a remote '${setting.name}' already`, {
      code: "exists",
      exitCode: ExitCode.cannotCreate,
      hint: `Choose another name, or remove it first: capstan remote remove ${setting.name}`,
    });
  }
  return await editConfig(root, (document) => {
    // Written with nothing behind it, it is no map that something could be put into.
    if (document.has("remotes") && (document.get("remotes") ?? undefined) === undefined) {
      document.set("remotes", document.createNode({}));
    }
    // With a list of one's own the default is no longer asked, so it becomes the first of the list.
    for (const one of existing)
      if (!document.hasIn(["remotes", one.name])) document.setIn(["remotes", one.name], plain(one));
    document.setIn(["remotes", setting.name], plain(setting));
  });
}

/** Error: CapstanError `no-such-remote`. */
export async function removeRemote(root: string, name: string): Promise<string> {
  return await editConfig(root, (document) => {
    if (document.hasIn(["remotes", name])) {
      document.deleteIn(["remotes", name]);
      return;
    }
    throw new CapstanError(`There is no remote '${name}' in config.yaml`, {
      code: "no-such-remote",
      exitCode: ExitCode.noInput,
      hint: "See 'capstan remote list'.",
    });
  });
}

interface EditableDocument {
  has(key: string): boolean;
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  createNode(value: unknown): unknown;
  hasIn(path: readonly string[]): boolean;
  setIn(path: readonly string[], value: unknown): void;
  deleteIn(path: readonly string[]): boolean;
}

/** Returns the path of the file. It has been read by its own rules before, so that here it is sound. */
async function editConfig(root: string, edit: (document: EditableDocument) => void): Promise<string> {
  const { parseDocument } = await import("yaml");
  const path = join(root, "config.yaml");
  const text = readTextFile(path, path) ?? "";
  const document = parseDocument(text, { version: "1.2" });
  edit(document);
  const written = document.toString({ lineWidth: 0 });
  decodeText(Buffer.from(written), path);
  await writeFileAtomically(path, written);
  return path;
}

function plain(setting: RemoteSetting): Record<string, unknown> {
  if (setting.kind === "s3") return { type: "s3", url: setting.url };
  if (setting.kind === "index") {
    return { type: "index", url: setting.url, ...(setting.keys.length === 0 ? {} : { keys: setting.keys }) };
  }
  const { repository, apiUrl, releaseTag } = setting;
  return {
    type: "github",
    ...(repository === OSV_REPOSITORY ? {} : { repository }),
    ...(apiUrl === GITHUB_API ? {} : { api_url: apiUrl }),
    ...(releaseTag === undefined ? {} : { release_tag: releaseTag }),
  };
}
