import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { Writable } from "node:stream";
import { type BuiltImage, type BuiltProgram, buildImage, checkNotBase } from "../compose/build/build-image.ts";
import { runBuildCommands } from "../compose/build/run-command.ts";
import { safeName } from "../compose/program.ts";
import { quotePath } from "../filesystems/names.ts";
import { type Capstanfile, loadCapstanfile } from "../project/capstanfile.ts";
import { CAPSTANFILE, isProject } from "../project/folder.ts";
import { pullImage } from "../remotes/pull-image.ts";
import { BUILTIN_LOADER, DEFAULT_LOADER, type Loader, loaderFile } from "../store/loaders.ts";
import { checkImageName, parseImageName } from "../store/names.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { parseSize } from "../support/sizes.ts";
import type { CommandContext } from "./answer.ts";
import { checking, followLinks } from "./compose-flags.ts";
import { type FoundImage, findImageOrFile, findLoaderOrFile } from "./find-image.ts";
import { type Input, usageError } from "./input.ts";
import { bootOfProgram, tellProgram } from "./program-report.ts";
import { assembleProgram, type ProgramOptions } from "./programs.ts";
import { isOffline, pullOptions } from "./remotes.ts";
import { openStore } from "./store.ts";

export interface BuildCapstanfile {
  /** Absolute. */
  readonly path: string;
  /** Of the new image; undefined: that of the folder. */
  readonly name: string | undefined;
  readonly onlyIfChanged: boolean;
}

/** Runs the build commands of a Capstanfile, and builds its image into the store. */
export async function buildCapstanfile(
  { path, name, onlyIfChanged }: BuildCapstanfile,
  input: Input,
  context: CommandContext,
): Promise<BuiltImage> {
  const capstanfile = loadCapstanfile(path, context);
  const root = rootWish(input);
  const chosen = name ?? safeName(basename(capstanfile.dir));
  // What is wrong or missing shows before a command that may take long.
  checkImageName(chosen);
  const base = await findBase(capstanfile, input, context);
  checkNotBase({ name: chosen, base, capstanfile });
  if (!input.on("no-build")) {
    await runCommands(capstanfile, input.on("quiet"), context);
  }
  const program = await programOf(capstanfile, base, context);
  return await buildImage(
    {
      ...{ capstanfile, base, root, program, onlyIfChanged, name: chosen },
      ...{ layout: openStore(context).layout, followLinks: followLinks(input), checking: checking(input) },
    },
    context,
  );
}

/** With --quiet, what they print is only shown when one fails. */
async function runCommands({ layers }: Capstanfile, isQuiet: boolean, context: CommandContext): Promise<void> {
  const { errorOutput } = context.console;
  if (!isQuiet) return await runBuildCommands(layers, errorOutput, context);
  const said: Buffer[] = [];
  const output = new Writable({
    write: (chunk: Buffer, _, done) => {
      said.push(chunk);
      while (said.length > MOST_SAID) said.shift();
      done();
    },
  });
  try {
    await runBuildCommands(layers, output, context);
  } catch (error) {
    errorOutput.write(Buffer.concat(said));
    throw error;
  }
}

/** Pieces of output; each is of 64 KiB at most. */
const MOST_SAID = 100;

/** What `program` names, put together as `capstan run PROGRAM` does it. */
async function programOf(
  { program, cmdline }: Capstanfile,
  loader: Loader,
  context: CommandContext,
): Promise<BuiltProgram | undefined> {
  if (program === undefined) return undefined;
  const path = resolve(program.dir, program.text);
  if (!existsSync(path)) {
    throw new CapstanError(`${program.where}: there is no program ${quotePath(path)}`, {
      code: "no-such-file",
      hint: "Check the path: it starts in the folder of the Capstanfile. What 'build' makes is there only after it ran.",
      exitCode: ExitCode.noInput,
    });
  }
  const { args } = program;
  const request = { path, userArgs: args, loader, options: OPTIONS, isNamedAsProgram: true };
  const assembled = await assembleProgram(request, context);
  tellProgram(assembled, context, "");
  // Checked by the use of it: a command of the user's own may stand in its place.
  const commandLine = cmdline ?? bootOfProgram(assembled, { args, env: new Map() });
  return { tree: assembled.tree, writable: assembled.writable, commandLine };
}

