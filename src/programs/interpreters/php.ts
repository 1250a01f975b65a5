import type { FileSpace } from "../../filesystems/file-space.ts";
import type { InterpreterSupport } from "../application.ts";
import { certificates, describeScript, type LibraryFolder, prefixOf, versionIn } from "./scripted.ts";
import type { TrimRule } from "./survey.ts";

/** PHP: its settings, its extensions and the time zones, without which Debian's does not start. */
export const php: InterpreterSupport = {
  name: "php",
  knows: (executable) => /^php(-cgi)?[\d.]*$/.test(executable),
  describe: (request, interpreter) => {
    const { space } = request;
    const { parts, env } = certificates(space);
    return describeScript(request, interpreter, {
      libraries: [
        ...settingsFolders(interpreter, space).map((path): LibraryFolder => ({ path, never: isHarmful })),
        ...extensionFolders(interpreter, space).map((path): LibraryFolder => ({ path, never: isHarmful })),
        { path: "/usr/share/zoneinfo", rules: ZONES },
      ],
      neighbours: { endings: [".php", ".inc"] },
      parts,
      env,
      prefersLinux: "PHP does not start on OSv's own C library",
    });
  },
};

/** Debian's, Fedora's, and those of a build of one's own. */
function settingsFolders(interpreter: string, space: FileSpace): string[] {
  const version = versionIn(interpreter, space) ?? "";
  const prefix = prefixOf(interpreter, space);
  return [`/etc/php/${version}/cli`, "/etc/php.d", `${prefix}/etc/php`, `${prefix}/etc/conf.d`];
}

/** They are named by the version of the interface: "20220829". */
function extensionFolders(interpreter: string, space: FileSpace): string[] {
  const prefix = prefixOf(interpreter, space);
  const parents = [`${prefix}/lib/php`, `${prefix}/lib64/php`, `${prefix}/lib/php/extensions`];
  return parents.flatMap((parent) =>
    (space.list(parent) ?? [])
      .filter((name) => /^(\d{8}.*|modules|no-debug-.*)$/.test(name))
      .map((name) => `${parent}/${name}`),
  );
}

/** The cache for byte code shares memory among processes, which OSv has only one of. */
function isHarmful(path: string): boolean {
  return /(^|[/-])opcache\.(so|ini)$/.test(path);
}

const ZONES: readonly TrimRule[] = [
  { what: "time zones in other forms", matches: (path) => /^(posix|right)$|^(tzdata\.zi|leap)/.test(path) },
];
