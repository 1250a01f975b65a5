import { withOpenFile } from "../../filesystems/file-space.ts";
import { openHostFile } from "../../filesystems/host-space.ts";
import { notRunnable } from "./refusal.ts";
import { readZipMember } from "./zip.ts";

/** What the manifest of a jar says of starting it (JAR File Specification). */
export interface JarManifest {
  readonly mainClass: string | undefined;
  /** Relative URLs of further jars and folders, as written. */
  readonly classPath: readonly string[];
}

/** Throws `not-runnable` for what is no jar, or one that does not say what to start. */
export function checkJar(path: string): void {
  const manifest = readJarManifest(path);
  if (manifest === "damaged") throw notRunnable(path, "is no zip archive, as jars are", "Build or copy it again.");
  if (manifest === undefined || manifest.mainClass !== undefined) return;
  throw notRunnable(
    path,
    "does not say which class to start: there is no Main-Class in its manifest",
    "Build a jar that can be started, or name the class: capstan run /usr/bin/java -- -cp ./FILE.jar CLASS.",
  );
}

/** Undefined for an archive of a kind that is not read here; Java may read it. */
export function readJarManifest(path: string): JarManifest | "damaged" | undefined {
  const member = withOpenFile({ open: () => openHostFile(path) }, (open) =>
    readZipMember(open, "META-INF/MANIFEST.MF"),
  );
  switch (member.kind) {
    case "found":
      return parseManifest(member.bytes.toString("utf8"));
    case "absent":
      return { mainClass: undefined, classPath: [] };
    case "damaged":
      return "damaged";
    case "unreadable":
      return undefined;
  }
}

/** The main section ends at the first empty line; a line that begins with a blank goes on with the one before. */
function parseManifest(text: string): JarManifest {
  const unfolded = text.replace(/\r\n?/g, "\n").replace(/\n /g, "");
  const main = unfolded.split("\n\n", 1)[0] ?? "";
  const field = (name: string) => new RegExp(`^${name}: *(.*?) *$`, "im").exec(main)?.[1];
  return {
    mainClass: field("Main-Class") || undefined,
    classPath: (field("Class-Path") ?? "").split(" ").filter((url) => url !== ""),
  };
}