const OPTIONS: ProgramOptions = {
  ...{ launch: undefined, sysroot: undefined, libraryPath: [], interpreter: undefined, with: [], trim: true },
};

/** For `run`: the image of a folder with a Capstanfile, built if something changed. */
export async function imageOfCapstanfile(folder: string, input: Input, context: CommandContext): Promise<FoundImage> {
  if (input.text("loader_image") !== undefined) {
    throw usageError(
      "--loader_image is for programs and projects, and this folder has a Capstanfile.",
      "Write the loader as its 'base', or name the image.",
    );
  }
  if (isProject(folder)) {
    context.reporter.report({
      kind: "step",
      text: `${folder} has a Capstanfile and a meta/ folder: the Capstanfile is used ('capstan package compose' goes by meta/)`,
    });
  }
  const { name } = await buildCapstanfile(
    // Services are built anew with --build, which `run` does not have.
    { path: join(folder, CAPSTANFILE), name: undefined, onlyIfChanged: !input.on("build") },
    input,
    context,
  );
  return findImageOrFile(name, context);
}

function rootWish(input: Input) {
  const [fs, size, zfsRoot] = [input.text("fs"), input.text("size"), input.text("zfs-root")];
  return {
    fs: fs === "rofs" || fs === "zfs" ? fs : undefined,
    size: size === undefined ? undefined : parseSize(size, { flag: "--size" }),
    zfsRoot: zfsRoot === "osv" || zfsRoot === "osv/zfs" || zfsRoot === "both" ? zfsRoot : undefined,
  } as const;
}

/** The image that `base` names: of the store, of a remote, or a file beside the Capstanfile. */
async function findBase({ base }: Capstanfile, input: Input, context: CommandContext): Promise<Loader> {
  const { text, where, dir } = base;
  try {
    return tryBase(text, dir, context);
  } catch (error) {
    const isMissing = error instanceof CapstanError && MISSING.has(error.code);
    if (!isMissing) throw error;
    if (isOffline(context) || parseImageName(text) === undefined) throw missingBase(error, where);
    context.reporter.report({ kind: "step", text: `The base ${text} is not in the store: fetching it` });
    try {
      await pullImage(text, await pullOptions(input, "images", context), context);
    } catch (cause) {
      if (!(cause instanceof CapstanError) || cause.code === "interrupted") throw cause;
      throw missingBase(error, where, cause);
    }
    return tryBase(text, dir, context);
  }
}

const MISSING: ReadonlySet<string> = new Set(["no-such-image", "no-such-loader", "no-such-file"]);

function tryBase(text: string, dir: string, context: CommandContext): Loader {
  if (text === BUILTIN_LOADER || text === DEFAULT_LOADER) return findLoaderOrFile(text, context);
  // A path is one of the Capstanfile's folder; names are looked up in the store, wherever that file is.
  const isPath = parseImageName(text) === undefined || existsSync(resolve(dir, text));
  const nameOrPath = isPath && text.includes("/") ? resolve(dir, text) : text;
  const { name, path, kernel } = findImageOrFile(nameOrPath, context);
  return kernel === undefined ? { ...loaderFile(path), name } : { name, image: path, kernel };
}

function missingBase(error: CapstanError, where: string, cause?: CapstanError): CapstanError {
  const { code, exitCode, message, details } = error;
  const meant = /^Did you mean '[^']*'\? /.exec(error.hint ?? "")?.[0] ?? "";
  const tried = cause === undefined ? [] : [`and it could not be fetched: ${cause.message}`];
  return new CapstanError(`${where}: ${message}`, {
    ...{ code, exitCode, details: [...details, ...tried], cause },
    hint:
      code === "no-such-file"
        ? "Check the path: it starts in the folder of the Capstanfile. 'capstan images' has the images of the store."
        : `${meant}See 'capstan images'; put one into the store with 'capstan pull' or 'capstan import', or write 'base: builtin', a small kernel for trying things out.`,
  });
}
