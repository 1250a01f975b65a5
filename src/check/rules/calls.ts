import type { LoadedObject } from "../../linker/closure.ts";
import type { Finding } from "../finding.ts";
import type { ImageInCheck, Started } from "../image.ts";
import { firstFew, listed } from "../phrases.ts";
import { badElf } from "./boot-command.ts";
import { type CallTopic, DEMO_CALLS, OSV_CALLS, PROCESS_CALLS } from "./call-table.ts";

/**
 * Functions that programs call and that the kernel cannot do. That a program has them does not mean that it comes to call
 * them, so none of this is an error; what libraries call is told only where the program itself does not.
 */
export function* callsRule(image: ImageInCheck): Generator<Finding> {
  for (const started of image.started) {
    if (started.mode === "static") continue;
    try {
      yield* processes(image, started);
      yield* others(image, started);
    } catch (error) {
      const finding = badElf(started.path, error);
      if (finding !== undefined) yield finding;
    }
  }
}

function* processes({ kernel, commandLine }: ImageInCheck, { path, closure }: Started): Generator<Finding> {
  if (kernel.can.fork) return;
  const calls = callsOf(closure.program, PROCESS_CALLS);
  if (calls.length > 0) {
    yield {
      code: "starts-processes",
      severity: isLikely(calls, path, commandLine) ? "warning" : "note",
      path,
      problem: `${path} calls ${firstFew(calls)}, and ${kernelName(kernel.kind)} runs a single process, so it cannot start others.`,
      advice: adviceFor(path),
    };
    return;
  }
  const libraries = closure.libraries.filter((library) => !isCLibrary(library.name));
  const callers = libraries.filter((library) => callsOf(library, PROCESS_CALLS).length > 0);
  const [first] = callers;
  if (first === undefined) return;
  yield {
    code: "starts-processes",
    severity: "note",
    path: first.path,
    problem: `${firstFew(callers.map((library) => library.path))}, which ${path} loads, can start other processes, and ${kernelName(kernel.kind)} cannot.`,
    advice: "Only if the program asks for that, it fails: look for an option of it to do without.",
  };
}

/**
 * Trouble is likely where a program makes a copy of itself, as daemons do when they start. Those that only start others do so
 * when they are asked to, and interpreters when a script does.
 */
function isLikely(calls: readonly string[], path: string, commandLine: string): boolean {
  const name = nameOf(path);
  if (!calls.some((call) => COPIES.has(call)) || INTERPRETER.test(name)) return false;
  return FOREGROUND[name]?.(commandLine) !== true;
}

const COPIES: ReadonlySet<string> = new Set("fork vfork __fork __vfork _Fork forkpty daemon clone clone3".split(" "));
const INTERPRETER = /^(?:python|node|php|perl|ruby|lua|tclsh|java|gawk|mawk|awk)[\d.]*$/;

/** Whether the command line has the words with which a server stays a single process: see SINGLE_PROCESS. */
const FOREGROUND: Readonly<Record<string, (commandLine: string) => boolean>> = {
  nginx: (line) => line.includes("daemon off") && line.includes("master_process off"),
  lighttpd: (line) => / -D(?: |$)/.test(line),
  "redis-server": (line) => line.includes("--save"),
  memcached: (line) => !/ -d(?: |$)/.test(line),
  haproxy: (line) => / -db(?: |$)/.test(line),
  mosquitto: (line) => !/ (?:-d|--daemon)(?: |$)/.test(line),
};

function* others({ kernel }: ImageInCheck, { path, mode, closure }: Started): Generator<Finding> {
  const topics = kernel.kind === "demo" ? DEMO_CALLS : mode === "native" ? OSV_CALLS : [];
  const startsProcesses = callsOf(closure.program, PROCESS_CALLS).length > 0;
  const met = topics.flatMap((topic) => {
    const calls =
      topic.impliedByProcesses === true && startsProcesses ? [] : callsOf(closure.program, new Set(topic.calls));
    return calls.length === 0 ? [] : [{ topic, calls }];
  });
  for (const severity of ["warning", "note"] as const) {
    const some = met.filter(({ topic }) => topic.severity === severity);
    if (some.length > 0) yield unsupported(path, severity, some);
  }
}

function unsupported(
  path: string,
  severity: "warning" | "note",
  met: readonly { readonly topic: CallTopic; readonly calls: readonly string[] }[],
): Finding {
  return {
    code: "unsupported-call",
    severity,
    path,
    problem: `${path} calls ${met.map(({ topic, calls }) => `${listed(calls)} (${topic.what})`).join(", ")}.`,
    advice: [...new Set(met.map(({ topic }) => topic.advice))].join(" "),
  };
}

function callsOf(object: LoadedObject, names: ReadonlySet<string>): readonly string[] {
  const called = object.elf.symbols().undefined.filter(({ name, weak }) => !weak && names.has(name));
  return [...new Set(called.map(({ name }) => name))].sort();
}

/** The parts of glibc and musl: what they call is what programs ask of them. */
function isCLibrary(name: string): boolean {
  return /(?:^|\/)(?:ld-|libc\.|libpthread\.|libutil\.|libdl\.|librt\.|libresolv\.|libnss_|libc\.musl)/.test(name);
}

function kernelName(kind: "osv" | "demo"): string {
  return kind === "osv" ? "OSv" : "the demo kernel";
}

/** By the base name of the program: its own words for staying a single process in the foreground. */
const SINGLE_PROCESS: Readonly<Record<string, string>> = {
  nginx: "Configure it with 'daemon off; master_process off;'.",
  lighttpd: "Start it with -D, to stay in the foreground.",
  "redis-server": "Turn its background saving off: --save ''.",
  memcached: "Start it without -d, to stay in the foreground.",
  haproxy: "Start it with -db, to stay in the foreground.",
  mosquitto: "Start it without -d, to stay in the foreground.",
  php: "Avoid exec(), proc_open() and the like in its scripts.",
  node: "Avoid child_process and cluster in its scripts.",
  perl: "Avoid fork, system and backquotes in its scripts.",
  ruby: "Avoid fork, system and backquotes in its scripts.",
};

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function adviceFor(path: string): string {
  const name = nameOf(path);
  if (/^python/.test(name)) return "Avoid subprocess, multiprocessing and os.fork in its scripts.";
  if (/^(?:ba|da|z|k)?sh$/.test(name)) return "Only commands that are built into the shell work.";
  return (
    SINGLE_PROCESS[name] ??
    "Look for its option to stay in the foreground in one process; parts that start programs will fail."
  );
}
