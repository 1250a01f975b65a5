import { quoted } from "./text-file.ts";

/** A package of a distribution, of which the files are taken: by its name, or a package file. */
export interface PackageSource {
  readonly kind: "deb" | "rpm";
  /** What the distribution's package manager is asked for: `redis-server`, `redis-server=5:7.0.15-1`. */
  readonly name: string;
  /** A package file, as it is written; undefined where the package manager is asked for the name. */
  readonly path: string | undefined;
}

/** `deb:redis-server`, `deb:./local.deb`, `rpm:redis`. */
export function parsePackageSource(text: string): PackageSource | { readonly problem: string } {
  const match = /^(?<kind>deb|rpm):(?<name>[\s\S]+)$/.exec(text);
  const { kind, name = "" } = match?.groups ?? {};
  if (kind !== "deb" && kind !== "rpm") {
    return {
      problem: `${quoted(text)} names no package: write 'deb:NAME' or 'rpm:NAME', or the path of a file behind the colon`,
    };
  }
  if (name.includes("\0")) return { problem: "a NUL character cannot be in it" };
  if (name.includes("/") || name.endsWith(`.${kind}`)) return { kind, name, path: name };
  // A name that begins with a dash would be an option of the package manager.
  if (/^[A-Za-z0-9][\w.+~^:=-]*$/.test(name)) return { kind, name, path: undefined };
  return { problem: `${quoted(name)} cannot name a package` };
}

export function packageSourceProblem(text: string): string | undefined {
  const parsed = parsePackageSource(text);
  return "problem" in parsed ? parsed.problem : undefined;
}

export interface RpmName {
  readonly name: string;
  readonly version: string;
  readonly release: string;
  readonly arch: string;
}

/** Of the package, as RPM calls one; with `.rpm` behind it, of its file. */
export function rpmFileName({ name, version, release, arch }: RpmName): string {
  return `${name}-${version}-${release}.${arch}`;
}
