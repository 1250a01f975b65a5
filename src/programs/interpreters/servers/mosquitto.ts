import { posix, resolve } from "node:path";
import { readWhole } from "../../../filesystems/file-space.ts";
import { MiB } from "../../../support/bytes.ts";
import type { Context } from "../../../support/context.ts";
import type { ApplicationRequest, InterpreterSupport, Part } from "../../application.ts";
import { userSpace } from "../places.ts";
import { type Server, serverSupport } from "./server.ts";

/** Mosquitto: as root, which it can be told by its settings alone; with settings for trying it out when the user names none. */
export const mosquitto: InterpreterSupport = {
  name: "mosquitto",
  knows: (executable) => executable === "mosquitto",
  describe: (request, interpreter, context) =>
    serverSupport("mosquitto", server(request, context)).describe(request, interpreter, context),
};

function server({ userArgs }: ApplicationRequest, { cwd }: Pick<Context, "cwd">): Server {
  const own = userSettings(userArgs);
  const base: Server = {
    knows: /^mosquitto$/,
    accounts: true,
    writable: ["/run", "/var/lib/mosquitto", "/var/log/mosquitto"],
    prefersLinux: "Mosquitto takes its settings for a folder on OSv's own C library",
  };
  if (own === undefined) {
    return {
      ...base,
      required: [["-c", GENERATED]],
      parts: [settings(GENERATED, TRYING_OUT)],
      notes: ["Anybody may connect to Mosquitto at port 1883, and it keeps nothing: name other settings with -c."],
    };
  }
  const found = userSpace.find(resolve(cwd, own));
  if (found?.type !== "file" || found.size > MiB) return base;
  const text = readWhole(found, MiB).toString("utf8");
  return { ...base, parts: [settings(posix.resolve("/", own), asRoot(text))] };
}

function userSettings(words: readonly string[]): string | undefined {
  const at = words.findIndex((word) => word === "-c" || word === "--config-file");
  return at < 0 ? undefined : words[at + 1];
}

function asRoot(text: string): string {
  return `${text.replaceAll(/^[ \t]*user[ \t][^\n]*$/gm, "")}\nuser root\n`;
}

function settings(target: string, text: string): Part {
  const bytes = Buffer.from(text);
  return { kind: "bytes", target, bytes, mode: 0o644, role: "generated", neededBy: "Mosquitto, which is to stay root" };
}

const GENERATED = "/etc/mosquitto/mosquitto.conf";
const TRYING_OUT = `listener 1883 0.0.0.0
allow_anonymous true
persistence false
log_dest stdout
user root
`;
