import { statSync } from "node:fs";
import { resolve } from "node:path";
import { addRemote } from "../../config/edit.ts";
import { GITHUB_API, type RemoteSetting, urlProblem } from "../../config/remotes.ts";
import { nameProblem } from "../../project/names.ts";
import { parsePublicKey } from "../../remotes/index/signature.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { type Input, usageError } from "../input.ts";
import { configuredRemotes } from "../remotes.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const { settings } = openStore(context);
  const setting = settingOf(input, context);
  const path = await addRemote(settings.root.value, setting, configuredRemotes(settings));
  context.reporter.report({ kind: "step", text: `Added the remote ${setting.name} to ${path}` });
  return { value: setting };
}

function settingOf(input: Input, { cwd }: CommandContext): RemoteSetting {
  const name = input.need("name");
  const problem = nameProblem(name, "a remote");
  if (problem !== undefined) throw usageError(`${problem}.`);
  const given = input.need("address");
  const kind = input.text("type") ?? kindOf(given);
  if (kind === "github") {
    const repository = given.replace(/^https:\/\/github\.com\//, "").replace(/(?:\.git)?\/?$/, "");
    if (!/^[\w.-]+\/[\w.-]+$/.test(repository))
      throw usageError(`'${given}' is no repository of GitHub.`, "Write OWNER/NAME.");
    const apiUrl = input.text("api-url") ?? GITHUB_API;
    return { kind, name, repository, apiUrl, releaseTag: input.text("release-tag") };
  }
  const isFolder =
    !given.includes("://") && statSync(resolve(cwd, given), { throwIfNoEntry: false })?.isDirectory() === true;
  const url = isFolder ? resolve(cwd, given) : given;
  const wrong = urlProblem(url);
  if (wrong !== undefined) throw usageError(`${wrong}.`);
  if (kind === "s3") return { kind, name, url };
  const keys = input.list("key");
  for (const key of keys) parsePublicKey(key);
  return { kind: "index", name, url, keys };
}

/** OWNER/NAME is a repository of GitHub; a bucket of Amazon says so in its address; all else is a folder with an index. */
function kindOf(address: string): RemoteSetting["kind"] {
  if (/^https:\/\/github\.com\//.test(address) || /^[\w-][\w.-]*\/[\w.-]+$/.test(address)) return "github";
  return /\.s3[.-][\w.-]*amazonaws\.com/.test(address) ? "s3" : "index";
}
