import type { RemoteSetting } from "../../config/remotes.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { configuredRemotes } from "../remotes.ts";
import { openStore } from "../store.ts";
import { formatTable } from "../table-text.ts";

export async function run(_input: Input, context: CommandContext): Promise<Answer> {
  const value = configuredRemotes(openStore(context).settings);
  const rows = value.map((setting) => [setting.name, setting.kind, addressOf(setting)]);
  return { value, text: () => formatTable(["NAME", "TYPE", "ADDRESS"], rows) };
}

export function addressOf(setting: RemoteSetting): string {
  return setting.kind === "github" ? `${setting.apiUrl}/repos/${setting.repository}` : setting.url;
}
