import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export const repository = join(import.meta.dirname, "..", "..");
export const bin = join(repository, "bin", "capstan");

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
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
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
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

  executable(path: string): string {
    chmodSync(path, 0o755);
    return path;
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [bin, ...args], {
        cwd: options.cwd ?? this.dir,
        env: { PATH: process.env.PATH ?? "", HOME: this.dir, CAPSTAN_ROOT: this.store, ...options.env },
        stdio: ["pipe", "pipe", "pipe"],
      });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
      child.stdin.on("error", () => {});
      child.stdin.end(options.input ?? "");
      child.on("error", reject);
      child.on("close", (code) => {
        resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
      });
      options.onStart?.(child);
    });
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

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  remove(): void {
    this[Symbol.dispose]();
  }
}
