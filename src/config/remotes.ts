import { nameProblem } from "../project/names.ts";
import { quoted } from "../project/text-file.ts";
import type { YamlMap } from "../project/yaml-file.ts";
import { didYouMean } from "../support/suggest.ts";

/** A remote as config.yaml has it, or as a flag of the original stands for. */
export type RemoteSetting =
  | {
      readonly kind: "github";
      readonly name: string;
      /** OWNER/NAME. */
      readonly repository: string;
      readonly apiUrl: string;
      /** Undefined: as release_tag or --release-tag say. */
      readonly releaseTag: string | undefined;
    }
  | { readonly kind: "s3"; readonly name: string; readonly url: string }
  | {
      readonly kind: "index";
      readonly name: string;
      readonly url: string;
      /** Public keys in base64: with any, an index has to be signed by one of them. */
      readonly keys: readonly string[];
    };

export const GITHUB_API = "https://api.github.com";
export const OSV_REPOSITORY = "cloudius-systems/osv";

export const defaultRemote: RemoteSetting = {
  ...{ kind: "github", name: "osv", repository: OSV_REPOSITORY, apiUrl: GITHUB_API },
  releaseTag: undefined,
};

const KINDS = ["github", "s3", "index"] as const;

/** `remotes:` of config.yaml: a map of names, in the order in which they are asked. */
export function readRemoteSettings(root: YamlMap): readonly RemoteSetting[] {
  return root
    .maps("remotes", (name) => nameProblem(name, "a remote"))
    .flatMap(([name, map]) => readRemote(name, map) ?? []);
}

function readRemote(name: string, map: YamlMap): RemoteSetting | undefined {
  const kind = map.required("type", `write one of ${KINDS.join(", ")}`, (text) =>
    isKind(text) ? undefined : `${quoted(text)} is no type of remote.${didYouMean(text, KINDS)}`,
  );
  if (kind === "github") {
    const repository = map.string("repository", (text) =>
      /^[\w.-]+\/[\w.-]+$/.test(text) ? undefined : `${quoted(text)} is no repository: write OWNER/NAME`,
    );
    return {
      ...{ kind, name, repository: repository ?? OSV_REPOSITORY },
      apiUrl: map.string("api_url", urlProblem) ?? GITHUB_API,
      releaseTag: map.string("release_tag"),
    };
  }
  const url = map.required("url", "write its address", urlProblem) ?? "";
  if (kind === "s3") return { kind, name, url };
  return kind === "index" ? { kind, name, url, keys: map.strings("keys") } : undefined;
}

function isKind(text: string): text is (typeof KINDS)[number] {
  return (KINDS as readonly string[]).includes(text);
}

/** Why a text is no address of a remote; undefined when it is. */
export function urlProblem(text: string): string | undefined {
  if (text.startsWith("/")) return undefined;
  try {
    return ["http:", "https:", "file:"].includes(new URL(text).protocol)
      ? undefined
      : `${quoted(text)} is no address: begin it with https://, http:// or file:///`;
  } catch {
    return `${quoted(text)} is no address: begin it with https://, http:// or file:///`;
  }
}
