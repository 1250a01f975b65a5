import { statSync } from "node:fs";
import { posix } from "node:path";
import type { FileSpace, FoundFile } from "../filesystems/file-space.ts";
import type { DirectoryEntry, FileTree, TreeEntry } from "../filesystems/filetree.ts";
import { hostSpace } from "../filesystems/host-space.ts";
import { treeFromHost } from "../filesystems/host-tree.ts";
import { createTree, insert } from "../filesystems/tree-builder.ts";
import { measureTree } from "../filesystems/tree-walk.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { Part, PartRole } from "./application.ts";
import type { Item } from "./item.ts";

/** In which they are listed. */
const ORDER: readonly PartRole[] = [
  ...(["program", "script", "interpreter", "loader", "library", "standard library"] as const),
  ...(["with", "data", "generated"] as const),
];

interface Why {
  readonly role: PartRole;
  readonly neededBy: readonly string[];
}

/** The tree of an application while it is put together, with the reason of everything in it. */
export class ProgramTree {
  readonly tree: FileTree = createTree();
  readonly #space: FileSpace;
  readonly #machine = hostSpace("/");
  readonly #context: Context;
  readonly #items = new Map<string, Item>();

  constructor(space: FileSpace, context: Context) {
    this.#space = space;
    this.#context = context;
  }

  items(): readonly Item[] {
    return [...this.#items.values()].sort((a, b) => ORDER.indexOf(a.role) - ORDER.indexOf(b.role));
  }

  /** A file of the system; what is there already gets one more reason. */
  addFile(target: string, { source, role, neededBy }: Why & { readonly source: string }): void {
    const before = this.#items.get(target);
    if (before === undefined) this.#file(target, { found: this.#find(source, this.#space), why: { role, neededBy } });
    else this.#items.set(target, { ...before, neededBy: [...new Set([...before.neededBy, ...neededBy])] });
  }

  addLink(target: string, { to, role, neededBy }: Why & { readonly to: string }): void {
    const origin = label(role, neededBy);
    insert(this.tree, target, { type: "symlink", mode: 0o777, mtime: 0, origin, target: to });
    this.#items.set(target, { target, type: "link", to, files: 0, size: 0, source: undefined, role, neededBy });
  }

  async add(part: Part): Promise<void> {
    const why = { role: part.role, neededBy: [part.neededBy] };
    switch (part.kind) {
      case "file":
        this.#file(part.target, { found: this.#find(part.source, this.#spaceOf(part)), why });
        return;
      case "folder":
        await this.#folder(part, why);
        return;
      case "bytes":
        this.#bytes(part, why);
        return;
      case "link":
        this.addLink(part.target, { to: part.to, ...why });
        return;
      case "directory": {
        const attributes = { mode: 0o755, mtime: 0, origin: label(why.role, why.neededBy) };
        insert(this.tree, part.target, { type: "directory", ...attributes, children: new Map() });
      }
    }
  }

  #file(target: string, { found, why }: { readonly found: FoundFile; readonly why: Why }): void {
    if (found.type !== "file" || found.hostPath === undefined) throw notThere(found.realPath, "is not a regular file");
    const { mode, mtime, size, hostPath } = found;
    const origin = label(why.role, why.neededBy);
    insert(this.tree, target, {
      ...{ type: "file", mode, mtime, origin, size },
      content: { kind: "host", path: hostPath },
    });
    this.#items.set(target, { target, type: "file", files: 1, size, source: hostPath, ...why });
  }

  #bytes({ target, bytes, mode }: Part & { readonly kind: "bytes" }, why: Why): void {
    const entry = { type: "file", mode, mtime: 0, origin: label(why.role, why.neededBy), size: bytes.length } as const;
    insert(this.tree, target, { ...entry, content: { kind: "bytes", bytes } });
    this.#items.set(target, { target, type: "file", files: 1, size: bytes.length, source: undefined, ...why });
  }

  async #folder(part: Part & { readonly kind: "folder" }, why: Why): Promise<void> {
    const found = this.#find(part.source, this.#spaceOf(part));
    if (found.type !== "directory" || found.hostPath === undefined) throw notThere(part.source, "is not a folder");
    const { hostPath } = found;
    const tree = await treeFromHost(hostPath, {
      origin: label(why.role, why.neededBy),
      ignore: (path, isDirectory) => part.skip?.(path, isDirectory) === true || isSpecial(posix.join(hostPath, path)),
      signal: this.#context.signal,
    });
    if (part.replace !== undefined) replaceContents(tree, { ...part, replace: part.replace, hostPath });
    insert(this.tree, part.target, tree);
    const { files, bytes } = measureTree(tree);
    const { target } = part;
    this.#items.set(target, { target, type: "folder", files, size: bytes, source: hostPath, ...why });
  }

  #spaceOf({ sourceSpace }: { readonly sourceSpace: "system" | "user" }): FileSpace {
    return sourceSpace === "user" ? this.#machine : this.#space;
  }

  #find(path: string, space: FileSpace): FoundFile {
    const found = space.find(path);
    if (found === undefined) throw notThere(path, space.name === "/" ? "is not there" : `is not in ${space.name}`);
    return found;
  }
}

/** FIFOs, sockets and devices lie in folders of data, and mean nothing in another machine. */
function isSpecial(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}

interface Replacing {
  readonly hostPath: string;
  readonly replace: (path: string, hostPath: string) => Uint8Array | undefined;
}

function replaceContents(tree: FileTree, { hostPath, replace }: Replacing): void {
  const pending: { readonly directory: DirectoryEntry; readonly prefix: string }[] = [{ directory: tree, prefix: "" }];
  for (let top = pending.pop(); top !== undefined; top = pending.pop()) {
    for (const [name, entry] of top.directory.children) {
      const path = top.prefix + name;
      if (entry.type === "directory") pending.push({ directory: entry, prefix: `${path}/` });
      else top.directory.children.set(name, replaced(entry, replace(path, posix.join(hostPath, path))));
    }
  }
}

function replaced(entry: TreeEntry, bytes: Uint8Array | undefined): TreeEntry {
  if (entry.type !== "file" || bytes === undefined) return entry;
  return { ...entry, size: bytes.length, content: { kind: "bytes", bytes } };
}

function label(role: PartRole, neededBy: readonly string[]): string {
  if (role === "with") return "given by --with";
  return `${role} for ${neededBy[0] ?? "the program"}`;
}

function notThere(path: string, what: string): CapstanError {
  return new CapstanError(`${path} ${what}`, {
    code: "no-such-file",
    exitCode: ExitCode.noInput,
    hint: "Check the path.",
  });
}
