import type { Runtime } from "./runtimes/index.ts";

/**
 * The meta/run.yaml that a runtime starts with. It is complete but for what only the user knows: that key has no
 * value, and reading the file names its line and what to write there. `plain`: without comments.
 */
export function runConfigTemplate(runtime: Runtime, options: { readonly plain?: boolean | undefined }): string {
  const set = runtime.template.trim().replace(/^(?=.)/gm, "    ");
  const text = `runtime: ${runtime.name}

config_set:
  # A configuration set: its name is yours to choose, and others may follow.
  default:
${set}

# OPTIONAL. The set that runs when no other is asked for; several with commas between them run one after another.
config_set_default: default
`;
  return options.plain === true ? withoutComments(text) : text;
}

function withoutComments(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.trimStart().startsWith("#"));
  return `${lines.join("\n")}\n`;
}
