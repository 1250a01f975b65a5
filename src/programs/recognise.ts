import { type Stats, statSync } from "node:fs";
import { basename, extname } from "node:path";
import { hostError } from "../filesystems/host-error.ts";
import { openHostFile } from "../filesystems/host-space.ts";
import type { ApplicationKind, Recognised } from "./application.ts";
import { refuseElf } from "./recognise/elf.ts";
import { recogniseFolder } from "./recognise/folder.ts";
import { notRunnableByContent, notRunnableByName } from "./recognise/formats.ts";
import { checkJar } from "./recognise/jar.ts";
import { notRunnable } from "./recognise/refusal.ts";
import { type Shebang, shebangOf } from "./recognise/shebang.ts";

/**
 * What the file or folder at an absolute path of this machine is, found by looking at it; nothing is started.
 * `at` is where its bytes lie, where that differs: the links of another system's folder lead elsewhere from here.
 * With `isNamedAsProgram`, a Capstanfile or `init` has chosen the folder as a program, whatever a meta/ in it says.
 * Errors: CapstanError `not-runnable` for what cannot be started, with what to do instead; `bad-package-json`; `os-…`.
 */
export function recognise(path: string, { at = path, isNamedAsProgram = false }: RecogniseOptions = {}): Recognised {
  const stats = statOf(at);
  if (stats.isDirectory()) return { ...recogniseFolder(at, isNamedAsProgram), path };
  if (!stats.isFile()) throw notRunnable(path, `is ${unusual(stats)}`, "Name a program, a script or a folder.");
  return { ...recogniseFile(at, extname(path).toLowerCase()), path };
}

export interface RecogniseOptions {
  readonly at?: string | undefined;
  readonly isNamedAsProgram?: boolean;
}

function recogniseFile(path: string, extension: string): Recognised {
  const head = headOf(path);
  if (head.length === 0) throw notRunnable(path, "is empty", "Check how it was made: a program or a script is needed.");
  if (head.subarray(0, ELF_MAGIC.length).equals(ELF_MAGIC)) {
    refuseElf(path, head);
    return { ...PLAIN, kind: "elf", title: "an ELF program", path };
  }
  // A jar may begin with a script that starts it: Java reads zip files from their end.
  if (extension === ".jar") {
    checkJar(path);
    return { ...PLAIN, kind: "jar", title: "a Java archive (jar)", path, interpreter: "java" };
  }
  if (extension === ".class" && head.subarray(0, CLASS_MAGIC.length).equals(CLASS_MAGIC)) {
    return { ...PLAIN, kind: "java-class", title: "a Java class", path, interpreter: "java" };
  }
  const shebang = shebangOf(head);
  if (shebang !== undefined) return ofShebang(path, shebang);
  const known = BY_EXTENSION.get(extension);
  if (known !== undefined)
    return { ...PLAIN, kind: known.kind, title: TITLES[known.kind], path, interpreter: known.interpreter };
  throw notRunnableByContent(path, head) ?? notRunnableByName(path) ?? unknownFile(path);
}

function ofShebang(path: string, shebang: Shebang): Recognised {
  const kind = kindOfInterpreter(basename(shebang.interpreter));
  return {
    kind,
    title: kind === "other-script" ? `a script for ${basename(shebang.interpreter)}` : TITLES[kind],
    path,
    interpreter: shebang.interpreter,
    interpreterArgs: shebang.args,
    main: undefined,
    ...(shebang.env.size > 0 ? { env: shebang.env } : {}),
  };
}

function kindOfInterpreter(name: string): ApplicationKind {
  return INTERPRETERS.find(([pattern]) => pattern.test(name))?.[1] ?? "other-script";
}

function unknownFile(path: string): Error {
  return notRunnable(
    path,
    "is neither a program nor a script that is known: it has no ELF header, no '#!' line and no known extension",
    "Begin a script with a '#!' line that names its interpreter, or name the program that reads the file and give the file as its argument.",
  );
}

function statOf(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    throw hostError(error, path);
  }
}

function headOf(path: string): Buffer {
  const file = openHostFile(path);
  try {
    const head = Buffer.alloc(Math.min(file.size, HEAD_SIZE));
    file.read(head, 0);
    return head;
  } finally {
    file.close();
  }
}

function unusual(stats: Stats): string {
  if (stats.isFIFO()) return "a named pipe";
  if (stats.isSocket()) return "a socket";
  return "a device";
}

/** Enough for every magic number, the longest `#!` line and the program headers of common ELF files. */
const HEAD_SIZE = 4096;
const ELF_MAGIC = Buffer.from("\x7fELF", "latin1");
/** The Java Virtual Machine Specification, 4.1. */
const CLASS_MAGIC = Buffer.from([0xca, 0xfe, 0xba, 0xbe]);

const PLAIN = { interpreter: undefined, interpreterArgs: [], main: undefined } as const;

const TITLES: Readonly<Record<ApplicationKind, string>> = {
  elf: "an ELF program",
  "python-script": "a Python script",
  "python-package": "a Python package",
  "node-script": "a Node.js script",
  "node-project": "a Node.js project (package.json)",
  jar: "a Java archive (jar)",
  "java-class": "a Java class",
  "php-script": "a PHP script",
  "ruby-script": "a Ruby script",
  "perl-script": "a Perl script",
  "lua-script": "a Lua script",
  "tcl-script": "a Tcl script",
  "shell-script": "a shell script",
  "other-script": "a script",
};

const BY_EXTENSION = new Map<string, { readonly kind: ApplicationKind; readonly interpreter: string }>([
  [".py", { kind: "python-script", interpreter: "python3" }],
  [".pyc", { kind: "python-script", interpreter: "python3" }],
  [".pyz", { kind: "python-script", interpreter: "python3" }],
  [".js", { kind: "node-script", interpreter: "node" }],
  [".mjs", { kind: "node-script", interpreter: "node" }],
  [".cjs", { kind: "node-script", interpreter: "node" }],
  [".php", { kind: "php-script", interpreter: "php" }],
  [".rb", { kind: "ruby-script", interpreter: "ruby" }],
  [".pl", { kind: "perl-script", interpreter: "perl" }],
  [".lua", { kind: "lua-script", interpreter: "lua" }],
  [".tcl", { kind: "tcl-script", interpreter: "tclsh" }],
  [".sh", { kind: "shell-script", interpreter: "sh" }],
]);

/** By the name of the interpreter, with whatever version behind it. */
const INTERPRETERS: readonly (readonly [RegExp, ApplicationKind])[] = [
  [/^(python|pypy)[\d.]*$/, "python-script"],
  [/^(node|nodejs)[\d.]*$/, "node-script"],
  [/^php[\d.]*$/, "php-script"],
  [/^ruby[\d.]*$/, "ruby-script"],
  [/^perl[\d.]*$/, "perl-script"],
  [/^lua(jit)?[\d.-]*$/, "lua-script"],
  [/^tclsh[\d.]*$/, "tcl-script"],
  [/^(ba|da|a|k|mk|z|fi)?sh$/, "shell-script"],
];
