import { walk } from "../../filesystems/tree-walk.ts";
import { packageRunConfig, packageTree } from "../../packages/package-index.ts";
import { formatCreated } from "../../project/manifest.ts";
import { describeRunSets } from "../../project/run-scripts.ts";
import { findPackage, readStoredIndex, readStoredManifest } from "../../store/packages.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { printable } from "../output.ts";
import { openStore } from "../store.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await describe(input.need("name"), input.on("content"), context);
  return { value, text: () => render(value) };
}

type Description = Awaited<ReturnType<typeof describe>>;

async function describe(name: string, withContent: boolean, context: CommandContext) {
  const { layout } = openStore(context);
  const stored = findPackage(layout, name);
  const { title, author, version, created, platform, require } = readStoredManifest(stored);
  const index = await readStoredIndex(layout, stored, context);
  const runConfig = packageRunConfig(index, name);
  const content = withContent
    ? [...walk(packageTree(index, name))].map(({ path, entry }) => ({
        path,
        type: entry.type,
        mode: entry.mode,
        mtime: entry.mtime,
        size: entry.type === "file" ? entry.size : 0,
        ...(entry.type === "symlink" ? { target: entry.target } : {}),
      }))
    : undefined;
  return {
    name,
    title,
    author,
    version: version ?? null,
    created: created ?? null,
    platform: platform ?? null,
    require,
    path: stored.archive,
    runtime: runConfig?.runtime ?? null,
    sets: (runConfig === undefined ? [] : describeRunSets(runConfig)).map(({ values, ...set }) => ({
      ...set,
      values: Object.fromEntries(values),
    })),
    readme: index.readmeText ?? null,
    ...(content === undefined ? {} : { content }),
  };
}

function render(value: Description): string {
  return [...metadata(value), ...execution(value), ...documentation(value), ...contentLines(value), ""]
    .map(printable)
    .join("\n");
}

function metadata(value: Description): string[] {
  return [
    "PACKAGE METADATA",
    `name:      ${value.name}`,
    `title:     ${value.title}`,
    `author:    ${value.author}`,
    `version:   ${value.version ?? ""}`.trimEnd(),
    `created:   ${formatCreated(value.created ?? undefined)}`,
    `platform:  ${value.platform ?? ""}`.trimEnd(),
    ...(value.require.length === 0 ? [] : ["required packages:", ...value.require.map((name) => `  - ${name}`)]),
    "",
  ];
}

function execution(value: Description): string[] {
  const lines = ["PACKAGE EXECUTION"];
  if (value.runtime === null) return [...lines, "No package execution information was found.", ""];
  lines.push(`runtime:   ${value.runtime}`);
  for (const set of value.sets) {
    lines.push("", `configuration set: ${set.name}${set.isDefault ? " (default)" : ""}`);
    if (set.command !== undefined) lines.push(`  command: ${set.command}`);
    if (set.base !== undefined) lines.push(`  base:    ${set.base}`);
    for (const [name, words] of Object.entries(set.values)) lines.push(`  ${name}: ${words.join(" ")}`);
  }
  return [...lines, ""];
}

function documentation({ readme }: Description): string[] {
  return ["PACKAGE DOCUMENTATION", readme ?? "No package documentation was found.", ""];
}

function contentLines({ content }: Description): string[] {
  if (content === undefined) return [];
  const rows = content.map((entry) => {
    const time = new Date(entry.mtime * 1000).toISOString().slice(0, 16).replace("T", " ");
    const target = entry.target === undefined ? "" : ` -> ${entry.target}`;
    return `${modeText(entry.type, entry.mode)} ${String(entry.size).padStart(12)} ${time} ${entry.path}${target}`;
  });
  return ["PACKAGE CONTENT", ...rows];
}

/** As `ls -l` shows it. */
function modeText(type: string, mode: number): string {
  const bits = [0o400, 0o200, 0o100, 0o40, 0o20, 0o10, 0o4, 0o2, 0o1];
  const letters = bits.map((bit, index) => ((mode & bit) === 0 ? "-" : "rwx"[index % 3])).join("");
  return (type === "directory" ? "d" : type === "symlink" ? "l" : "-") + letters;
}
