import { withOpenFile } from "../../filesystems/file-space.ts";
import { CapstanError } from "../../support/errors.ts";
import { nearest } from "../../support/suggest.ts";
import type { BootProgram } from "../boot-programs.ts";
import type { Finding } from "../finding.ts";
import type { ImageInCheck, LinkerView, Started } from "../image.ts";
import { isLoaderName, loaderCommand } from "../loader-command.ts";
import { listed } from "../phrases.ts";

/** What the boot command starts, and whether that is in the image and can be started. */
export function* bootCommandRule(image: ImageInCheck): Generator<Finding> {
  const { programs, missingScripts, unreadable } = image.boot;
  for (const { path, problem } of unreadable) {
    const advice = "Words are separated by blanks; a word with blanks or one of ;&! in it goes into double quotes.";
    yield { code: "bad-boot-command", severity: "warning", path, problem: `${problem}.`, advice };
  }
  for (const path of missingScripts) yield missingScript(image, path);
  if (programs.length === 0 && missingScripts.length === 0 && !image.commandLine.includes("$")) yield noCommand;
  for (const program of programs.slice(0, MOST_PROGRAMS)) yield* examine(image, program);
}

/** Of scripts that no person wrote: the rest is not looked at. */
const MOST_PROGRAMS = 200;

const noCommand: Finding = {
  code: "no-boot-command",
  severity: "error",
  path: "/",
  problem: "The image has no command to run.",
  advice:
    "Give one: cmdline of a Capstanfile, a set in meta/run.yaml, --command_line of compose, --run of package compose, or --execute of run.",
};

function missingScript(image: ImageInCheck, path: string): Finding {
  const sets = image.space.list("/run") ?? [];
  return {
    code: "missing-program",
    severity: "error",
    path,
    problem: `The boot command runs the configuration set ${path}, which the image lacks.`,
    advice:
      sets.length === 0
        ? "Write a meta/run.yaml ('capstan runtime init'), or give a command with --run."
        : `Choose one that is there: ${listed(
            sets.map((name) => `--boot ${name}`),
            "or",
          )}.`,
  };
}

function* examine(image: ImageInCheck, command: BootProgram): Generator<Finding> {
  const loaded = loaderCommand(command.words);
  const [first = ""] = command.words;
  for (const named of loaded === undefined ? [first] : [loaded.loader, loaded.program]) {
    if (named === undefined) continue;
    const path = locateProgram(image, named);
    const problem = path === undefined ? missingProgram(image, named, command) : kindProblem(image, path);
    if (problem !== undefined) {
      yield problem;
      return;
    }
    if (path !== undefined && (loaded === undefined || named !== loaded.loader)) yield* open(image, path, command);
  }
}

function* open(image: ImageInCheck, path: string, command: BootProgram): Generator<Finding> {
  const loaded = loaderCommand(command.words);
  const fromEnv = image.boot.env
    .get("LD_LIBRARY_PATH")
    ?.split(":")
    .filter((entry) => entry !== "");
  const isForeign = loaded !== undefined || !image.kernel.can.native;
  // OSv's own linker takes no notice of LD_LIBRARY_PATH, though core/elf.cc reads as if it did.
  const libraryPath = isForeign ? (loaded?.libraryPath ?? fromEnv) : undefined;
  const view: LinkerView = { rules: isForeign ? "system" : "osv", libraryPath };
  try {
    const closure = image.linkerFor(view).closure(path);
    const { kind } = closure.program.elf;
    const isStatic = kind === "static" || (kind === "static-pie" && loaded === undefined);
    const started: Started = { path, mode: isStatic ? "static" : isForeign ? "linux" : "native", view, closure };
    if (kind === "other") yield notAProgram(path, "is an object file that is not linked yet, or a memory dump");
    else if (!image.started.some((other) => other.path === path && other.mode === started.mode))
      image.started.push(started);
  } catch (error) {
    const finding = badElf(path, error);
    image.refused.add(image.space.find(path)?.realPath ?? path);
    if (finding !== undefined) yield finding;
  }
}

/** As OSv's linker looks for it: names without a slash in the library directories, others from --cwd (core/elf.cc). */
function locateProgram({ space, kernel, boot }: ImageInCheck, named: string): string | undefined {
  const folders = kernel.libraryPath.length > 0 ? kernel.libraryPath : ["/"];
  const candidates = named.startsWith("/")
    ? [named]
    : named.includes("/")
      ? [`${boot.cwd}/${named}`]
      : folders.map((folder) => `${folder}/${named}`);
  return candidates.map((path) => path.replace(/\/{2,}/g, "/")).find((path) => space.find(path) !== undefined);
}

