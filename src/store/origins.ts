import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomically } from "../support/atomic.ts";
import { doing, isErrno } from "../support/errors.ts";
import type { Layout } from "./layout.ts";

/** Where something of the store was fetched from: what a later fetch is compared with, and what a lock file is made of. */
export interface Origin {
  readonly kind: "package" | "image";
  readonly name: string;
  readonly version: string | undefined;
  readonly arch: string | undefined;
  /** The name of the remote, its address, and the GitHub release. */
  readonly remote: string;
  readonly url: string;
  readonly release: string | undefined;
  /** Of the file as it was transferred; the digest in hexadecimal digits. */
  readonly size: number;
  readonly sha256: string;
  /** RFC 3339. */
  readonly fetched: string;
  /** Of images: size and time of the file in the store, which tell whether it is still the one that came. */
  readonly stored?: string | undefined;
}

type Key = Pick<Origin, "kind" | "name" | "version" | "arch">;

/** The record of this very version; undefined when it was never fetched, or the record cannot be read. */
export function readOrigin(layout: Layout, key: Key): Origin | undefined {
  return readFile(originPath(layout, key));
}

/** The latest fetch of any version. */
export function latestOrigin(layout: Layout, kind: Origin["kind"], name: string): Origin | undefined {
  const start = `${kind}@${fileName(name)}@`;
  const origins = listFiles(layout.origins)
    .filter((file) => file.startsWith(start))
    .flatMap((file) => readFile(join(layout.origins, file)) ?? []);
  return origins.sort((a, b) => (a.fetched < b.fetched ? 1 : -1))[0];
}

export async function writeOrigin(layout: Layout, origin: Origin): Promise<void> {
  mkdirSync(layout.origins, { recursive: true });
  await writeFileAtomically(originPath(layout, origin), `${JSON.stringify(origin, undefined, 2)}\n`);
}

/** Changes whenever the file is written or replaced; undefined where there is none. */
export function storedState(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() ? `${stats.size} ${Math.trunc(stats.mtimeMs)}` : undefined;
}

/** Forgets what was known, so that another content is accepted. */
export function removeOrigin(layout: Layout, key: Key): void {
  rmSync(originPath(layout, key), { force: true });
}

/** '@' cannot be in a name; versions are free text. */
function originPath(layout: Layout, { kind, name, version, arch }: Key): string {
  const parts = [kind, fileName(name), fileName(version ?? ""), arch ?? ""];
  return join(layout.origins, `${parts.join("@")}.json`);
}

function fileName(text: string): string {
  return text.replace(/[^A-Za-z0-9._+-]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`).slice(0, 150);
}

function listFiles(folder: string): readonly string[] {
  return doing(`Reading ${folder}`, () => {
    try {
      return readdirSync(folder);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return [];
      throw error;
    }
  });
}

function readFile(path: string): Origin | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isOrigin(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

function isOrigin(value: unknown): value is Origin {
  if (typeof value !== "object" || value === null) return false;
  const of = (key: string): unknown => Reflect.get(value, key);
  const isText = (key: string) => typeof of(key) === "string";
  return ["kind", "name", "remote", "url", "sha256", "fetched"].every(isText) && typeof of("size") === "number";
}
