import { CAPSTANFILE } from "../../project/folder.ts";
import { createdNow, formatManifest } from "../../project/manifest.ts";
import { formatYaml, type YamlValue } from "../../project/yaml-file.ts";
import type { Description, Runtime } from "./candidate.ts";

export interface NewFile {
  /** From the folder of the project. */
  readonly path: string;
  readonly text: string;
}

/** The Capstanfile, and what it needs beside it. */
export function capstanfileFiles(description: Description, base: string): readonly NewFile[] {
  const { build, program, args, cmdline, packages, files, written = [] } = description;
  const keys: (readonly [string, YamlValue | undefined])[] = [
    ["base", base],
    ["build", build],
    ["program", program],
    ["args", args],
    ["cmdline", cmdline],
    ["packages", packages],
    ["files", files && new Map(files)],
  ];
  const text = `# How the image is built: 'capstan build' makes it, 'capstan run' runs it. See docs/capstanfile.md.\n${formatYaml(keys)}`;
  return [{ path: CAPSTANFILE, text }, ...written.map(([path, content]) => ({ path, text: content }))];
}

export interface PackageNames {
  readonly name: string;
  readonly author: string;
  readonly now: Date;
}

/** meta/package.yaml and meta/run.yaml. */
export function packageFiles(runtime: Runtime, { name, author, now }: PackageNames): readonly NewFile[] {
  const manifest = formatManifest({
    name,
    title: name,
    author,
    require: [],
    binary: new Map(),
    created: createdNow(now),
  });
  return [
    { path: "meta/package.yaml", text: manifest },
    { path: "meta/run.yaml", text: runConfig(runtime) },
  ];
}

function runConfig({ name, main: [key, value], args = [] }: Runtime): string {
  const lines = [`runtime: ${name}`, "", "config_set:", "  default:", `    ${key}: ${JSON.stringify(value)}`];
  if (args.length > 0) lines.push("    args:", ...args.map((arg) => `      - ${JSON.stringify(arg)}`));
  return `${lines.join("\n")}\n\nconfig_set_default: default\n`;
}
