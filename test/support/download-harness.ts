import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { build } from "esbuild";
import { repository, type Sandbox } from "./sandbox.ts";

const SOURCE = `
import { download } from "./src/remotes/download.ts";
import { fetchDocument } from "./src/remotes/http.ts";
const { fetch, request } = JSON.parse(process.argv[2]);
const context = {
  cwd: "/",
  env: {},
  now: () => new Date(),
  signal: new AbortController().signal,
  reporter: { report() {}, verbose: false },
  http: { sleep: async () => {} },
};
try {
  const result = fetch ? String((await fetchDocument(request, context)).body) : await download(request, context);
  process.stdout.write(JSON.stringify({ result, memory: process.resourceUsage().maxRSS }));
} catch (error) {
  process.stdout.write(JSON.stringify({ code: error.code, message: String(error.message) }));
}
`;

/** Bundles a script that fetches what its argument says, in a process of its own. Returns its path. */
export async function buildHarness(sandbox: Sandbox): Promise<string> {
  const outfile = sandbox.path("harness.mjs");
  await build({
    stdin: { contents: SOURCE, resolveDir: repository, loader: "ts" },
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    logLevel: "error",
    banner: {
      js: `import { createRequire } from "node:module"; const require = createRequire(${JSON.stringify(join(repository, "package.json"))});`,
    },
  });
  return outfile;
}

export interface HarnessResult {
  readonly result?: unknown;
  readonly code?: string;
  readonly message?: string;
  /** The most that it held, in KiB. */
  readonly memory?: number;
}

export interface HarnessRun {
  readonly child: ChildProcess;
  /** Undefined when it was killed. */
  readonly done: Promise<HarnessResult | undefined>;
}

export function runHarness(
  script: string,
  input: { readonly fetch?: boolean; readonly request: unknown },
  env: Readonly<Record<string, string>> = {},
): HarnessRun {
  const child = spawn(process.execPath, [script, JSON.stringify(input)], {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout?.on("data", (chunk) => {
    out += chunk;
  });
  const done = new Promise<HarnessResult | undefined>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve(out === "" ? undefined : (JSON.parse(out) as HarnessResult)));
  });
  return { child, done };
}
