import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type FileSpace, type FoundFile, readWhole } from "../../../filesystems/file-space.ts";
import { MiB } from "../../../support/bytes.ts";
import type { Context } from "../../../support/context.ts";
import type { ApplicationRequest, InterpreterSupport } from "../../application.ts";
import { userSpace } from "../places.ts";
import { type Server, serverSupport } from "./server.ts";

/** nginx: in one process, with the settings and pages of the system, or with those that the user names (-c). */
export const nginx: InterpreterSupport = {
  name: "nginx",
  knows: (executable) => executable === "nginx",
  describe: (request, interpreter, context) =>
    serverSupport("nginx", server(request, context)).describe(request, interpreter, context),
};

function server(request: ApplicationRequest, context: Pick<Context, "cwd">): Server {
  const settings = settingsOf(request, context);
  const text = settings === undefined ? "" : readWhole(settings, LARGEST).toString("utf8");
  const missing = DIRECTIVES.filter(([name]) => !new RegExp(`^\\s*${name}\\s`, "m").test(text));
  const directives = missing.map(([name, value]) => `${name} ${value};`).join(" ");
  const own = userSettings(request.userArgs);
  const isOwn = own !== undefined;
  // By itself, nginx looks for them below the folder of its installation.
  const prefix = isOwn && !own.startsWith("/") ? [["-p", "/"]] : [];
  return {
    knows: /^nginx$/,
    required: [...prefix, ...(directives === "" ? [] : [["-g", directives]])],
    accounts: true,
    folders: [
      { path: "/etc/nginx", ...(isOwn ? {} : { edit: withoutIpv6 }) },
      { path: "/usr/share/nginx" },
      { path: "/usr/lib/nginx/modules" },
      { path: "/usr/lib64/nginx/modules" },
      ...(isOwn ? [] : [{ path: "/var/www" }]),
    ],
    writable: ["/var/lib/nginx", "/var/cache/nginx", "/var/log/nginx", "/run"],
    notes: isOwn ? [] : ["Lines of /etc/nginx that listen on IPv6 addresses are left out: OSv has IPv4 alone."],
  };
}

function settingsOf({ space, userArgs }: ApplicationRequest, { cwd }: Pick<Context, "cwd">): FoundFile | undefined {
  const own = userSettings(userArgs);
  const found = own === undefined ? firstOf(DEFAULTS, space) : userSpace.find(resolve(cwd, own));
  return found?.type === "file" && found.size <= LARGEST ? found : undefined;
}

function firstOf(paths: readonly string[], space: FileSpace): FoundFile | undefined {
  return paths.map((path) => space.find(path)).find((found) => found !== undefined);
}

function userSettings(words: readonly string[]): string | undefined {
  const at = words.findIndex((word) => word.startsWith("-c"));
  if (at < 0) return undefined;
  return words[at]?.slice(2) || words[at + 1];
}

function withoutIpv6(_path: string, hostPath: string): string | undefined {
  const text = readFileSync(hostPath, "utf8");
  return IPV6.test(text) ? text.replaceAll(new RegExp(IPV6.source, "gm"), "") : undefined;
}

/** A directive that the settings have must not be given once more. */
const DIRECTIVES: readonly (readonly [name: string, value: string])[] = [
  ["daemon", "off"],
  ["master_process", "off"],
  ["user", "root"],
];
const DEFAULTS = ["/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf"];
const IPV6 = /^[ \t]*listen[ \t]+\[[^\n;]*;/m;
const LARGEST = MiB;
