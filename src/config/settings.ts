import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { readYamlFile } from "../project/yaml-file.ts";
import type { Context } from "../support/context.ts";
import { CapstanError } from "../support/errors.ts";
import { type RemoteSetting, readRemoteSettings } from "./remotes.ts";

/** A value, and where it came from: shown by `config print`. */
export interface Setting<T> {
  readonly value: T;
  readonly from: "config.yaml" | "environment" | "default";
}

export type AioType = "threads" | "native";

export interface Settings {
  /** The absolute folder of the store. */
  readonly root: Setting<string>;
  readonly repositoryUrl: Setting<string>;
  readonly releaseTag: Setting<string>;
  readonly disableKvm: Setting<boolean>;
  readonly qemuAioType: Setting<AioType>;
  /** Undefined: looked for on the PATH and in the usual places. */
  readonly qemuPath: Setting<string | undefined>;
  readonly qemuBridgeHelper: Setting<string | undefined>;
  /** In the order in which they are asked; empty: the default. */
  readonly remotes: Setting<readonly RemoteSetting[]>;
}

const DEFAULT_URL = "https://mikelangelo-capstan.s3.amazonaws.com/";

interface ConfigFile {
  readonly repositoryUrl: string | undefined;
  readonly releaseTag: string | undefined;
  readonly disableKvm: boolean | undefined;
  readonly qemuAioType: AioType | undefined;
  readonly remotes: readonly RemoteSetting[];
}

/**
 * The settings in force; a command's flags come before all of them. Keys, variables and their order are those of the
 * original: the address of the repository is that of `$CAPSTAN_ROOT/config.yaml` before that of the environment, and
 * for all others it is the other way round.
 */
export function readSettings(context: Pick<Context, "env" | "cwd">): Settings {
  const { env } = context;
  const root = readRoot(context);
  const path = join(root.value, "config.yaml");
  const file = readConfigFile(path);
  return {
    root,
    repositoryUrl: choose([inFile(file?.repositoryUrl), inEnvironment(text(env.CAPSTAN_REPO_URL))], DEFAULT_URL),
    releaseTag: choose([inFile(file?.releaseTag)], "any"),
    disableKvm: choose(
      [inEnvironment(readSwitch("CAPSTAN_DISABLE_KVM", env.CAPSTAN_DISABLE_KVM)), inFile(file?.disableKvm)],
      false,
    ),
    qemuAioType: choose(
      [inEnvironment(readAioType("CAPSTAN_QEMU_AIO_TYPE", env.CAPSTAN_QEMU_AIO_TYPE)), inFile(file?.qemuAioType)],
      "threads",
    ),
    qemuPath: choose([inEnvironment(text(env.CAPSTAN_QEMU_PATH))], undefined),
    qemuBridgeHelper: choose([inEnvironment(text(env.CAPSTAN_QEMU_BRIDGE_HELPER))], undefined),
    remotes: choose([inFile(file === undefined || file.remotes.length === 0 ? undefined : file.remotes)], []),
  };
}

interface Candidate<T> {
  readonly value: T | undefined;
  readonly from: "config.yaml" | "environment";
}

function inFile<T>(value: T | undefined): Candidate<T> {
  return { value, from: "config.yaml" };
}

function inEnvironment<T>(value: T | undefined): Candidate<T> {
  return { value, from: "environment" };
}

/** The first of them that is set. */
function choose<T>(candidates: readonly Candidate<T>[], fallback: T): Setting<T> {
  for (const { value, from } of candidates) if (value !== undefined) return { value, from };
  return { value: fallback, from: "default" };
}

function readRoot({ env, cwd }: Pick<Context, "env" | "cwd">): Setting<string> {
  const given = text(env.CAPSTAN_ROOT);
  if (given !== undefined) return { value: resolve(cwd, given), from: "environment" };
  return { value: join(text(env.HOME) ?? homedir(), ".capstan"), from: "default" };
}

/** Unknown keys are left alone: the file may be shared with the original and with newer versions. */
function readConfigFile(path: string): ConfigFile | undefined {
  return readYamlFile(path, { name: path, unknownKeys: "ignore" }, (root) => ({
    repositoryUrl: root.string("repo_url"),
    releaseTag: root.string("release_tag"),
    disableKvm: root.flag("disable_kvm"),
    remotes: readRemoteSettings(root),
    qemuAioType: asAioType(root.string("qemu_aio_type", (value) => wrongAioType(value))),
  }));
}

function text(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}

const SWITCHES: Readonly<Record<string, boolean>> = {
  "1": true,
  t: true,
  true: true,
  y: true,
  yes: true,
  on: true,
  "0": false,
  f: false,
  false: false,
  n: false,
  no: false,
  off: false,
};

function readSwitch(name: string, value: string | undefined): boolean | undefined {
  if (text(value) === undefined || value === undefined) return undefined;
  const known = SWITCHES[value.toLowerCase()];
  if (known === undefined) throw badVariable(name, value, "true or false");
  return known;
}

function readAioType(name: string, value: string | undefined): AioType | undefined {
  if (text(value) === undefined || value === undefined) return undefined;
  if (wrongAioType(value) !== undefined) throw badVariable(name, value, "threads or native");
  return asAioType(value);
}

function asAioType(value: string | undefined): AioType | undefined {
  return value === "threads" || value === "native" ? value : undefined;
}

function wrongAioType(value: string): string | undefined {
  return asAioType(value) === undefined ? `'${value}' is not an aio type: write threads or native` : undefined;
}

function badVariable(name: string, value: string, choices: string): CapstanError {
  return new CapstanError(`The environment variable ${name} is '${value}'`, {
    code: "bad-environment",
    hint: `Set it to ${choices}, or unset it.`,
  });
}
