import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { hostPath } from "../../src/support/host-paths.ts";

export const repository = join(import.meta.dirname, "..", "..");
export const bin = join(repository, "bin", "capstan");

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Added to the sandbox's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** A program with its arguments that the command line is put behind: `setpriv …`. */
  readonly through?: readonly string[];
  /** Receives the process as soon as it runs: to signal it, or to read along. */
  readonly onStart?: (child: ChildProcess) => void;
}

/** A temporary folder with a store of its own, in which the built command line is run as a user would. */
export class Sandbox {
  readonly dir = mkdtempSync(join(tmpdir(), "capstan-test-"));
  readonly store = join(this.dir, "store");

  path(...parts: readonly string[]): string {
    return join(this.dir, ...parts);
  }

  /** Writes files by their paths in the folder; a value may be text or bytes. Returns the folder. */
  write(files: Readonly<Record<string, string | Uint8Array>>, folder = this.dir): string {
    for (const [name, content] of Object.entries(files)) {
      const path = join(folder, name);
      mkdirSync(hostPath(dirname(path)), { recursive: true });
      writeFileSync(hostPath(path), content);
    }
    return folder;
  }

  /** A project with a manifest, and whatever else. */
  project(
    name: string,
    files: Readonly<Record<string, string | Uint8Array>> = {},
    require: readonly string[] = [],
  ): string {
    const requires = require.length === 0 ? "" : `require:\n${require.map((one) => `- ${one}\n`).join("")}`;
    const manifest = `name: ${name}\ntitle: ${name} of a test\nauthor: tests\nversion: "1.0"\n${requires}`;
    return this.write({ "meta/package.yaml": manifest, ...files }, this.path(name));
  }

  /** A package of the store, made from a project as users make it. */
  async package(
    name: string,
    files: Readonly<Record<string, string | Uint8Array>> = {},
    require: readonly string[] = [],
  ): Promise<void> {
    await this.ok(["package", "import", this.project(name, files, require)]);
  }

  executable(path: string): string {
    chmodSync(path, 0o755);
    return path;
  }

  environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    // Without them, the first run of each store tries out whether KVM works, and what is missing is looked for in the world.
    const own = { HOME: this.dir, CAPSTAN_ROOT: this.store, CAPSTAN_DISABLE_KVM: "1", CAPSTAN_OFFLINE: "1" };
    return { PATH: process.env.PATH ?? "", ...own, ...more };
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const [program = "", ...rest] = [...(options.through ?? []), process.execPath, bin, ...args];
    return this.#spawn(program, rest, options);
  }

  /** As a user at a terminal: what both streams showed, in their order. */
  async terminal(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const command = [process.execPath, bin, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    return await this.#spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
      ...options,
      env: { TERM: "xterm", COLUMNS: "100", ...options.env },
    });
  }

  /** A script of a shell that finds `capstan`. */
  shell(script: string, options: RunOptions = {}): Promise<Finished> {
    const folder = this.path("bin");
    // Once: another shell may be running it.
    if (!existsSync(folder)) {
      this.write({ "bin/capstan": `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n` });
      this.executable(join(folder, "capstan"));
    }
    const env = { PATH: `${folder}:${process.env.PATH ?? ""}`, ...options.env };
    return this.#spawn("bash", ["-c", script], { ...options, env });
  }

  /** As `run`, for what must succeed: its stdout. */
  async ok(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const result = await this.run(args, options);
    if (result.code !== 0) {
      throw new Error(`capstan ${args.join(" ")} ended with ${result.code}\n${result.stderr}\n${result.stdout}`);
    }
    return result.stdout;
  }

  async json<T = unknown>(args: readonly string[], options: RunOptions = {}): Promise<T> {
    return JSON.parse(await this.ok([...args, "--json"], options)) as T;
  }

  /** The file of an image in the store. */
  image(name: string): string {
    return join(this.store, "repository", name, `${name.split("/").at(-1)}.qemu`);
  }

  /** Every path below a folder of the sandbox, hidden ones too; folders end in a slash. */
  files(folder: string): string[] {
    const root = this.path(folder);
    if (!existsSync(root)) return [];
    return readdirSync(root, { recursive: true, withFileTypes: true })
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1) + (entry.isDirectory() ? "/" : ""))
      .sort();
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  remove(): void {
    this[Symbol.dispose]();
  }

  #spawn(program: string, args: readonly string[], options: RunOptions): Promise<Finished> {
    return new Promise((resolve, reject) => {
      const child = spawn(program, args, {
        cwd: options.cwd ?? this.dir,
        env: this.environment(options.env),
        stdio: ["pipe", "pipe", "pipe"],
      });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
      child.stdin.on("error", () => {});
      child.stdin.end(options.input ?? "");
      child.on("error", reject);
      child.on("close", (code, signal) => {
        resolve({ code, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
      });
      options.onStart?.(child);
    });
  }
}

export function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** What must never be seen: a bug, or a stack of ours. */
export const STACK = /this is a bug of Capstan|^\s+at .+\(?(?:file:|node:|\/).+:\d+:\d+\)?$/m;

/** Begins every sequence that moves a terminal's cursor or colours its text. */
export const ESCAPE = "\x1b";
