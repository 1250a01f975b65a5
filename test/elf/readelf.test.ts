import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";

import type { ElfFile } from "../../src/elf/elf-file.ts";
import { readElfFile } from "../../src/elf/reader.ts";
import type { FoundFile } from "../../src/filesystems/file-space.ts";
import { MiB } from "../../src/support/bytes.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { elfFiles } from "./files.ts";

const library = /\.so(\.|$)/;

function sample<T>(all: readonly T[], size: number): T[] {
  const step = Math.max(1, all.length / size);
  return all.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step));
}

const small = (files: readonly FoundFile[]) => files.filter(({ size }) => size < 32 * MiB);
const programs = small(elfFiles(["/usr/bin"]));
const libraries = small(
  elfFiles(["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/lib"], (name) =>
    library.test(name),
  ),
);

/** What readelf prints, a text a file. */
function readelf(files: readonly FoundFile[], ...options: readonly string[]): Map<string, string> {
  const texts = new Map<string, string>();
  for (let start = 0; start < files.length; start += 100) {
    const paths = files.slice(start, start + 100).map(({ realPath }) => realPath);
    // A second file, so that it prints their names.
    const args = [...options, ...paths, paths[0] ?? ""];
    const out = execFileSync("readelf", args, {
      encoding: "utf8",
      maxBuffer: 1 << 30,
      env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" },
      stdio: ["ignore", "pipe", "ignore"],
    });
    for (const part of out.split(/^File: (?=\/)/m).slice(1)) {
      const end = part.indexOf("\n");
      texts.set(part.slice(0, end), part.slice(end));
    }
  }
  return texts;
}

const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = ""]) => found);

describeUnless(lacksProgram("readelf") ?? (programs.length === 0 ? "no ELF file in /usr/bin" : undefined))(
  "as readelf reads it",
  () => {
    test("the headers, the dynamic section and the notes of every program, and of a sample of libraries", () => {
      const files = [...programs, ...sample(libraries, 300)];
      const texts = readelf(files, "-W", "-h", "-l", "-d", "-n");
      for (const file of files) {
        const text = texts.get(file.realPath) ?? "";
        const elf = readElfFile(file);
        const ours = {
          bits: elf.bits,
          byteOrder: elf.byteOrder,
          interpreter: elf.interpreter,
          needed: elf.needed,
          soname: elf.soname,
          rpath: elf.rpath.join(":"),
          runpath: elf.runpath.join(":"),
          noDefaultLibraries: elf.noDefaultLibraries,
          tls: [elf.tlsSize, elf.tlsAlignment],
          buildId: elf.buildId,
          oldestKernel: elf.oldestKernel,
        };
        const tls = text.match(/^ {2}TLS +0x\S+ 0x\S+ 0x\S+ 0x\S+ (0x\S+) R +(0x\S+)/m) ?? ["", "0", "0"];
        expect(ours, file.realPath).toEqual({
          bits: text.includes("ELF64") ? 64 : 32,
          byteOrder: text.includes("little endian") ? "little" : "big",
          interpreter: text.match(/Requesting program interpreter: (.*)\]/)?.[1],
          needed: all(text, /\(NEEDED\) +Shared library: \[(.*)\]/g),
          soname: text.match(/\(SONAME\) +Library soname: \[(.*)\]/)?.[1],
          rpath: text.match(/\(RPATH\) +Library rpath: \[(.*)\]/)?.[1] ?? "",
          runpath: text.match(/\(RUNPATH\) +Library runpath: \[(.*)\]/)?.[1] ?? "",
          noDefaultLibraries: /\(FLAGS_1\).*\bNODEFLIB\b/.test(text),
          tls: [Number(tls[1]), Number(tls[2])],
          buildId: text.match(/Build ID: (\w+)/)?.[1],
          oldestKernel: text.match(/OS: Linux, ABI: (\S+)/)?.[1],
        });
      }
    });

    test.each([
      ["programs", sample(programs, 60)],
      ["libraries", sample(libraries, 40)],
    ])("the dynamic symbols with their versions of a sample of %s", (_, files) => {
      const texts = readelf(files, "-W", "--dyn-syms");
      for (const file of files)
        expect(symbolLines(readElfFile(file)), file.realPath).toEqual(shownSymbols(texts.get(file.realPath)));
    });

    test("the versions needed and defined of a sample", () => {
      const files = [...sample(programs, 60), ...sample(libraries, 60)];
      const texts = readelf(files, "-W", "-V");
      for (const file of files) {
        const text = texts.get(file.realPath) ?? "";
        const elf = readElfFile(file);
        const needed = elf.versionsNeeded.flatMap(({ file: name, versions }) => [
          name,
          ...versions.map((one) => one.name),
        ]);
        expect(needed, file.realPath).toEqual(
          all(text, /(?:Version: \d+ +File|0x\w+: +Name): (\S+) +(?:Cnt|Flags: \S+ +Version)/g),
        );
        const defined = all(text, /^ +(?:0x)?\w+: Rev: \d+ +Flags: (?!BASE).*Name: (\S+)/gm);
        expect(elf.versionsDefined, file.realPath).toEqual(defined);
      }
    });

    test("the types of the relocations of a sample", () => {
      const files = [...sample(programs, 40), ...sample(libraries, 20)].filter(({ size }) => size < 4_000_000);
      const texts = readelf(files, "-W", "-r");
      for (const file of files) {
        const info = all(texts.get(file.realPath) ?? "", /^\w{16} {2}(\w{16}) R_/gm);
        const types = new Set(info.map((hex) => Number.parseInt(hex.slice(8), 16)));
        expect([...readElfFile(file).relocationTypes()].sort(), file.realPath).toEqual([...types].sort());
      }
    });

    test("the variables with addresses in them of a sample", () => {
      const files = sample(libraries, 40).filter(({ size }) => size < 1_000_000);
      const [symbols, relocations] = [readelf(files, "-W", "--dyn-syms"), readelf(files, "-W", "-r")];
      let found = 0;
      for (const file of files) {
        // How these are shown differs by version.
        if (readElfFile(file).packedRelocations) continue;
        const offsets = all(relocations.get(file.realPath) ?? "", /^(\w{16}) {2}\w{16} R_/gm).map((hex) =>
          BigInt(`0x${hex}`),
        );
        const names = new Set<string>();
        const variable = /^ *\d+: (\w{16}) +(\w+) OBJECT +\w+ +\w+ +(?:\d+|ABS) ([^@\s]+)/gm;
        for (const [, value = "", size = "", name = ""] of (symbols.get(file.realPath) ?? "").matchAll(variable)) {
          const start = BigInt(`0x${value}`);
          if (offsets.some((offset) => offset >= start && offset < start + BigInt(size))) names.add(name);
        }
        expect([...readElfFile(file).relocatedVariables()].sort(), file.realPath).toEqual([...names].sort());
        found += names.size;
      }
      expect(found).toBeGreaterThan(0);
    });
  },
);

