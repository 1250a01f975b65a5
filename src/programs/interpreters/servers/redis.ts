import { posix, resolve } from "node:path";
import { readWhole } from "../../../filesystems/file-space.ts";
import { MiB } from "../../../support/bytes.ts";
import type { Context } from "../../../support/context.ts";
import type { ApplicationRequest, InterpreterSupport } from "../../application.ts";
import { userSpace } from "../places.ts";
import { type Server, serverSupport } from "./server.ts";

/** Redis and its kin: saving starts a process; and without a password or an address, they answer local clients alone. */
export const redis: InterpreterSupport = {
  name: "redis",
  knows: (executable) => KNOWN.test(executable),
  describe: (request, interpreter, context) =>
    serverSupport("redis", server(request, context)).describe(request, interpreter, context),
};

function server({ userArgs }: ApplicationRequest, { cwd }: Pick<Context, "cwd">): Server {
  const base: Server = { knows: KNOWN };
  const [first] = userArgs;
  if (userArgs.length === 1 && first !== undefined && QUESTION.test(first)) return base;
  // Options of the command line count last, so that none is given where the settings may say otherwise.
  if (first === undefined || first.startsWith("-")) return { ...base, required: WORDS };
  const found = userSpace.find(resolve(cwd, first));
  if (found?.type !== "file" || found.size > MiB) return base;
  const bytes = Buffer.from(withDefaults(readWhole(found, MiB).toString("utf8")));
  const target = posix.resolve("/", first);
  const neededBy = "Redis, which is to answer others and to start nothing";
  return { ...base, parts: [{ kind: "bytes", target, bytes, mode: 0o644, role: "generated", neededBy }] };
}

function withDefaults(text: string): string {
  const missing = LINES.filter((line) => !new RegExp(`^[ \\t]*${line.split(" ", 1)[0]}[ \\t]`, "im").test(text));
  return [...missing, text].join("\n");
}

const KNOWN = /^(redis|valkey|keydb)-server$/;
/** They have to be the only word. */
const QUESTION = /^(-v|--version|-h|--help|--check-system)$/;
const WORDS = [
  ["--protected-mode", "no"],
  ["--save", ""],
];
const LINES = ["protected-mode no", 'save ""'];
