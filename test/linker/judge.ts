import { spawnSync } from "node:child_process";

import type { Closure } from "../../src/linker/closure.ts";

export interface Verdict {
  /** "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6", in the order of loading; without the dynamic linker and the vdso. */
  readonly found: readonly string[];
  readonly missing: readonly string[];
  /** Undefined for a static program, or what is for another machine. */
  readonly dynamic: boolean;
}

/** What ldd says, which starts the dynamic linker: for judging only. By path. */
export function askLdd(paths: readonly string[], env: Readonly<Record<string, string>> = {}): Map<string, Verdict> {
  const verdicts = new Map<string, Verdict>();
  for (let start = 0; start < paths.length; start += 50) {
    const part = paths.slice(start, start + 50);
    // A second file, so that it prints their names.
    const { stdout } = spawnSync("ldd", [...part, part[0] ?? ""], {
      encoding: "utf8",
      env: { PATH: process.env.PATH, LC_ALL: "C", ...env },
    });
    for (const [index, text] of stdout.split(/^(?=\/.*:$)/m).entries()) {
      if (index < part.length) verdicts.set(text.slice(0, text.indexOf("\n") - 1), verdict(text.split("\n").slice(1)));
    }
  }
  return verdicts;
}

function verdict(lines: readonly string[]): Verdict {
  const all = lines.map((line) => line.trim().replace(/ \(0x\w+\)$/, "")).filter((line) => line !== "");
  // Of what no linker of this machine loads it says so on stderr, and nothing here.
  const dynamic =
    all.length > 0 && !all.some((line) => line === "statically linked" || line === "not a dynamic executable");
  const objects = dynamic ? all.filter((line) => !isLinker(line) && !/^linux-(vdso|gate)/.test(line)) : [];
  const missing = objects.filter((line) => line.endsWith(" => not found"));
  return { dynamic, found: objects.filter((line) => !missing.includes(line)), missing };
}

const isLinker = (line: string) => /(^|\/)ld(64)?(-linux[^/]*)?\.so\.\d$/.test(line);

/** The same of a closure. */
export function inItsWords({ libraries, missing }: Closure): Omit<Verdict, "dynamic"> {
  const others = libraries.filter(({ path }) => !isLinker(path));
  return {
    found: others.map(({ name, path }) => (name.includes("/") ? path : `${name} => ${path}`)),
    missing: missing.flatMap(({ name, neededBy }) => neededBy.map(() => `${name} => not found`)),
  };
}
