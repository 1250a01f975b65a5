import type { Application, ApplicationRequest, InterpreterSupport, Part, Trimmed } from "../../application.ts";
import { plainProgram } from "../plain.ts";
import { surveyFolder, type TrimRule } from "../survey.ts";

/** What a server is given beyond its file, so that it serves when it is started without a word more. */
export interface Server {
  /** By the name that it is started with. */
  readonly knows: RegExp;
  /** Words that OSv requires, unless the user gives the option with another value: groups that begin with the option. */
  readonly required?: readonly (readonly string[])[] | undefined;
  /** Words for when the user gives none. */
  readonly defaults?: readonly string[] | undefined;
  /** Whether the daemon looks up accounts by name. */
  readonly accounts?: boolean | undefined;
  readonly parts?: readonly Part[] | undefined;
  /** Folders of the system, where they are there. */
  readonly folders?: readonly ServerFolder[] | undefined;
  readonly writable?: readonly string[] | undefined;
  readonly prefersLinux?: string | undefined;
  readonly notes?: readonly string[] | undefined;
}

export interface ServerFolder {
  readonly path: string;
  /** Other text for a file of the settings; undefined to leave it as it is. */
  readonly edit?: ((path: string, hostPath: string) => string | undefined) | undefined;
  readonly rules?: readonly TrimRule[] | undefined;
}

/** The support of a server whose needs do not depend on the request, or do by a function. */
export function serverSupport(
  name: string,
  server: Server | ((request: ApplicationRequest) => Server),
): InterpreterSupport {
  const of = (request: ApplicationRequest) => (typeof server === "function" ? server(request) : server);
  const { knows } = typeof server === "function" ? { knows: new RegExp(`^${name}$`) } : server;
  return {
    name,
    knows: (executable) => knows.test(executable),
    describe: (request) => describeServer(request, of(request)),
  };
}

function describeServer(request: ApplicationRequest, server: Server): Application {
  const { space, userArgs, trim } = request;
  const plain = plainProgram(request);
  const parts: Part[] = [...(server.accounts === true ? ACCOUNTS : []), ...(server.parts ?? [])];
  const plugins: string[] = [];
  const trimmed: Trimmed[] = [];
  for (const { path, edit, rules = [] } of server.folders ?? []) {
    const survey = surveyFolder({
      ...SETTINGS,
      space,
      folder: path,
      target: path,
      rules: trim ? rules : [],
      neededBy: plain.executable.target,
    });
    // A link in an earlier folder may have led to this one.
    if (survey === undefined || parts.some((part) => part.kind === "folder" && part.target === path)) continue;
    parts.push(edit === undefined ? survey.folder : { ...survey.folder, replace: editor(edit) }, ...survey.outside);
    plugins.push(...survey.objects);
    trimmed.push(...survey.trimmed);
  }
  const required = (server.required ?? []).filter(([option = ""]) => !userArgs.some((word) => isOption(word, option)));
  return {
    ...plain,
    args: [...required.flat(), ...(userArgs.length === 0 ? (server.defaults ?? []) : [])],
    parts,
    plugins,
    trimmed,
    writable: server.writable ?? [],
    prefersLinux: server.prefersLinux,
    notes: server.notes ?? [],
  };
}

function editor(edit: NonNullable<ServerFolder["edit"]>) {
  return (path: string, hostPath: string) => {
    const text = edit(path, hostPath);
    return text === undefined ? undefined : Buffer.from(text);
  };
}

/** "-u", "-uroot", "--user" or "--user=root"; a letter alone takes its value with it. */
function isOption(word: string, option: string): boolean {
  const name = option.split("=", 1)[0] ?? option;
  return word === name || word.startsWith(`${name}=`) || (/^-[A-Za-z]$/.test(name) && word.startsWith(name));
}

const SETTINGS = { sourceSpace: "system", role: "data" } as const;

/** Daemons look these up even where there is nothing to change to. */
const ACCOUNTS: readonly Part[] = [
  [
    "/etc/passwd",
    "root:x:0:0:root:/:/bin/false\ndaemon:x:1:1:daemon:/:/bin/false\nwww-data:x:33:33:www-data:/:/bin/false\nnginx:x:101:101:nginx:/:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n",
  ] as const,
  [
    "/etc/group",
    "root:x:0:\ndaemon:x:1:\ntty:x:5:\nwww-data:x:33:\nnginx:x:101:\nnogroup:x:65534:\nnobody:x:65534:\n",
  ] as const,
].map(([target, text]) => ({
  kind: "bytes",
  target,
  bytes: Buffer.from(text),
  mode: 0o644,
  role: "generated",
  neededBy: "the server, which looks up accounts",
}));
