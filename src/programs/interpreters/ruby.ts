import type { InterpreterSupport } from "../application.ts";
import { certificates, describeScript, multiarchFolders, prefixOf } from "./scripted.ts";
import type { TrimRule } from "./survey.ts";

/** Ruby: its library, and the gems that the system has. */
export const ruby: InterpreterSupport = {
  name: "ruby",
  knows: (executable) => /^ruby[\d.]*$/.test(executable),
  describe: (request, interpreter) => {
    const { space } = request;
    const prefix = prefixOf(interpreter, space);
    const { parts, env } = certificates(space);
    const folders = [
      ...multiarchFolders(prefix, space).map((folder) => `${folder}/ruby`),
      `${prefix}/share/rubygems-integration`,
      "/var/lib/gems",
      "/usr/local/bundle",
      // The locale that LANG names.
      "/usr/lib/locale/C.utf8",
    ];
    return describeScript(request, interpreter, {
      libraries: folders.map((path) => ({ path, rules: RULES })),
      neighbours: { endings: [".rb"] },
      parts,
      // Without it, Ruby reads text as ASCII.
      env: [["LANG", "C.UTF-8"], ...env],
      prefersLinux: "Ruby does not start on OSv's own C library",
    });
  },
};

const RULES: readonly TrimRule[] = [
  { what: "documentation of gems", matches: (path) => /(^|\/)(doc|ri|rdoc|man)$|\.(md|rdoc)$/.test(path) },
  { what: "packed gems", matches: (path) => /(^|\/)cache\/[^/]+\.gem$/.test(path) },
  { what: "tests of gems", matches: (path) => /gems\/[^/]+\/(test|spec)$/.test(path) },
  {
    what: "files to build extensions with",
    matches: (path) => /\.(h|c|o|a)$|(^|\/)(gem_make\.out|mkmf\.log)$/.test(path),
  },
];
