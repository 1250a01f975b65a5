import { basename, dirname } from "node:path";
import type { FileSpace } from "../../filesystems/file-space.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { Application, ApplicationRequest, InterpreterSupport } from "../application.ts";
import { javaStart } from "./java/start.ts";
import { nameFrom } from "./places.ts";
import { surveyFolder, type TrimRule } from "./survey.ts";

/** Java: the whole tree of the installation, at its own path, from where the launcher finds its library. */
export const java: InterpreterSupport = {
  name: "java",
  knows: (executable) => executable === "java",
  describe,
};

function describe(request: ApplicationRequest, interpreter: string): Application {
  const { recognised, space } = request;
  const executable = space.find(interpreter)?.realPath ?? interpreter;
  const home = javaHome(executable, space);
  const survey = surveyFolder({
    space,
    sourceSpace: "system",
    folder: home,
    target: home,
    role: "standard library",
    neededBy: "every Java program",
    rules: request.trim ? RULES : [],
  });
  const started = javaStart(recognised);
  return {
    recognised,
    name: nameFrom(recognised.path),
    executable: { source: executable, target: executable },
    args: [...recognised.interpreterArgs, ...started.args],
    env: recognised.env ?? new Map(),
    parts: [...(survey === undefined ? [] : [survey.folder, ...survey.outside]), ...started.parts],
    plugins: (survey?.objects ?? []).filter((path) => !NEEDS_DESKTOP.test(basename(path))),
    trimmed: survey?.trimmed ?? [],
    writable: [],
    prefersLinux: undefined,
    notes: started.notes,
  };
}

/** The installation that a launcher belongs to: by the folder above bin/, or above jre/bin/. */
function javaHome(executable: string, space: FileSpace): string {
  const home = dirname(dirname(executable));
  if (LIBRARIES.some((library) => space.find(`${home}/${library}`)?.type === "file")) return home;
  throw new CapstanError(
    `${executable} is not in a Java installation: there is no lib/server/libjvm.so beside its folder`,
    {
      code: "java-home-missing",
      hint: "Set JAVA_HOME to a JDK or JRE, or name its bin/java with --interpreter.",
      exitCode: ExitCode.unavailable,
    },
  );
}

const LIBRARIES = ["lib/server/libjvm.so", "lib/amd64/server/libjvm.so", "lib/client/libjvm.so", "lib/zero/libjvm.so"];

const RULES: readonly TrimRule[] = [
  {
    what: "documentation and examples",
    matches: (path) => /^(docs?|man|demo|sample|legal)$|^lib\/src\.zip$|^src\.zip$/.test(path),
  },
  { what: "files to build with the JDK", matches: (path) => /^(jmods|include)$|^lib\/(ct\.sym|.*\.a)$/.test(path) },
  {
    what: "what opens windows",
    matches: (path) => /^lib\/lib(atk-wrapper|awt_xawt|splashscreen|jawt|jsound)\.so$|^lib\/psfont/.test(path),
  },
  {
    what: "a class archive for heaps beyond 32 GB",
    matches: (path) => /^lib\/server\/classes_nocoops\.jsa$/.test(path),
  },
  { what: "debugging symbols", matches: (path) => /\.(debuginfo|diz)$/.test(path) },
  { what: "tools of the JDK", matches: (path) => /^bin\/(?!java$)/.test(path) },
];

/** They need the desktop's libraries, which a server's Java comes without; nothing loads them unless windows are opened. */
const NEEDS_DESKTOP = /^lib(atk-wrapper|awt_xawt|splashscreen|jawt|jsound)\.so$/;
