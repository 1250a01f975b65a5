import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Addition, additionOf, addToRepository } from "../../src/hosting/add-to-repository.ts";
import { initRepository } from "../../src/hosting/repository.ts";
import { buildPackage } from "../../src/packages/build-package.ts";
import { testContext, writeFiles } from "../packages/support.ts";
import type { ServedAsset } from "./github-server.ts";
import type { MisbehavingServer } from "./misbehaving-server.ts";
import { repository } from "./sandbox.ts";

/** The demo kernel, whose disk stands for OSv's loader. */
export const DEMO_DISK = join(repository, "guest", "prebuilt", "osv-demo-loader.img");
export const DEMO_KERNEL = join(repository, "guest", "prebuilt", "osv-demo-loader.elf");

/** For commands that are to fetch: in a sandbox nothing is fetched unless a test says so. */
export const ONLINE = { CAPSTAN_OFFLINE: "" } as const;

export interface Made {
  readonly name: string;
  readonly version: string;
  /** The path of NAME.mpm. */
  readonly path: string;
  readonly manifest: string;
}

export interface MakeOptions {
  readonly version?: string;
  readonly require?: readonly string[];
  readonly created?: string;
  readonly platform?: string;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

let made = 0;

/** Builds a package as users do, below `dir`. */
export async function makePackage(dir: string, name: string, options: MakeOptions = {}): Promise<Made> {
  const { version = "1.0", require = [], created, platform, files = {} } = options;
  const folder = join(dir, `made-${++made}`, name);
  const lines = [`name: ${name}`, `title: The ${name}`, "author: tests", `version: "${version}"`];
  if (created !== undefined) lines.push(`created: "${created}"`);
  if (platform !== undefined) lines.push(`platform: ${platform}`);
  if (require.length > 0) lines.push("require:", ...require.map((one) => `- "${one}"`));
  const manifest = `${lines.join("\n")}\n`;
  writeFiles(folder, { "meta/package.yaml": manifest, ...files });
  const { path } = await buildPackage(folder, {}, testContext(folder));
  return { name, version, path, manifest };
}

/** A repository of these packages, and of osv-loader where it is asked for, with its index. Returns the folder. */
export async function makeRepository(
  dir: string,
  packages: readonly Made[],
  { loader = false }: { readonly loader?: boolean } = {},
): Promise<string> {
  mkdirSync(dir, { recursive: true });
  const context = testContext(dir);
  await initRepository(dir, context);
  const additions: Addition[] = packages.map(({ path }) => additionOf(path));
  if (loader) additions.push(additionOf(DEMO_DISK, { name: "osv-loader", kernel: DEMO_KERNEL }));
  await addToRepository(dir, additions, { replace: true }, context);
  return dir;
}

/** Puts all files of a folder on the server, each at its path. */
export function serveFolder(server: MisbehavingServer, dir: string): void {
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const body = readFileSync(path);
    const address = path.slice(dir.length).split("/").map(encodeURIComponent).join("/");
    server.serve(address, { body, etag: `"${body.length}-${body.at(-5) ?? 0}"` });
  }
}

/** What a release of GitHub or a bucket has of a package. */
export function assetsOf({ name, path, manifest }: Made): readonly ServedAsset[] {
  return [
    { name: `${name}.yaml`, content: manifest },
    { name: `${name}.mpm`, content: readFileSync(path) },
  ];
}

export function objectsOf(packages: readonly Made[]): Readonly<Record<string, string | Uint8Array>> {
  return Object.fromEntries(
    packages.flatMap((one) => assetsOf(one).map(({ name, content }) => [`packages/${name}`, content])),
  );
}
