// What the bench runs inside one process: bench/run.mjs bundles it.
import { hostSpace } from "../src/filesystems/host-space.ts";
import { createLinker } from "../src/linker/linker.ts";
import { CapstanError } from "../src/support/errors.ts";

export interface Resolved {
  /** Per program: needed names and the paths that they were found at, "" where they are missing; undefined when it is static. */
  readonly programs: ReadonlyMap<string, ReadonlyMap<string, string> | undefined>;
  readonly seconds: number;
}

/** Resolves all programs with one linker, as a tool that looks at many does, and measures the whole. */
export function resolveAll(paths: readonly string[]): Resolved {
  const start = process.hrtime.bigint();
  const linker = createLinker({ space: hostSpace("/") });
  const programs = new Map(paths.map((path) => [path, resolve(linker, path)]));
  return { programs, seconds: Number(process.hrtime.bigint() - start) / 1e9 };
}

function resolve(linker: ReturnType<typeof createLinker>, path: string): ReadonlyMap<string, string> | undefined {
  try {
    const { program, libraries, missing } = linker.closure(path);
    if (program.elf.interpreter === undefined) return undefined;
    return new Map([
      ...libraries.map(({ name, path }) => [name, path] as const),
      ...missing.map(({ name }) => [name, ""] as const),
    ]);
  } catch (error) {
    if (error instanceof CapstanError) return undefined;
    throw error;
  }
}
