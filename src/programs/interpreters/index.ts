import { basename } from "node:path";
import type { Context } from "../../support/context.ts";
import type { Application, ApplicationRequest, InterpreterSupport } from "../application.ts";
import { withArguments } from "./arguments.ts";
import { findInterpreter } from "./find-interpreter.ts";
import { java } from "./java.ts";
import { lua } from "./lua.ts";
import { node } from "./node.ts";
import { perl } from "./perl.ts";
import { php } from "./php.ts";
import { APP_FOLDER, pathInSpace } from "./places.ts";
import { plainProgram, plainScript } from "./plain.ts";
import { python } from "./python.ts";
import { ruby } from "./ruby.ts";
import { lighttpd } from "./servers/lighttpd.ts";
import { mosquitto } from "./servers/mosquitto.ts";
import { nginx } from "./servers/nginx.ts";
import { otherServers } from "./servers/others.ts";
import { redis } from "./servers/redis.ts";
import { shell } from "./shell.ts";
import { isWithin } from "./survey.ts";
import { tcl } from "./tcl.ts";

/**
 * All that goes into the image for an application, libraries apart: its interpreter with that one's own files, the user's
 * files, and those that the user's arguments name. Where a server is known, what makes it serve.
 * Errors: CapstanError `interpreter-not-found`, `interpreter-not-elf`, `python-library-missing`, `java-home-missing`, `os-…`.
 */
export async function describeApplication(request: ApplicationRequest, context: Context): Promise<Application> {
  const application = inFolder(await describe(request, context));
  return withArguments(application, request, context);
}

/** What is a script of the user starts where it lies, as it would here: "open('data.json')" finds its file. */
function inFolder(application: Application): Application {
  // Words for an interpreter that is the program itself are relative to the root.
  if (application.recognised.kind === "elf") return application;
  const isThere = application.parts.some(({ target }) => target === APP_FOLDER || isWithin(target, APP_FOLDER));
  return isThere ? { ...application, workingDirectory: APP_FOLDER } : application;
}

async function describe(request: ApplicationRequest, context: Context): Promise<Application> {
  const { recognised, space } = request;
  const isProgram = recognised.interpreter === undefined;
  const path = isProgram
    ? pathInSpace(recognised.path, space)
    : findInterpreter(recognised.interpreter, request, context);
  // The name counts before the file: redis-server is a link to a program that goes by the name it is started with.
  const support = supportOf(path) ?? supportOf(space.find(path)?.realPath ?? path);
  if (support !== undefined) return await support.describe(request, path, context);
  return isProgram ? plainProgram(request) : plainScript(request, path);
}

function supportOf(executable: string): InterpreterSupport | undefined {
  return SUPPORTED.find((support) => support.knows(basename(executable)));
}

const SUPPORTED: readonly InterpreterSupport[] = [
  ...[python, node, java, php, ruby, perl, lua, tcl, shell],
  ...[nginx, lighttpd, redis, mosquitto, ...otherServers],
];
