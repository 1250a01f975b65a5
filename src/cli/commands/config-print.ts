import { readSettings, type Setting } from "../../config/settings.ts";
import { loadIgnore } from "../../project/capstanignore.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";

export async function run(_input: Input, context: CommandContext): Promise<Answer> {
  const settings = readSettings(context);
  const named: Readonly<Record<string, Setting<unknown>>> = {
    CAPSTAN_ROOT: settings.root,
    CAPSTAN_REPO_URL: settings.repositoryUrl,
    CAPSTAN_DISABLE_KVM: settings.disableKvm,
    CAPSTAN_QEMU_AIO_TYPE: settings.qemuAioType,
    CAPSTAN_QEMU_PATH: settings.qemuPath,
    CAPSTAN_QEMU_BRIDGE_HELPER: settings.qemuBridgeHelper,
    release_tag: settings.releaseTag,
    remotes: { ...settings.remotes, value: settings.remotes.value.map(({ name }) => name).join(" ") },
  };
  const { patterns } = loadIgnore(context.cwd);
  return {
    value: { settings: withNulls(named), capstanignore: patterns },
    text: () =>
      [
        "--- global configuration",
        ...Object.entries(named).map(([name, { value, from }]) => `${name}: ${value ?? ""}${mark(from)}`),
        "",
        "--- current directory configuration",
        "CAPSTANIGNORE:",
        ...patterns,
        "",
      ].join("\n"),
  };
}

/** JSON has no undefined, and leaves out what has that value. */
function withNulls(settings: Readonly<Record<string, Setting<unknown>>>) {
  return Object.fromEntries(
    Object.entries(settings).map(([name, { value, from }]) => [name, { value: value ?? null, from }]),
  );
}

function mark(from: Setting<unknown>["from"]): string {
  return from === "default" ? "" : `   (${from})`;
}
