import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Serving, serve } from "../../src/hosting/serve/server.ts";
import { buildPackage } from "../../src/packages/build-package.ts";
import type { Remote, RemoteQuery } from "../../src/remotes/remote.ts";
import { type TestContext, temporaryFolder, testContext, writeFiles } from "../packages/support.ts";

export interface PackageOptions {
  readonly version?: string;
  readonly require?: readonly string[];
  readonly title?: string;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Behind `.mpm`. */
  readonly suffix?: string;
}

/** Builds a package as users do; returns the path of the .mpm. */
export async function makePackage(name: string, options: PackageOptions = {}): Promise<string> {
  const { version = "1.0", require = [], title = `The ${name}`, files = {}, suffix = "" } = options;
  const folder = join(temporaryFolder(), name);
  const requires = require.length === 0 ? "" : `require:\n${require.map((one) => `- "${one}"\n`).join("")}`;
  const text = `name: ${name}\ntitle: ${JSON.stringify(title)}\nauthor: Somebody\nversion: "${version}"\n${requires}`;
  writeFiles(folder, { "meta/package.yaml": text, ...files });
  const { path } = await buildPackage(folder, {}, testContext(folder));
  if (suffix !== "") renameSync(path, path + suffix);
  return path + suffix;
}

/** A folder for a repository and a context to work on it with. */
export function emptyRepository(): { readonly dir: string; readonly context: TestContext } {
  const dir = join(temporaryFolder(), "repo");
  mkdirSync(dir);
  return { dir, context: testContext(dir) };
}

/** A server that ends with the test. */
export async function served(dir: string, context: TestContext = testContext(dir)): Promise<Serving> {
  const serving = await serve(dir, { port: 0, host: "127.0.0.1" }, context);
  onTestFinished(() => serving.close());
  return serving;
}

export const ALL: RemoteQuery = { details: true, arch: "x86_64" };

/** What a remote offers, each in a line. */
export async function offered(remote: Remote, query: RemoteQuery = ALL): Promise<readonly string[]> {
  const context = testContext("/");
  const packages = await remote.packages(query, context);
  const images = await remote.images(query, context);
  return [
    ...packages.map(({ name, version, require }) => [name, version, ...require].join(" ")),
    ...images.map(({ name, version }) => ["image", name, version].filter((one) => one !== undefined).join(" ")),
  ];
}
