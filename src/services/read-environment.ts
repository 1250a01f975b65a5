import { resolve } from "node:path";
import type { YamlMap } from "../project/yaml-file.ts";
import { CapstanError } from "../support/errors.ts";
import { readEnvFile, variableProblem } from "./env-file.ts";

export interface Surroundings {
  /** The folder of the services file. */
  readonly folder: string;
  /** Variables of this machine, and those of `.env`. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The variables of `env_file`, and over them those of `environment`. */
export function readEnvironment(map: YamlMap, surroundings: Surroundings): ReadonlyMap<string, string> {
  return new Map([...readEnvFiles(map, surroundings), ...readOwn(map, surroundings)]);
}

/**
 * A map, or a list of `NAME=value`. As in Compose, a name alone takes the value that the variable has on this machine, and is
 * left out where it has none.
 */
function readOwn(map: YamlMap, { env }: Surroundings): (readonly [string, string])[] {
  const fromHere = (name: string) => {
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    return value === undefined ? [] : [[name, value] as const];
  };
  if (map.kind("environment") === "list") {
    return map
      .strings("environment", (text) => variableProblem(text.split("=")[0] ?? ""))
      .flatMap((text) => {
        const at = text.indexOf("=");
        return at === -1 ? fromHere(text) : [[text.slice(0, at), text.slice(at + 1)] as const];
      });
  }
  const values = map.map("environment");
  return (values?.keys() ?? []).flatMap((name) => {
    const problem = variableProblem(name);
    if (problem !== undefined) values?.problem(name, problem);
    const value = values?.string(name);
    return value === undefined ? fromHere(name) : [[name, value] as const];
  });
}

const MOST_FILES = 100;

/** A path, or a list of paths and of maps with `path` and `required`. */
function readEnvFiles(map: YamlMap, { folder, env }: Surroundings): (readonly [string, string])[] {
  const items = map.kind("env_file") === "list" ? map.items("env_file") : [map.string("env_file") ?? ""];
  if (items.length > MOST_FILES) {
    map.problem("env_file", `more than ${MOST_FILES} files of variables: put them together into fewer`);
    return [];
  }
  return items.flatMap((item) => {
    const path = typeof item === "string" ? item : (item.string("path") ?? "");
    const required = typeof item === "string" ? true : (item.flag("required") ?? true);
    if (path === "") return [];
    try {
      const found = readEnvFile(resolve(folder, path), path, env);
      if (found === undefined && required) map.problem("env_file", `there is no file '${path}' of variables`);
      return [...(found ?? [])];
    } catch (error) {
      if (!(error instanceof CapstanError)) throw error;
      map.problem("env_file", error.message);
      return [];
    }
  });
}
