import { join } from "node:path";
import { readSettings, type Settings } from "../config/settings.ts";
import { type Layout, layoutOf } from "../store/layout.ts";
import type { Loader } from "../store/loaders.ts";
import type { CommandContext } from "./answer.ts";

export interface OpenStore {
  readonly settings: Settings;
  readonly layout: Layout;
  /** The demo kernel that comes with Capstan. */
  readonly builtin: Omit<Loader, "name">;
}

/** The store that the settings name: they are read once a command. Nothing is created by looking at it. */
export function openStore(context: CommandContext): OpenStore {
  const store = opened.get(context) ?? openNew(context);
  opened.set(context, store);
  return store;
}

const opened = new WeakMap<CommandContext, OpenStore>();

function openNew(context: CommandContext): OpenStore {
  const settings = readSettings(context);
  const prebuilt = join(context.installation, "guest", "prebuilt");
  return {
    settings,
    layout: layoutOf(settings.root.value),
    builtin: { image: join(prebuilt, "osv-demo-loader.img"), kernel: join(prebuilt, "osv-demo-loader.elf") },
  };
}
