import {
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Application, Part } from "../../../src/programs/application.ts";

/** Puts the parts of an application of this machine into a folder, as they lie in an image: all files are of 1970. */
export function layOut({ parts, executable }: Application, image: string): void {
  put(executable.source, join(image, executable.target));
  for (const part of parts) layOutPart(part, join(image, part.target));
}

function layOutPart(part: Part, target: string): void {
  switch (part.kind) {
    case "file":
      put(part.source, target);
      break;
    case "bytes":
      put(part.bytes, target);
      break;
    case "folder":
      layOutFolder(part, "", target);
      break;
    case "link":
      mkdirSync(dirname(target), { recursive: true });
      symlinkSync(part.to, target);
      break;
    case "directory":
      mkdirSync(target, { recursive: true });
  }
}

function layOutFolder(part: Extract<Part, { kind: "folder" }>, below: string, target: string): void {
  for (const entry of readdirSync(join(part.source, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (part.skip?.(path, entry.isDirectory())) continue;
    const source = join(part.source, path);
    if (entry.isDirectory()) layOutFolder(part, path, target);
    else if (entry.isFile()) put(part.replace?.(path, source) ?? source, join(target, path));
    else if (lstatSync(join(target, path), { throwIfNoEntry: false }) === undefined) {
      mkdirSync(dirname(join(target, path)), { recursive: true });
      cpSync(source, join(target, path), { verbatimSymlinks: true });
    }
  }
}

function put(content: string | Uint8Array, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  if (typeof content === "string") copyFileSync(content, target);
  else writeFileSync(target, content);
  utimesSync(target, 0, 0);
}
