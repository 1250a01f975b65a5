import { isAbsolute, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { quoted } from "../../project/text-file.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { takeCredentials } from "../http-url.ts";
import { relativeUrl } from "./relative-path.ts";

/** Where a repository is. */
export type Location = FolderLocation | WebLocation;

export interface FolderLocation {
  readonly kind: "folder";
  readonly path: string;
  /** For messages. */
  readonly address: string;
}

export interface WebLocation {
  readonly kind: "web";
  /** Ends in a slash, and is without credentials. */
  readonly base: string;
  /** For messages. */
  readonly address: string;
  /** What the credentials of the address became. */
  readonly headers: Readonly<Record<string, string>> | undefined;
}

/** Takes http:, https: and file: addresses and absolute folders. Error: CapstanError `bad-remote-address`. */
export function parseLocation(text: string): Location {
  if (isAbsolute(text)) return { kind: "folder", path: text, address: text };
  const url = tryUrl(text);
  if (url === undefined || !["http:", "https:", "file:"].includes(url.protocol)) {
    throw badUrl(text, "use an http:, https: or file: address, or the absolute path of a folder");
  }
  if (url.search !== "" || url.hash !== "") throw badUrl(text, "leave out what begins with '?' or '#'");
  if (url.protocol === "file:") {
    const path = folderOf(url, text);
    return { kind: "folder", path, address: path };
  }
  const credentials = takeCredentials(url);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  const headers = Object.keys(credentials).length === 0 ? undefined : credentials;
  return { kind: "web", base: url.href, address: url.href, headers };
}

/** The address of a file of the repository by its path there. */
export function addressOf(location: Location, path: string): string {
  if (location.kind === "folder") return pathToFileURL(join(location.path, path)).href;
  return `${location.base}${relativeUrl(path)}`;
}

function tryUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

function folderOf(url: URL, text: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    throw badUrl(text, "a file: address begins with 'file:///'");
  }
}

function badUrl(text: string, hint: string): CapstanError {
  const shown = quoted(text.replace(/\/\/[^/@]*@/, "//"));
  return new CapstanError(`${shown} is not the address of a repository: ${hint}`, {
    code: "bad-remote-address",
    hint: "Correct the address; 'capstan remote list' shows those that are configured.",
    exitCode: ExitCode.usage,
  });
}
