import { mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { hostSpace } from "../../../src/filesystems/host-space.ts";
import type { Application, ApplicationRequest } from "../../../src/programs/application.ts";
import { describeApplication } from "../../../src/programs/interpreters/index.ts";
import { recognise } from "../../../src/programs/recognise.ts";
import type { Context } from "../../../src/support/context.ts";
import { buildElf } from "../../elf/build-elf.ts";
import { Sandbox } from "../../support/sandbox.ts";

export const ELF = buildElf({ type: 2, interpreter: "/lib64/ld-linux-x86-64.so.2" });

export interface Asked {
  readonly userArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly interpreter?: string;
  readonly trim?: boolean;
  readonly isThisMachine?: boolean;
}

/** A system in a folder, and a user's folder beside it. */
export class World {
  readonly sandbox = new Sandbox();
  readonly root = this.sandbox.path("root");
  readonly home = this.sandbox.path("home");

  /** Values: bytes or text, and "-> target" for a link. */
  system(files: Readonly<Record<string, string | Uint8Array>>): this {
    for (const [name, content] of Object.entries(files)) {
      if (typeof content === "string" && content.startsWith("-> ")) {
        mkdirSync(dirname(join(this.root, name)), { recursive: true });
        symlinkSync(content.slice(3), join(this.root, name));
      } else this.sandbox.write({ [name]: content }, this.root);
    }
    return this;
  }

  user(files: Readonly<Record<string, string | Uint8Array>>): this {
    this.sandbox.write(files, this.home);
    return this;
  }

  /** Of a path in the user's folder, or in the system's by its leading slash. */
  async application(path: string, asked: Asked = {}): Promise<Application> {
    const space = hostSpace(this.root);
    const recognised = path.startsWith("/")
      ? recognise(this.root + path, { at: space.find(path)?.hostPath })
      : recognise(join(this.home, path));
    const request: ApplicationRequest = {
      recognised,
      space,
      isThisMachine: asked.isThisMachine ?? false,
      interpreter: asked.interpreter,
      trim: asked.trim ?? true,
      userArgs: asked.userArgs ?? [],
      cacheFolder: this.sandbox.path("cache"),
    };
    return await describeApplication(request, this.context(asked));
  }

  context({ cwd = this.home, env = {} }: Asked = {}): Context {
    return {
      cwd,
      env,
      now: () => new Date(0),
      signal: new AbortController().signal,
      reporter: { report: () => {} } as unknown as Context["reporter"],
    };
  }

  remove(): void {
    this.sandbox.remove();
  }
}

/** "kind target" of each part, or "kind target < source" where that is another path; the user's folder is "~". */
export function partsOf({ parts }: Application, world: World): string[] {
  return parts.map((part) => {
    const source = "source" in part ? part.source.replace(world.home, "~").replace(/[0-9a-f]{64}/, "HASH") : undefined;
    const from = source === undefined || source === part.target ? "" : ` < ${source.replace(world.sandbox.dir, "")}`;
    return `${part.kind} ${part.target}${from}`;
  });
}
