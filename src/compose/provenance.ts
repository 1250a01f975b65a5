import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import type { FileTree } from "../filesystems/filetree.ts";
import { walkAll } from "../filesystems/tree-walk.ts";
import type { Companion } from "../store/stage.ts";
import { doing } from "../support/errors.ts";
import { isRecord } from "../support/records.ts";

/** What an image was put together from; kept beside it in the store, as `NAME.sources`. */
export interface Provenance {
  /** Undefined for a folder without a manifest. */
  readonly project:
    | { readonly name: string; readonly version: string | undefined; readonly folder: string }
    | undefined;
  readonly loader: string;
  /** Those that files are of; `base`: an image that others were laid over. */
  readonly parts: readonly Part[];
  /** By the path in the image. */
  readonly files: ReadonlyMap<string, FileSource>;
}

export interface Part {
  readonly kind: "package" | "base" | "made";
  readonly name: string;
  readonly version: string | undefined;
}

/** Where a file came from; of another size, it is not that file any more. */
export interface FileSource {
  readonly size: number;
  /** The file of this machine that it was a copy of. */
  readonly path?: string | undefined;
  readonly part?: Part | undefined;
}

export interface ProvenanceInput {
  readonly tree: FileTree;
  readonly loader: string;
  readonly project?: Provenance["project"];
  /** Versions of packages, by their names. */
  readonly versions?: ReadonlyMap<string, string | undefined> | undefined;
  /** Of an image that was amended: what it says of itself. */
  readonly base?: { readonly name: string; readonly provenance: Provenance | undefined } | undefined;
}

/** Of an image in the store: `NAME.sources`. */
export const PROVENANCE_SUFFIX = ".sources";

/** Writes where the files of a staged image came from beside it, for going into the store with it. */
export function stageProvenance(image: string, input: ProvenanceInput): Companion {
  const path = join(dirname(image), ".sources");
  doing(`Writing ${path}`, () => writeFileSync(path, pack(input)));
  return { suffix: PROVENANCE_SUFFIX, path };
}

/** What is known of the image in the file `image`. */
export function provenanceOf(image: string): Provenance | undefined {
  const base = basename(image, extname(image));
  return readProvenance(join(dirname(image), `${base}${PROVENANCE_SUFFIX}`));
}

/** Undefined where there is none, or it cannot be read: it is a help, and never trusted further than a file's size. */
export function readProvenance(path: string): Provenance | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isRecord(value) && value.format === FORMAT ? unpack(value) : undefined;
  } catch {
    return undefined;
  }
}

const FORMAT = 1;

/** A file: its path, its size, and the number of its part, or its path on this machine. */
type Row = readonly [path: string, size: number, source: number | string];

function pack({ tree, loader, project, versions, base }: ProvenanceInput): string {
  const parts = new Numbers();
  const rows: Row[] = [];
  walkAll(tree, (path, entry) => {
    if (entry.type !== "file") return;
    const { content, size, origin } = entry;
    const before = content.kind === "device" ? base?.provenance?.files.get(path) : undefined;
    if (before?.size === size && before.path !== undefined) rows.push([path, size, before.path]);
    else if (before?.size === size && before.part !== undefined) rows.push([path, size, parts.of(before.part)]);
    else if (content.kind === "host") rows.push([path, size, content.path]);
    else if (content.kind === "device") {
      rows.push([path, size, parts.of({ kind: "base", name: base?.name ?? origin, version: undefined })]);
    } else {
      const kind = content.kind === "extent" ? "package" : "made";
      rows.push([path, size, parts.of({ kind, name: origin, version: versions?.get(origin) })]);
    }
  });
  return JSON.stringify({ format: FORMAT, project, loader, parts: parts.all, files: rows });
}

class Numbers {
  readonly all: Part[] = [];
  readonly #known = new Map<string, number>();

  of(part: Part): number {
    const key = `${part.kind}\0${part.name}\0${part.version ?? ""}`;
    const number = this.#known.get(key) ?? this.all.push(part) - 1;
    this.#known.set(key, number);
    return number;
  }
}

function unpack(value: Readonly<Record<string, unknown>>): Provenance | undefined {
  const { project, loader, parts, files } = value;
  if (typeof loader !== "string" || !Array.isArray(parts) || !Array.isArray(files)) return undefined;
  const known = parts.map(toPart);
  const sources = new Map<string, FileSource>();
  for (const row of files) {
    if (!isRow(row)) return undefined;
    const [path, size, source] = row;
    sources.set(path, typeof source === "string" ? { size, path: source } : { size, part: known[source] });
  }
  return {
    ...{ project: toProject(project), loader, files: sources },
    parts: known.filter((part) => part !== undefined),
  };
}

function isRow(row: unknown): row is Row {
  if (!Array.isArray(row)) return false;
  const [path, size, source]: readonly unknown[] = row;
  return typeof path === "string" && typeof size === "number" && ["string", "number"].includes(typeof source);
}

function toPart(value: unknown): Part | undefined {
  if (!isRecord(value)) return undefined;
  const { kind, name, version } = value;
  if (kind !== "package" && kind !== "base" && kind !== "made") return undefined;
  return typeof name === "string" ? { kind, name, version: textOf(version) } : undefined;
}

function toProject(value: unknown): Provenance["project"] {
  if (!isRecord(value)) return undefined;
  const [name, folder] = [textOf(value.name), textOf(value.folder)];
  return name === undefined || folder === undefined ? undefined : { name, folder, version: textOf(value.version) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
