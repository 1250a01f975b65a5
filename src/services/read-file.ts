import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { readYamlFile, type YamlMap } from "../project/yaml-file.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { parseSize } from "../support/sizes.ts";
import { didYouMean } from "../support/suggest.ts";
import { readEnvFile } from "./env-file.ts";
import { interpolator } from "./interpolate.ts";
import { checkOrder } from "./order.ts";
import { readService } from "./read-service.ts";
import type { NetworkDeclaration, Service, ServicesFile, VolumeDeclaration } from "./services-file.ts";

/** Looked for, in this order, where no file is named. */
export const FILE_NAMES = ["capstan.yaml", "capstan.yml"] as const;

/** What all services join when they name no network. */
export const DEFAULT_NETWORK = "default";

export interface ReadOptions {
  /** As the user named it; undefined: the one of this folder. */
  readonly file: string | undefined;
  /** Instead of the file's `name`. */
  readonly projectName?: string | undefined;
}

/**
 * Reads a services file with all its problems at once.
 * @throws CapstanError `no-services-file` (66), `bad-yaml` (65)
 */
export function readServicesFile(
  { file, projectName }: ReadOptions,
  context: Pick<Context, "cwd" | "env">,
): ServicesFile {
  const path = file === undefined ? findFile(context.cwd) : resolve(context.cwd, file);
  const env = withEnvFile(dirname(path), context.env);
  const options = { name: file ?? basename(path), expand: interpolator(env) };
  const read = readYamlFile(path, options, (root) => readRoot(root, { path, projectName, env }));
  if (read === undefined) throw noFile(file ?? path);
  return read;
}

/** Compose's `.env` beside the file: what is set on this machine goes before it. */
function withEnvFile(folder: string, env: Context["env"]): Context["env"] {
  const found = readEnvFile(join(folder, ".env"), ".env", env);
  return found === undefined ? env : { ...Object.fromEntries(found), ...env };
}

function findFile(folder: string): string {
  const found = FILE_NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw noFile(FILE_NAMES[0]);
}

function noFile(name: string): CapstanError {
  return new CapstanError(`There is no services file ${name}`, {
    code: "no-services-file",
    hint: `Name it with -f FILE, or write a ${FILE_NAMES[0]} in this folder.`,
    exitCode: ExitCode.noInput,
  });
}

function readRoot(
  root: YamlMap,
  { path, projectName, env }: { path: string; projectName: string | undefined; env: Context["env"] },
): ServicesFile {
  const folder = dirname(path);
  passOverExtensions(root);
  root.passOver("version");
  const written = root.string("name", projectNameProblem);
  const name = projectName ?? written ?? nameOfFolder(folder);
  const networks = root
    .maps("networks", keyProblem)
    .map(([network, map]) => [network, readNetwork(network, map)] as const);
  const volumes = root
    .maps("volumes", keyProblem)
    .map(([volume, map]) => [volume, readVolume(volume, map, folder)] as const);
  const maps = new Map(root.maps("services", keyProblem));
  const services = [...maps].map(([service, map]) => {
    passOverExtensions(map);
    return [service, readService(service, map, { folder, env })] as const;
  });
  if (services.length === 0)
    root.problem("services", "there is no service: write 'services:', under it a name, under that its keys");
  const result: ServicesFile = {
    ...{ path, folder, name },
    services: new Map(services),
    networks: new Map([[DEFAULT_NETWORK, { name: DEFAULT_NETWORK, external: false }], ...networks]),
    volumes: new Map(volumes),
  };
  const problem: Tell = (service, key, text) => maps.get(service.name)?.problem(key, text);
  checkNames(result, problem);
  checkOrder(result.services, (service, text) => problem(service, "depends_on", text));
  return result;
}

/** Keys that begin with `x-` are the user's own (Compose specification, "Extensions"). */
function passOverExtensions(map: YamlMap): void {
  map.passOver(...map.keys().filter((key) => key.startsWith("x-")));
}

function readNetwork(name: string, map: YamlMap): NetworkDeclaration {
  map.passOver("driver");
  return { name: map.string("name") ?? name, external: map.flag("external") ?? false };
}

function readVolume(name: string, map: YamlMap, folder: string): VolumeDeclaration {
  map.passOver("driver");
  const options = map.map("driver_opts");
  const from = options?.string("from");
  const fs = options?.string("fs", oneOf("rofs", "zfs"));
  if (from !== undefined && fs === undefined) options?.problem("from", "'from' goes with 'fs: rofs' or 'fs: zfs'");
  if (fs === "rofs" && from === undefined) options?.problem("fs", "it is written once: name the folder with 'from'");
  return {
    name: map.string("name", keyProblem) ?? name,
    external: map.flag("external") ?? false,
    size: options?.string("size", sizeProblem),
    format: options?.string("format", oneOf("raw", "qcow2")) ?? "raw",
    fs,
    from: from === undefined ? undefined : resolve(folder, from),
  };
}

function oneOf(...words: readonly string[]) {
  return (text: string) => (words.includes(text) ? undefined : `choose ${words.join(" or ")}`);
}

function sizeProblem(text: string): string | undefined {
  try {
    parseSize(text, { flag: "'size'" });
    return undefined;
  } catch (error) {
    if (error instanceof CapstanError) return error.message;
    throw error;
  }
}

type Tell = (service: Service, key: string, text: string) => void;

/** What services name must be there. */
function checkNames({ services, networks, volumes }: ServicesFile, problem: Tell): void {
  for (const service of services.values()) {
    const check = (key: string, name: string, [what, known]: readonly [string, ReadonlyMap<string, unknown>]) => {
      if (known.has(name)) return;
      const declare = what === "service" ? "" : ` Declare it under '${what}s:'.`;
      problem(service, key, `there is no ${what} '${name}'.${didYouMean(name, [...known.keys()])}${declare}`);
    };
    for (const { service: other } of service.dependsOn) check("depends_on", other, ["service", services]);
    for (const { network } of service.networks) check("networks", network, ["network", networks]);
    for (const { volume } of service.disks) check("volumes", volume, ["volume", volumes]);
  }
}

function keyProblem(text: string): string | undefined {
  return /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(text)
    ? undefined
    : `'${text.slice(0, 60)}' cannot be a name here: use letters and digits, and between them dots, dashes and underscores`;
}

function projectNameProblem(text: string): string | undefined {
  return /^[a-z0-9][a-z0-9_-]{0,40}$/.test(text)
    ? undefined
    : `'${text.slice(0, 60)}' cannot be a project's name: use small letters, digits, dashes and underscores`;
}

/** As Compose makes it: small letters, and what cannot stand there left out. */
function nameOfFolder(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, "")
    .replace(/^[_-]+/, "")
    .slice(0, 40);
  return name === "" ? "project" : name;
}
