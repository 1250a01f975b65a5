import { join, resolve } from "node:path";
import { defaultRemote, type RemoteSetting } from "../config/remotes.ts";
import type { Settings } from "../config/settings.ts";
import { parseRequirement, type Requirement } from "../project/versions.ts";
import type { PullOptions } from "../remotes/pull-file.ts";
import type { Remote } from "../remotes/remote.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { didYouMean } from "../support/suggest.ts";
import type { CommandContext } from "./answer.ts";
import { type Input, usageError } from "./input.ts";
import { openStore } from "./store.ts";

/** What is fetched: packages and images have other places in the original. */
export type Wanted = "packages" | "images";

/**
 * The remotes to ask, in order: what --remote names, what -u and --s3 stand for in the original, those of config.yaml, or
 * OSv's releases on GitHub. Error: CapstanError `offline` when CAPSTAN_OFFLINE is set.
 */
export async function openRemotes(input: Input, wanted: Wanted, context: CommandContext): Promise<readonly Remote[]> {
  const { settings } = openStore(context);
  const all = chooseRemotes(input, wanted, settings);
  const chosen = isOffline(context) ? all.filter(isOnThisMachine) : all;
  if (chosen.length === 0) throw offline();
  return await Promise.all(chosen.map((setting) => openRemote(setting, input, context)));
}

export function isOffline({ env }: CommandContext): boolean {
  return env.CAPSTAN_OFFLINE !== undefined && !["", "0", "false", "no"].includes(env.CAPSTAN_OFFLINE);
}

/** All remotes that are configured, or the default one. */
export function configuredRemotes({ remotes, repositoryUrl }: Settings): readonly RemoteSetting[] {
  if (remotes.value.length > 0) return remotes.value;
  // An address of one's own is meant to be asked.
  const own = repositoryUrl.from === "default" ? [] : [s3Setting(repositoryUrl.value)];
  return [defaultRemote, ...own];
}

export async function openRemote(setting: RemoteSetting, input: Input, context: CommandContext): Promise<Remote> {
  const { settings, layout } = openStore(context);
  const cacheFolder = join(layout.answers, setting.name);
  if (setting.kind === "s3") {
    const { s3Remote } = await import("../remotes/s3/remote.ts");
    return s3Remote({ ...setting, cacheFolder });
  }
  if (setting.kind === "index") {
    const { indexRemote } = await import("../remotes/index/remote.ts");
    return indexRemote({ ...setting, cacheFolder });
  }
  const { githubRemote } = await import("../remotes/github/remote.ts");
  const releaseTag = input.text("release-tag") ?? setting.releaseTag ?? settings.releaseTag.value;
  const token = context.env.GITHUB_TOKEN || context.env.GH_TOKEN || undefined;
  return githubRemote({ ...setting, releaseTag, token, cacheFolder });
}

/** A remote of config.yaml by its name, or the address or folder of a repository with an index. */
export async function openNamedRemote(nameOrAddress: string, input: Input, context: CommandContext): Promise<Remote> {
  const configured = configuredRemotes(openStore(context).settings);
  const url = nameOrAddress.includes("://") ? nameOrAddress : resolve(context.cwd, nameOrAddress);
  const isName = configured.some(({ name }) => name === nameOrAddress) || !nameOrAddress.includes("/");
  const setting: RemoteSetting = isName
    ? namedRemote(nameOrAddress, configured)
    : { kind: "index", name: "mirrored", url, keys: [] };
  const isFolder = setting.kind === "index" && /^(?:\/|file:)/.test(setting.url);
  if (isOffline(context) && !isFolder) throw offline();
  return await openRemote(setting, input, context);
}

export async function pullOptions(input: Input, wanted: Wanted, context: CommandContext): Promise<PullOptions> {
  return {
    remotes: await openRemotes(input, wanted, context),
    layout: openStore(context).layout,
    arch: machineArch(),
    allowChanged: input.on("allow-changed"),
    force: input.on("force"),
  };
}

/** Of guests, which is that of this machine, as in the original. */
export function machineArch(): string {
  return process.arch === "arm64" ? "aarch64" : "x86_64";
}

/** `NAME`, `NAME@VERSION`, `NAME>=1.2`. */
export function requirementOf(text: string): Requirement {
  const parsed = parseRequirement(text);
  if (!("problem" in parsed)) return parsed;
  throw usageError(`'${text}' names no package: ${parsed.problem}.`, "Write NAME, NAME@VERSION or NAME>=VERSION.");
}

function chooseRemotes(input: Input, wanted: Wanted, settings: Settings): readonly RemoteSetting[] {
  const configured = configuredRemotes(settings);
  const name = input.text("remote");
  if (name !== undefined) return [namedRemote(name, configured)];
  const url = input.text("u");
  if (input.on("s3")) return [s3Setting(url ?? settings.repositoryUrl.value)];
  // In the original -u alone is for images; for packages it goes with --s3.
  if (url !== undefined) {
    if (wanted === "images") return [s3Setting(url)];
    throw usageError("-u goes with --s3 here.", "Write --s3 -u URL, or name a remote of config.yaml with --remote.");
  }
  return configured;
}

function isOnThisMachine(setting: RemoteSetting): boolean {
  return setting.kind === "index" && /^(?:\/|file:)/.test(setting.url);
}

function namedRemote(name: string, configured: readonly RemoteSetting[]): RemoteSetting {
  const found = configured.find((setting) => setting.name === name);
  if (found !== undefined) return found;
  const names = configured.map((setting) => setting.name);
  throw new CapstanError(`There is no remote '${name}'.${didYouMean(name, names)}`, {
    code: "no-such-remote",
    exitCode: ExitCode.noInput,
    hint: "See 'capstan remote list', or add one: capstan remote add NAME URL",
  });
}

function s3Setting(url: string): RemoteSetting {
  return { kind: "s3", name: "s3", url };
}

function offline(): CapstanError {
  return new CapstanError("CAPSTAN_OFFLINE is set, so nothing is fetched", {
    code: "offline",
    exitCode: ExitCode.unavailable,
    hint: "Unset it, or put what is missing into the store by hand: capstan import, capstan package import.",
  });
}
