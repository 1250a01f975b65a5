import { formatCreated } from "../../project/manifest.ts";
import type { RemotePackage } from "../../remotes/remote.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { machineArch, openRemotes } from "../remotes.ts";
import { formatFoundTable } from "../table-text.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const text = input.arg("text") ?? "";
  const remotes = await openRemotes(input, "packages", context);
  const query = { details: true, arch: machineArch() };
  const offered = await Promise.all(remotes.map((remote) => remote.packages(query, context)));
  const found = offered.flat().filter(({ name }) => name.includes(text));
  return { value: found.map(shown), text: () => formatFoundTable(found, cells) };
}

/** As in the original, and the release in front where there is one. */
function cells({ name, title, version, created, platform }: RemotePackage): readonly string[] {
  return [name, title ?? "", version ?? "", formatCreated(created), platform ?? ""];
}

function shown({ manifest: _manifest, archive, ...item }: RemotePackage) {
  const { name, remote, release, version, arch, title, created, platform, require } = item;
  const unknown = <T>(value: T | undefined) => value ?? null;
  return {
    ...{ name, remote, release: unknown(release), version: unknown(version), arch: unknown(arch) },
    ...{ title: unknown(title), created: unknown(created), platform: unknown(platform), require },
    ...{ url: archive.url, size: unknown(archive.size), sha256: unknown(archive.sha256) },
  };
}
