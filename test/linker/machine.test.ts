import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "vitest";

import { readElfFile } from "../../src/elf/reader.ts";
import { hostSpace } from "../../src/filesystems/host-space.ts";
import { defaultDirectories, interpreterPath } from "../../src/linker/interpreters.ts";
import { createLinker } from "../../src/linker/linker.ts";
import { elfFiles } from "../elf/files.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { askLdd, inItsWords } from "./judge.ts";

const space = hostSpace();

/** Programs by where they really are: through a link, ldd takes $ORIGIN for the folder of the link, which the kernel does not. */
const paths = (...list: readonly string[]) => elfFiles(list).map(({ realPath }) => realPath);

/** Which subdirectories of glibc-hwcaps the machine's linker looks in, for its CPU. */
function hwcapsOfThisMachine(): string[] {
  const linker = interpreterPath(nodeElf(), space) ?? "";
  const help = execFileSync(linker, ["--help"], { encoding: "utf8" });
  return [...help.matchAll(/^ +([\w.-]+) \(supported, searched\)$/gm)].map(([, name = ""]) => name);
}

function nodeElf() {
  const file = space.find(process.execPath);
  if (file === undefined) throw new Error("node is not there");
  return readElfFile(file);
}

const lacks =
  lacksProgram("ldd") ??
  (nodeElf().interpreter?.includes("musl") ? "the machine has musl" : undefined) ??
  (existsSync("/etc/ld.so.preload") ? "there is an /etc/ld.so.preload" : undefined);

describeUnless(lacks)("as ldd finds them", () => {
  test.each([
    ["every program of /usr/bin and /usr/sbin", () => paths("/usr/bin", "/usr/sbin")],
    ["programs that lie beside their libraries", () => paths(...folders("/usr/lib", "bin", 3), "/usr/lib/git-core")],
    ["every third library", () => paths(...multiarch()).filter((_, index) => index % 3 === 0)],
  ])("the libraries of %s, in their order, and what is missing", (_, list) => {
    const all = list();
    const linker = createLinker({ space, hwcaps: hwcapsOfThisMachine() });
    const verdicts = askLdd(all);
    let compared = 0;
    for (const path of all) {
      const verdict = verdicts.get(path);
      const closure = linker.closure(path);
      expect(verdict, path).toBeDefined();
      // Static, for a machine that is not this one, or for musl.
      const { interpreter } = closure;
      const foreign = closure.program.elf.machine !== nodeElf().machine || interpreter?.path.includes("ld-musl");
      const judged = verdict?.dynamic === true && !foreign;
      if (judged) expect(inItsWords(closure), path).toEqual({ found: verdict.found, missing: verdict.missing });
      else expect(interpreter === undefined || foreign, path).toBe(true);
      compared += Number(judged);
    }
    expect(compared).toBeGreaterThanOrEqual(all.length / 2);
  });

  test("the default directories are those that the machine's linker prints", () => {
    const linker = interpreterPath(nodeElf(), space) ?? "";
    const help = execFileSync(linker, ["--help"], { encoding: "utf8" });
    const printed = [...help.matchAll(/^ {2}(\/\S+) \(system search path\)$/gm)].map(([, path]) => path);
    expect(printed.length).toBeGreaterThan(0);
    expect(defaultDirectories(nodeElf(), space)).toEqual(printed);
  });
});

/** The folders of that name, as deep as that. */
function folders(root: string, name: string, depth: number): string[] {
  if (depth === 0) return [];
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => {
      const path = `${root}/${entry.name}`;
      return entry.name === name ? [path] : folders(path, name, depth - 1);
    });
}

function multiarch(): string[] {
  const libc = createLinker({ space })
    .closure(process.execPath)
    .libraries.find(({ name }) => name.startsWith("libc."));
  return libc === undefined ? [] : [dirname(libc.realPath)];
}
