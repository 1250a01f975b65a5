import type { FileEntry } from "../../filesystems/filetree.ts";
import { openContent } from "../../filesystems/tree-space.ts";
import { MiB } from "../../support/bytes.ts";
import { isRecord } from "../../support/records.ts";

/** A package of a language that says of itself what it is. */
export interface DeclaredPackage {
  readonly kind: "npm" | "pypi";
  readonly name: string;
  readonly version: string | undefined;
}

/**
 * The package that a file declares: a package.json in node_modules (docs.npmjs.com, "package.json"), or the METADATA of a
 * `.dist-info` (packaging.python.org, "Core metadata specifications"). Undefined for all else.
 */
export function declaredPackage(path: string, file: FileEntry): DeclaredPackage | undefined {
  if (NPM.test(path)) return npmPackage(readSmall(path, file));
  if (PYPI.test(path)) return pythonPackage(readSmall(path, file));
  return undefined;
}

const NPM = /\/node_modules\/(@[^/]+\/)?[^/@]+\/package\.json$/;
const PYPI = /\.(dist-info\/METADATA|egg-info\/PKG-INFO)$/;
const LARGEST = MiB;
const NAME_LENGTH = 214;

function readSmall(path: string, file: FileEntry): string {
  if (file.size > LARGEST) return "";
  const bytes = Buffer.alloc(file.size);
  const open = openContent(path, file);
  try {
    open.read(bytes, 0);
  } finally {
    open.close();
  }
  return bytes.toString("utf8");
}

function npmPackage(text: string): DeclaredPackage | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (!isRecord(value)) return undefined;
    return declared("npm", value.name, value.version);
  } catch {
    return undefined;
  }
}

/** Headers up to the first empty line. */
function pythonPackage(text: string): DeclaredPackage | undefined {
  const header = text.split(/\r?\n\r?\n/, 1)[0] ?? "";
  // The blanks are cut off afterwards: an expression that looks for their end at each of them has no end itself.
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, "im").exec(header)?.[1]?.trim();
  return declared("pypi", field("Name"), field("Version"));
}

function declared(kind: DeclaredPackage["kind"], name: unknown, version: unknown): DeclaredPackage | undefined {
  if (typeof name !== "string" || !isName(name)) return undefined;
  return { kind, name, version: typeof version === "string" && isName(version) ? version : undefined };
}

function isName(text: string): boolean {
  return text.length > 0 && text.length <= NAME_LENGTH && /^[\x21-\x7e]+$/.test(text);
}
