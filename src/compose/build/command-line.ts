import { readLoaderOptions } from "../../project/osv-grammar.ts";

/**
 * The boot command of an image with this `cmdline` over a base: the options for the loader that the base has and `cmdline`
 * does not set itself, then `cmdline`. Without one, the base's whole command.
 */
export function amendedCommand(cmdline: string | undefined, base: string): string {
  if (cmdline === undefined) return base;
  const own = new Set(readLoaderOptions(cmdline).options.map(({ text }) => keyOf(text)));
  const kept = readLoaderOptions(base).options.filter(({ text }) => !own.has(keyOf(text)));
  return [...kept.map(({ start, end }) => base.slice(start, end)), cmdline.trimStart()].join(" ");
}

/** What an option sets: `--console`, and of variables each by itself. */
function keyOf(option: string): string {
  const [name = "", value = ""] = split(option);
  return name === "--env" ? `--env ${split(value.replace("?=", "="))[0]}` : name;
}

function split(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
