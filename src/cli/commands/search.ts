import { formatCreated } from "../../project/manifest.ts";
import type { RemoteImage } from "../../remotes/remote.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { machineArch, openRemotes } from "../remotes.ts";
import { formatFoundTable } from "../table-text.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const text = input.arg("text") ?? "";
  const remotes = await openRemotes(input, "images", context);
  const query = { details: true, arch: machineArch() };
  const offered = await Promise.all(remotes.map((remote) => remote.images(query, context)));
  const found = offered.flat().filter(({ name }) => name.includes(text));
  return { value: found.map(shown), text: () => formatFoundTable(found, cells) };
}

function cells({ name, description, version, created, platform }: RemoteImage): readonly string[] {
  return [name, description ?? "", version ?? "", formatCreated(created), platform ?? "N/A"];
}

function shown({ index: _index, disk, kernel, ...item }: RemoteImage) {
  const { name, remote, release, version, arch, description, created, platform } = item;
  const unknown = <T>(value: T | undefined) => value ?? null;
  return {
    ...{ name, remote, release: unknown(release), version: unknown(version), arch: unknown(arch) },
    ...{ description: unknown(description), created: unknown(created), platform: unknown(platform) },
    ...{ url: disk.url, size: unknown(disk.size), sha256: unknown(disk.sha256), kernel: unknown(kernel?.url) },
  };
}
