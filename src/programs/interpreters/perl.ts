import { posix } from "node:path";
import type { FileSpace } from "../../filesystems/file-space.ts";
import type { InterpreterSupport } from "../application.ts";
import { usedModules } from "./perl-modules.ts";
import { certificates, describeScript, type LibraryFolder, multiarchFolders, prefixOf } from "./scripted.ts";
import type { TrimRule } from "./survey.ts";

/** Perl: its library, and of the modules that packages installed those that the script uses. */
export const perl: InterpreterSupport = {
  name: "perl",
  knows: (executable) => /^perl[\d.]*$/.test(executable),
  describe: (request, interpreter) => {
    const { space, recognised } = request;
    const prefix = prefixOf(interpreter, space);
    const vendor = vendorFolders(prefix, space);
    const used = usedModules(recognised.kind === "elf" ? undefined : recognised.path, { space, folders: vendor });
    const { parts, env } = certificates(space);
    return describeScript(request, interpreter, {
      libraries: [
        ...ownFolders(prefix, space).map((path): LibraryFolder => ({ path, rules: RULES })),
        ...vendor.map((path): LibraryFolder => ({ path, rules: [unusedRule(used), ...RULES] })),
      ],
      neighbours: { endings: [".pm", ".pl"], names: moduleFiles },
      parts,
      env,
    });
  },
};

/** As Debian, Fedora and a build of one's own have them in @INC. */
function ownFolders(prefix: string, space: FileSpace): string[] {
  const shared = versionsIn(`${prefix}/share/perl`, space);
  const arch = multiarchFolders(prefix, space).flatMap((folder) => [
    ...versionsIn(`${folder}/perl`, space),
    `${folder}/perl-base`,
  ]);
  const plain = shared.length > 0 ? [] : [`${prefix}/lib64/perl5`, `${prefix}/lib/perl5`, `${prefix}/share/perl5`];
  return [...shared, ...arch, ...plain];
}

function vendorFolders(prefix: string, space: FileSpace): string[] {
  if (versionsIn(`${prefix}/share/perl`, space).length === 0) return [];
  return [
    ...versionsIn("/usr/local/share/perl", space),
    ...multiarchFolders(prefix, space).flatMap((folder) => versionsIn(`${folder}/perl5`, space)),
    `${prefix}/share/perl5`,
  ].filter((path) => space.find(path)?.type === "directory");
}

/** The folders of versions: "5.36" and not "5.36.0", which it is a link to, as @INC has it. */
function versionsIn(folder: string, space: FileSpace): string[] {
  const seen = new Set<string>();
  return (space.list(folder) ?? [])
    .filter((name) => /^5(\.\d+)+$/.test(name))
    .map((name) => posix.join(folder, name))
    .filter((path) => {
      const real = space.find(path)?.realPath ?? path;
      if (seen.has(real)) return false;
      seen.add(real);
      return true;
    });
}

function moduleFiles(source: string): string[] {
  return [...source.matchAll(/^\s*(?:use|require)\s+([A-Za-z_]\w*(?:::\w+)*)/gm)].flatMap(([, name = ""]) => {
    const file = `${name.replaceAll("::", "/")}.pm`;
    return [file, `lib/${file}`];
  });
}

function unusedRule(used: ReadonlySet<string>): TrimRule {
  return {
    what: "installed modules that are not used",
    matches: (path) => !used.has(path.split("/", 1)[0]?.replace(/\.pm$/, "") ?? "") && !path.startsWith("auto"),
  };
}

const RULES: readonly TrimRule[] = [
  { what: "documentation of modules", matches: (path) => /\.pod$|^pod$/.test(path) },
  {
    what: "files to build extensions with",
    matches: (path) => /(^|\/)CORE$|\.(h|a|ld)$|^(ExtUtils|CPAN|CPAN\.pm)$/.test(path),
  },
  { what: "test frameworks", matches: (path) => /^(TAP|Test|Test2|Test\.pm|Test2\.pm)$/.test(path) },
];
