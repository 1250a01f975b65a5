import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { hostSpace } from "../../src/filesystems/host-space.ts";
import { createLinker, type LinkerOptions } from "../../src/linker/linker.ts";
import { buildElf, type ElfSpec } from "../elf/build-elf.ts";
import { Sandbox } from "../support/sandbox.ts";

/** What lies in a root: an ELF file, a link ({ to }), or any bytes. */
export type RootFiles = Readonly<Record<string, ElfSpec | { readonly to: string } | string | Uint8Array>>;

/** A folder with a system in it that nothing here could start. */
export class Root {
  readonly #sandbox = new Sandbox();
  readonly path = this.#sandbox.path("root");
  readonly space = hostSpace(this.path);

  constructor(files: RootFiles) {
    mkdirSync(this.path);
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.path, name);
      mkdirSync(dirname(path), { recursive: true });
      if (typeof content === "object" && "to" in content) symlinkSync(content.to, path);
      else
        writeFileSync(path, typeof content === "string" || content instanceof Uint8Array ? content : buildElf(content));
    }
  }

  closure(path: string, options: Partial<LinkerOptions> = {}) {
    return createLinker({ space: this.space, ...options }).closure(path);
  }

  /** "liba.so => /lib/liba.so (cache)", and "libb.so => not found". */
  lines(path: string, options: Partial<LinkerOptions> = {}): string[] {
    const { libraries, missing } = this.closure(path, options);
    return [
      ...libraries.map(({ name, path: at, how }) => `${name} => ${at} (${how})`),
      ...missing.map(({ name }) => `${name} => not found`),
    ];
  }

  [Symbol.dispose](): void {
    this.#sandbox.remove();
  }
}
