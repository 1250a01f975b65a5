import type { InventoryPackage } from "./inventory.ts";

export interface PackageUrlInput extends Pick<InventoryPackage, "kind" | "name" | "version"> {
  readonly manager?: string | undefined;
  readonly distribution: string | undefined;
}

/** A purl as of github.com/package-url/purl-spec (PURL-SPECIFICATION and PURL-TYPES); undefined for what is no package. */
export function packageUrl({ kind, name, version, manager, distribution }: PackageUrlInput): string | undefined {
  const behind = version === undefined ? "" : `@${encodeURIComponent(version)}`;
  switch (kind) {
    case "distribution": {
      const type = TYPES[manager ?? ""];
      return (
        type && `pkg:${type[0]}/${encodeURIComponent(distribution ?? type[1])}/${encodeURIComponent(name)}${behind}`
      );
    }
    case "npm":
      return `pkg:npm/${name.split("/").map(encodeURIComponent).join("/")}${behind}`;
    case "pypi":
      return `pkg:pypi/${encodeURIComponent(name.toLowerCase().replaceAll("_", "-"))}${behind}`;
    case "package":
    case "project":
    case "base":
      return `pkg:generic/${encodeURIComponent(name)}${behind}`;
    default:
      return undefined;
  }
}

/** The type of the packages of a manager, and the usual distribution. */
const TYPES: Readonly<Record<string, readonly [type: string, distribution: string]>> = {
  dpkg: ["deb", "debian"],
  rpm: ["rpm", "fedora"],
  apk: ["apk", "alpine"],
};
