import { basename, posix } from "node:path";
import type { FileSpace } from "../../filesystems/file-space.ts";
import type { Application, ApplicationRequest, Part } from "../application.ts";
import { type NeighbourRules, neighbourParts } from "./neighbours.ts";
import { plainScript } from "./plain.ts";
import { joinTrimmed, surveyFolder, type TrimRule } from "./survey.ts";

export interface LibraryFolder {
  /** Path in the space, and in the image. */
  readonly path: string;
  readonly rules?: readonly TrimRule[] | undefined;
  /** What is left out even with --no-trim, since it does harm. */
  readonly never?: ((path: string) => boolean) | undefined;
}

export interface Language {
  /** Those that are not in the space are passed over. */
  readonly libraries: readonly LibraryFolder[];
  readonly neighbours: NeighbourRules;
  readonly env?: readonly (readonly [string, string])[] | undefined;
  readonly parts?: readonly Part[] | undefined;
  readonly prefersLinux?: string | undefined;
  readonly notes?: readonly string[] | undefined;
}

/** An interpreter with folders of its own, and a script with what it names beside it. */
export function describeScript(request: ApplicationRequest, interpreter: string, language: Language): Application {
  const { recognised, space } = request;
  const plain = plainScript(request, interpreter);
  const surveys = language.libraries
    .map(({ path, rules = [], never }) => {
      const left = never === undefined ? [] : [{ what: "", matches: never }];
      const survey = surveyFolder({
        space,
        sourceSpace: "system",
        folder: path,
        target: path,
        role: "standard library",
        neededBy: plain.executable.target,
        rules: [...left, ...(request.trim ? rules : [])],
      });
      return survey && { ...survey, trimmed: survey.trimmed.filter(({ what }) => what !== "") };
    })
    .filter((survey) => survey !== undefined);
  const isScript = recognised.kind !== "elf";
  return {
    ...plain,
    env: new Map([...(language.env ?? []), ...plain.env]),
    parts: [
      ...surveys.flatMap(({ folder, outside }) => [folder, ...outside]),
      ...(language.parts ?? []),
      ...(isScript ? neighbourParts(recognised.path, language.neighbours) : []),
      ...plain.parts,
    ],
    plugins: surveys.flatMap(({ objects }) => objects),
    trimmed: joinTrimmed(surveys.map(({ trimmed }) => trimmed)),
    prefersLinux: language.prefersLinux,
    notes: language.notes ?? [],
  };
}

/** The version in the name of a program, links followed: "5.4" for "lua5.4". */
export function versionIn(interpreter: string, space: FileSpace): string | undefined {
  return /(\d+(\.\d+)+|\d+)$/.exec(basename(space.find(interpreter)?.realPath ?? interpreter))?.[1];
}

/** "/usr" for "/usr/bin/ruby3.1". */
export function prefixOf(interpreter: string, space: FileSpace): string {
  return posix.dirname(posix.dirname(space.find(interpreter)?.realPath ?? interpreter));
}

/** The folders for libraries of one processor that a distribution keeps below lib: "/usr/lib/x86_64-linux-gnu". */
export function multiarchFolders(prefix: string, space: FileSpace): string[] {
  const parent = posix.join(prefix, "lib");
  const names = (space.list(parent) ?? []).filter((name) => /^[a-z0-9_]+-linux-(gnu|musl)/.test(name));
  return [...names.map((name) => `${parent}/${name}`), posix.join(prefix, "lib64"), parent];
}

/** The certificates that programs of this system trust, where OpenSSL is told of them. */
export function certificates(space: FileSpace): {
  readonly parts: readonly Part[];
  readonly env: readonly (readonly [string, string])[];
} {
  const path = CERTIFICATES.find((one) => space.find(one)?.type === "file");
  if (path === undefined) return { parts: [], env: [] };
  return {
    parts: [
      {
        kind: "file",
        target: path,
        source: path,
        sourceSpace: "system",
        role: "data",
        neededBy: "connections with TLS",
      },
    ],
    env: [["SSL_CERT_FILE", path]],
  };
}

const CERTIFICATES = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
