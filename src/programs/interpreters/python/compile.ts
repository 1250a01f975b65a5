import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { isRecord } from "../../../support/records.ts";

export interface SourceToCompile {
  /** On this machine. */
  readonly hostPath: string;
  /** In the image: tracebacks show it. */
  readonly target: string;
}

export interface CompileRequest {
  /** The ELF program, on this machine. */
  readonly interpreter: string;
  /** Of cache folder: byte code lies in it by the hash of what it was made from. */
  readonly cacheFolder: string;
  readonly sources: readonly SourceToCompile[];
  readonly signal: AbortSignal;
}

/**
 * Byte code that is never compared with its source (PEP 552), made by the interpreter itself: by the target of its source, the
 * file in the cache. What does not compile is left out, and what goes wrong leaves out all: Python compiles it then itself.
 */
export async function compileSources(request: CompileRequest): Promise<ReadonlyMap<string, string>> {
  const jobs = request.sources.map((source) => ({ ...source, output: cachePath(source, request) }));
  const open = jobs.filter(({ output }) => !existsSync(output));
  if (open.length > 0) {
    mkdirSync(request.cacheFolder, { recursive: true });
    await runCompiler(open, request);
  }
  return new Map(jobs.filter(({ output }) => existsSync(output)).map(({ target, output }) => [target, output]));
}

function cachePath({ hostPath, target }: SourceToCompile, { interpreter, cacheFolder }: CompileRequest): string {
  const hash = createHash("sha256").update(`${interpreter}\0${target}\0`).update(readFileSync(hostPath)).digest("hex");
  return join(cacheFolder, `${hash}.pyc`);
}

interface Job extends SourceToCompile {
  readonly output: string;
}

/** Resolves in any case. */
function runCompiler(jobs: readonly Job[], { interpreter, signal }: CompileRequest): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn(interpreter, ["-I", "-S", "-B", "-c", COMPILER], {
      stdio: ["pipe", "pipe", "ignore"],
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8" },
      timeout: SLOWEST,
      killSignal: "SIGKILL",
      signal,
    });
    const answers: string[] = [];
    child.on("error", () => resolve());
    child.stdin.on("error", () => {});
    child.stdout.on("data", (chunk: Buffer) => answers.push(chunk.toString("utf8")));
    child.on("close", () => {
      settle(answers.join(""));
      resolve();
    });
    child.stdin.end(
      JSON.stringify(jobs.map(({ hostPath, target, output }) => [hostPath, `${output}.part`, target, output])),
    );
  });
}

/** Moves what is complete to its place. A line an answer: [part, output]. */
function settle(answers: string): void {
  for (const line of answers.split("\n")) {
    const answer = parse(line);
    if (answer !== undefined && existsSync(answer.part)) renameSync(answer.part, answer.output);
  }
}

function parse(line: string): { readonly part: string; readonly output: string } | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) && typeof value.part === "string" && typeof value.output === "string"
      ? { part: value.part, output: value.output }
      : undefined;
  } catch {
    return undefined;
  }
}

/** For a whole standard library on a slow machine. */
const SLOWEST = 120_000;

/** Reads its jobs from stdin. Nothing of the sources is run. */
const COMPILER = `
import json, py_compile, sys
for source, part, shown, output in json.load(sys.stdin):
    try:
        py_compile.compile(source, part, shown, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        print(json.dumps({"part": part, "output": output}))
    except Exception:
        pass
`;
