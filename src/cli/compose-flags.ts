import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Checking } from "../compose/check-image.ts";
import type { FollowLinks } from "../filesystems/host-tree.ts";
import { parseEnvFlags } from "../project/boot-command.ts";
import { loadProject, type Project } from "../project/project.ts";
import type { Loader } from "../store/loaders.ts";
import { parseSize } from "../support/sizes.ts";
import type { CommandContext } from "./answer.ts";
import { chosenLoader } from "./fetch-missing.ts";
import { type Input, usageError } from "./input.ts";

/** The flags that all commands which compose have. */
export interface ComposeFlags {
  readonly loader: Loader;
  readonly followLinks: FollowLinks;
  readonly checking: Checking;
}

export async function composeFlags(input: Input, context: CommandContext): Promise<ComposeFlags> {
  const size = input.text("size");
  if (size !== undefined) parseSize(size, { flag: "--size" });
  return {
    loader: await chosenLoader(input, context),
    followLinks: followLinks(input),
    checking: checking(input),
  };
}

export function checking(input: Input): Checking {
  if (input.on("strict") && input.on("no-check")) throw usageError("--strict and --no-check exclude each other.");
  if (input.on("no-check")) return "off";
  return input.on("strict") ? "strict" : "warn";
}

/** The project of this folder. One with a meta/run.yaml alone goes by a default manifest, as in the original. */
export function projectToCompose(context: CommandContext): Project {
  const hasRunConfig = existsSync(join(context.cwd, "meta", "run.yaml"));
  return loadProject(context.cwd, context, { missingManifest: hasRunConfig ? "default" : "refuse" });
}

export function followLinks(input: Input): FollowLinks {
  const value = input.text("follow-links");
  return value === "inside" || value === "all" ? value : "never";
}

/** What the boot command is made of, as far as flags say it; `runFlag` is the one that takes a whole command. */
export function bootFlags(input: Input, runFlag: "run" | "execute") {
  return {
    run: input.text(runFlag),
    runFlag: `--${runFlag}`,
    boot: input.list("boot"),
    env: parseEnvFlags(input.list("env")),
  };
}
