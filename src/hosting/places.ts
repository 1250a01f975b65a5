import { quoted } from "../project/text-file.ts";
import { compareVersions } from "../project/versions.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";

/** What stands at the plain name, and what is to come. */
export interface Rivals {
  readonly before: { readonly version: string | undefined } | undefined;
  readonly version: string | undefined;
}

/**
 * Where something goes: `plain`, at the plain name that is free or may be overwritten; `newer`, there as well after the
 * older version was put aside; `older`, aside. What has no version cannot be told apart, so that it is one and the same.
 */
export function placeOf({ before, version }: Rivals): "plain" | "newer" | "older" {
  if (before === undefined || before.version === undefined || version === undefined) return "plain";
  if (before.version === version) return "plain";
  return compareVersions(version, before.version) > 0 ? "newer" : "older";
}

/** `NAME@VERSION`: '@' is in no name, and what a version may hold besides is left to an underscore. */
export function versionedName(name: string, version: string): string {
  return `${name}@${version.replace(/[^A-Za-z0-9._+-]/g, "_").slice(0, 40)}`;
}

/** Those who have fetched it count on it: locks and caches hold its digest. */
export function otherContent(what: string, name: string, version: string | undefined): CapstanError {
  return new CapstanError(
    `The repository has another ${what} ${quoted(name)} ${version === undefined ? "without a version" : version}`,
    {
      code: "repository-has-other",
      hint: "Give the new one a higher version, or replace the other with --replace.",
      exitCode: ExitCode.cannotCreate,
    },
  );
}
