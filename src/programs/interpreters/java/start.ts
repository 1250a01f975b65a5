import { basename, dirname, posix, resolve } from "node:path";
import type { Part, Recognised } from "../../application.ts";
import { readJarManifest } from "../../recognise/jar.ts";
import { APP_FOLDER, userSpace } from "../places.ts";

export interface JavaStart {
  readonly args: readonly string[];
  readonly parts: readonly Part[];
  readonly notes: readonly string[];
}

/** The user's jar or class, with what it says or shows that it needs beside it. */
export function javaStart({ kind, path }: Pick<Recognised, "kind" | "path">): JavaStart {
  if (kind === "jar") return ofJar(path);
  if (kind === "java-class") return ofClass(path);
  return { args: [], parts: [], notes: [] };
}

function ofJar(path: string): JavaStart {
  const target = `${APP_FOLDER}/${basename(path)}`;
  const manifest = readJarManifest(path);
  const classPath = typeof manifest === "object" ? manifest.classPath : [];
  const beside = classPath.map((url) => partFor(url, path));
  const missing = classPath.filter((_, index) => beside[index] === undefined);
  return {
    args: [UTF_8, "-jar", target],
    parts: [{ ...USERS, kind: "file", source: path, target }, ...beside.filter((part) => part !== undefined)],
    notes:
      missing.length === 0
        ? []
        : [`${basename(path)} names in its Class-Path what is not there: ${missing.slice(0, SHOWN).join(", ")}.`],
  };
}

/** An entry of Class-Path is relative to the jar; one that ends in a slash is a folder. */
function partFor(url: string, jar: string): Part | undefined {
  if (/^[a-z][a-z\d+.-]*:/i.test(url) || url.startsWith("/")) return undefined;
  const path = decoded(url);
  const source = resolve(dirname(jar), path);
  const type = userSpace.find(source)?.type;
  if (type !== "file" && type !== "directory") return undefined;
  const target = posix.join(APP_FOLDER, path).replace(/\/$/, "");
  if (target === "" || target === APP_FOLDER) return undefined;
  return {
    ...USERS,
    kind: type === "file" ? "file" : "folder",
    source,
    target,
    role: "library",
    neededBy: `${APP_FOLDER}/${basename(jar)}`,
  };
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(url);
  } catch {
    return url;
  }
}

/** A class may use those beside it: the compiler makes one file of each, inner ones too. */
function ofClass(path: string): JavaStart {
  const folder = dirname(path);
  const files = (userSpace.list(folder) ?? []).filter((name) => name.endsWith(".class"));
  return {
    args: [UTF_8, "-cp", APP_FOLDER, basename(path, ".class")],
    parts: files.map((file) => ({
      ...USERS,
      kind: "file",
      source: posix.join(folder, file),
      target: `${APP_FOLDER}/${file}`,
    })),
    notes: [],
  };
}

/** Without locales, Java before 18 would write ASCII alone. */
const UTF_8 = "-Dfile.encoding=UTF-8";
const SHOWN = 5;
const USERS = { sourceSpace: "user", role: "program", neededBy: "the command line" } as const;
