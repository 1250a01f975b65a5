import type { FileSpace } from "../filesystems/file-space.ts";
import type { Context } from "../support/context.ts";

/** What the user named, recognised by looking at it. */
export interface Recognised {
  readonly kind: ApplicationKind;
  /** One phrase for messages: "an ELF program", "a Python script", "a Node.js project (package.json)". */
  readonly title: string;
  /** On this machine, absolute: the file or folder that was named. */
  readonly path: string;
  /** Which interpreter starts it, as a name to look for: "python3", "/usr/bin/perl", "node"; undefined for ELF programs. */
  readonly interpreter: string | undefined;
  /** Arguments for the interpreter, of a `#!` line. */
  readonly interpreterArgs: readonly string[];
  /** What is started inside a folder: a file relative to it ("src/main.js"), or a module name for Python packages. */
  readonly main: string | undefined;
  /** Words for what is started, that the project itself names: those behind the file in "scripts.start". */
  readonly mainArgs?: readonly string[] | undefined;
  /** Variables that the project or the `#!` line sets: `env NAME=value`. */
  readonly env?: ReadonlyMap<string, string> | undefined;
  /** Sentences for the user: what the project says and is not followed in. */
  readonly notes?: readonly string[] | undefined;
}

export type ApplicationKind =
  | "elf"
  | "python-script"
  | "python-package"
  | "node-script"
  | "node-project"
  | "jar"
  | "java-class"
  | "php-script"
  | "ruby-script"
  | "perl-script"
  | "lua-script"
  | "tcl-script"
  | "shell-script"
  /** A `#!` script of an interpreter that nothing more is known of. */
  | "other-script";

/** All that is to go into the image for an application, before libraries are looked for. Paths `target` are of the image. */
export interface Application {
  readonly recognised: Recognised;
  /** A short name for image and instance: "redis-server", "app". */
  readonly name: string;
  /** The ELF program that is started, and where it lands in the image. */
  readonly executable: Placed;
  /** Words behind the program in the boot command, before those of the user: paths are of the image. */
  readonly args: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  /** In the image: where the program starts, and what relative paths are relative to; "/" without it. */
  readonly workingDirectory?: string | undefined;
  /** Files and folders beside the program. Later ones lie over earlier ones. */
  readonly parts: readonly Part[];
  /** ELF objects among the parts (paths in the space) that are opened at run time: what they need goes in as well. */
  readonly plugins: readonly string[];
  /** What was left out of the parts, and can be kept with --no-trim. */
  readonly trimmed: readonly Trimmed[];
  /** Directories in the image that the program writes to, as a reader of its defaults knows: mounted as ramfs. */
  readonly writable: readonly string[];
  /** Why the program runs better on the Linux loader: for `chooseLaunch`. */
  readonly prefersLinux: string | undefined;
  /** Sentences for the user: what may surprise ("Python's source files are compiled at each start: …"). */
  readonly notes: readonly string[];
}

export interface Placed {
  /** In the space. */
  readonly source: string;
  /** In the image. */
  readonly target: string;
}

/** Something for the image, and why. */
export type Part = PartBase &
  (
    | { readonly kind: "file"; readonly source: string; readonly sourceSpace: "system" | "user" }
    /** A folder with all below it but what `skip` names; a path "a/b" relative to the folder. Links are kept as they say. */
    | {
        readonly kind: "folder";
        readonly source: string;
        readonly sourceSpace: "system" | "user";
        readonly skip?: ((path: string, isDirectory: boolean) => boolean) | undefined;
        /** Puts other bytes in the place of a file's own, such as byte code with another header. */
        readonly replace?: ((path: string, hostPath: string) => Uint8Array | undefined) | undefined;
      }
    | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly mode: number }
    | { readonly kind: "link"; readonly to: string }
    | { readonly kind: "directory" }
  );

interface PartBase {
  /** In the image, absolute. */
  readonly target: string;
  readonly role: PartRole;
  /** What needs it: a path of the image, or words ("--with", "every Python program"). */
  readonly neededBy: string;
}

export type PartRole =
  | "program"
  | "interpreter"
  | "script"
  | "library"
  | "loader"
  | "standard library"
  | "data"
  | "generated"
  | "with";

export interface Trimmed {
  /** A phrase: "tests", "documentation", "header files". */
  readonly what: string;
  readonly files: number;
  readonly bytes: number;
}

export interface ApplicationRequest {
  readonly recognised: Recognised;
  /** The machine or the root (--sysroot) that interpreters and libraries are taken from. */
  readonly space: FileSpace;
  /** Whether the space is this machine, whose programs may be started, to compile byte code for instance. */
  readonly isThisMachine: boolean;
  /** Path in the space of the interpreter to take instead of the one that is found; --interpreter. */
  readonly interpreter: string | undefined;
  readonly trim: boolean;
  /** Only to know what the user's own arguments mean to the interpreter (`python3 -m http.server`, `java -jar app.jar`). */
  readonly userArgs: readonly string[];
  /** A folder of $CAPSTAN_ROOT for what is costly to make and can be made again. */
  readonly cacheFolder: string;
}

/** One file an interpreter, in interpreters/. */
export interface InterpreterSupport {
  /** "python", for --verbose and tests. */
  readonly name: string;
  /** Whether it knows this interpreter: by the base name of the ELF ("python3.11"), links followed. */
  knows(executable: string): boolean;
  /** The application of a script of this interpreter, or of the interpreter itself when it is run as a program. */
  describe(request: ApplicationRequest, interpreter: string, context: Context): Application | Promise<Application>;
}