function missingProgram(image: ImageInCheck, named: string, { script }: BootProgram): Finding {
  const by = script === undefined ? "The boot command" : `The configuration set ${script}`;
  const base = named.slice(named.lastIndexOf("/") + 1);
  const [first, ...more] = image.named(base).filter((path) => image.space.find(path)?.type === "file");
  const near = first ?? nearestProgram(image, named);
  const there = first === undefined ? near : listed([first, ...more].slice(0, 3), "or");
  const target = image.space.readLink(named);
  return {
    code: "missing-program",
    severity: "error",
    path: named,
    problem: `${by} starts ${named}, which is ${target === undefined ? "" : `a link to ${target}, and that is `}not in the image.`,
    advice: isLoaderName(named)
      ? "Put Linux's dynamic loader and C library into the image, by --launch linux."
      : there === undefined
        ? `Put the program into the image, or correct the command; 'capstan image ls' shows what is there.`
        : `Start ${there}, which is there.`,
  };
}

function nearestProgram(image: ImageInCheck, named: string): string | undefined {
  const folder = named.slice(0, named.lastIndexOf("/")) || "/";
  const beside = (image.space.list(folder) ?? []).map((name) => (folder === "/" ? `/${name}` : `${folder}/${name}`));
  return nearest(
    named,
    beside.filter((path) => image.space.find(path)?.type === "file"),
  );
}

const HEAD = 256;
const ELF_MAGIC = "\x7fELF";

/** Why what lies at `path` cannot be started, as far as its first bytes tell; undefined where it is an ELF file. */
function kindProblem({ space }: ImageInCheck, path: string): Finding | undefined {
  const file = space.find(path);
  if (file === undefined) return undefined;
  if (file.type !== "file")
    return notAProgram(path, file.type === "directory" ? "is a directory" : "is no regular file");
  let head: string;
  try {
    head = withOpenFile(file, (open) => {
      const bytes = Buffer.alloc(Math.min(HEAD, open.size));
      open.read(bytes, 0);
      return bytes.toString("latin1");
    });
  } catch (error) {
    if (error instanceof CapstanError) return undefined;
    throw error;
  }
  if (head.startsWith(ELF_MAGIC)) return undefined;
  if (head.startsWith("#!")) return script(path, head);
  if (head.startsWith("MZ")) return notAProgram(path, "is a program for Windows");
  if (/^(?:\xcf\xfa\xed\xfe|\xca\xfe\xba\xbe|\xfe\xed\xfa)/.test(head))
    return notAProgram(path, "is a program for macOS, or Java byte code");
  if (head === "") return notAProgram(path, "is empty");
  return notAProgram(path, "is no ELF program");
}

function script(path: string, head: string): Finding {
  const [line = ""] = head.slice(2).split("\n", 1);
  const words = line.trim().split(/\s+/);
  const [interpreter = "", argument] = words;
  const name = interpreter.endsWith("/env") && argument !== undefined ? argument : interpreter;
  return {
    code: "not-a-program",
    severity: "error",
    path,
    problem: `${path} is a script, and OSv starts only ELF programs: it does not read the line #!${line.trim()}.`,
    advice: /(?:^|\/)(?:ba|da|z|k)?sh$/.test(name)
      ? "Start what the shell script starts directly: a shell cannot start other programs on OSv."
      : `Put the interpreter into the image and start it with the script as its argument: ${name} ${path}.`,
  };
}

function notAProgram(path: string, why: string): Finding {
  return {
    code: "not-a-program",
    severity: "error",
    path,
    problem: `${path} ${why}, and OSv starts only ELF programs.`,
    advice: "Name the program itself in the boot command, and give it this as an argument if it reads it.",
  };
}

/** Undefined where the bytes cannot be got at: nothing is known then. */
export function badElf(path: string, error: unknown): Finding | undefined {
  if (!(error instanceof CapstanError)) throw error;
  if (error.code !== "bad-elf" && error.code !== "not-elf") return undefined;
  return {
    code: "bad-elf",
    severity: "error",
    path,
    problem: `${error.message}.`,
    advice: "Copy or build the file anew.",
  };
}
