import { basename, extname } from "node:path";
import type { CapstanError } from "../../support/errors.ts";
import { notRunnable } from "./refusal.ts";

/** The refusal of a file whose first bytes say what it is; undefined where they say nothing. */
export function notRunnableByContent(path: string, head: Buffer): CapstanError | undefined {
  const format = CONTENTS.find(({ at = 0, magic }) => head.subarray(at, at + magic.length).equals(magic));
  if (format === undefined) return undefined;
  return notRunnable(path, format.what, format.hint);
}

/** The refusal of a file whose name says what it is. */
export function notRunnableByName(path: string): CapstanError | undefined {
  const source = SOURCES.get(extname(path).toLowerCase()) ?? SOURCES.get(basename(path));
  if (source === undefined) return undefined;
  return notRunnable(path, source[0], source[1]);
}

interface Format {
  readonly at?: number;
  readonly magic: Buffer;
  readonly what: string;
  readonly hint: string;
}

const REBUILD = "OSv runs Linux programs: build it for Linux on x86-64.";
const UNPACK = "Unpack it, and name the program in it.";
const INSTALL = "Install it, and name the program that it brings; with --sysroot it may lie in a folder.";

function bytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** As in file(1)'s magic. Longer and rarer patterns stand first where two begin alike. */
const CONTENTS: readonly Format[] = [
  { magic: bytes("MZ"), what: "is a Windows program", hint: REBUILD },
  ...["\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe"].map(
    (magic) => ({
      magic: bytes(magic),
      what: "is a macOS program",
      hint: REBUILD,
    }),
  ),
  {
    magic: bytes("\0asm"),
    what: "is a WebAssembly module",
    hint: "Name a runtime such as wasmtime, and give the module as its argument.",
  },
  { magic: bytes("!<arch>\ndebian-binary"), what: "is a Debian package", hint: INSTALL },
  { magic: bytes("\xed\xab\xee\xdb"), what: "is an RPM package", hint: INSTALL },
  { magic: bytes("!<arch>\n"), what: "is a static library", hint: "Link it into a program, and name that." },
  { magic: bytes("PK\x03\x04"), what: "is a zip archive", hint: `${UNPACK} A Java archive needs the extension .jar.` },
  { magic: bytes("PK\x05\x06"), what: "is an empty zip archive", hint: "Check how it was made." },
  { magic: bytes("\x1f\x8b"), what: "is packed with gzip", hint: UNPACK },
  { magic: bytes("BZh"), what: "is packed with bzip2", hint: UNPACK },
  { magic: bytes("\xfd7zXZ\0"), what: "is packed with xz", hint: UNPACK },
  { magic: bytes("\x28\xb5\x2f\xfd"), what: "is packed with zstd", hint: UNPACK },
  { magic: bytes("7z\xbc\xaf\x27\x1c"), what: "is a 7z archive", hint: UNPACK },
  { magic: bytes("hsqs"), what: "is a squashfs image", hint: UNPACK },
  { at: 257, magic: bytes("ustar"), what: "is a tar archive", hint: UNPACK },
  {
    magic: bytes("QFI\xfb"),
    what: "is a disk image",
    hint: "Take it into the store with 'capstan import', and run it by its name there.",
  },
  { magic: bytes("BC\xc0\xde"), what: "is LLVM bitcode", hint: "Compile it to a program, and name that." },
];

const BUILD = "Build it first, and name the program that comes out.";
const TRANSPILE =
  "Build it first (tsc, esbuild or the project's own build), and name the JavaScript file that comes out.";

const SOURCES = new Map<string, readonly [what: string, hint: string]>([
  ...[".ts", ".mts", ".cts", ".tsx"].map((extension) => [extension, ["is TypeScript source", TRANSPILE]] as const),
  [".jsx", ["is JSX source", TRANSPILE]],
  [".c", ["is C source", BUILD]],
  ...[".cc", ".cpp", ".cxx"].map((extension) => [extension, ["is C++ source", BUILD]] as const),
  [".rs", ["is Rust source", "Build it first (cargo build --release), and name the program below target/."]],
  [".go", ["is Go source", "Build it first (go build -buildmode=pie), and name the program that comes out."]],
  [
    ".java",
    ["is Java source", "Build it first (javac, Maven or Gradle), and name the .jar or .class file that comes out."],
  ],
  [".kt", ["is Kotlin source", "Build it into a jar first, and name that."]],
  [".scala", ["is Scala source", "Build it into a jar first, and name that."]],
  [".cs", ["is C# source", "Build it first; .NET itself is not known to run on OSv."]],
  [".zig", ["is Zig source", BUILD]],
  [".hs", ["is Haskell source", BUILD]],
  [
    ".html",
    ["is a web page", "Name a web server, and give it the folder: capstan run nginx, or python3 -- -m http.server."],
  ],
  [".css", ["is a style sheet", "Name a web server, and give it the folder."]],
  [".bat", ["is a Windows batch file", "Name the program that it starts."]],
  [".ps1", ["is a PowerShell script", "Name the program that it starts."]],
  [".o", ["is an object file", "Link it into a program, and name that."]],
  [
    ".conf",
    ["is a configuration file", "Name the program that reads it, and give the file as its argument behind '--'."],
  ],
  [".json", ["is JSON", "Name the program that reads it, or the folder of the project."]],
  [".yaml", ["is YAML", "Name the program that reads it, or the folder of the project."]],
  [".yml", ["is YAML", "Name the program that reads it, or the folder of the project."]],
  ["Dockerfile", ["is a recipe for a container image", "Name the program that the container starts."]],
  ["Makefile", ["is a recipe for make", "Run make, and name the program that comes out."]],
]);