/** "name@VERSION" of what is undefined; "name@@VERSION" of what is defined, or "name@VERSION" where that is not the default. */
function symbolLines(elf: ElfFile) {
  const symbols = elf.symbols();
  const withVersion = (name: string, version: string | undefined, at: string) =>
    // The symbol that stands for a version itself is shown without it.
    version === undefined || version === name ? name : `${name}${at}${version}`;
  return {
    undefined: symbols.undefined.map(
      ({ name, version, weak }) => `${withVersion(name, version, "@")} ${weak ? "WEAK" : "GLOBAL"}`,
    ),
    defined: symbols.defined.map(({ name, version, hidden }) => withVersion(name, version, hidden ? "@" : "@@")),
  };
}

function shownSymbols(text = "") {
  const line =
    /^ +\d+: \w+ +\w+ (\w+) +(GLOBAL|WEAK|UNIQUE|<OS specific>: 10) +(\w+) +(?:\[.*\] +)?(\w+) (\S+)( \(\d+\))?/gm;
  const undefinedOnes: string[] = [];
  const defined: string[] = [];
  for (const [, , binding, visibility, section, name = "", ofOthers] of text.matchAll(line)) {
    if (section === "UND") undefinedOnes.push(`${name} ${binding}`);
    else if (visibility === "DEFAULT" || visibility === "PROTECTED") {
      // A copy of a variable of a library has the library's version, and a number behind it.
      defined.push(ofOthers === undefined ? name : name.replace("@", "@@"));
    }
  }
  return { undefined: undefinedOnes, defined };
}

describe("the sample", () => {
  test("is spread over all, and no larger than asked for", () => {
    expect(sample([1, 2, 3, 4, 5, 6, 7, 8], 4)).toEqual([1, 3, 5, 7]);
    expect(sample([1, 2], 4)).toEqual([1, 2]);
  });
});
