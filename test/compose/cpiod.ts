import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { posix } from "node:path";
import { readCpio } from "../../src/filesystems/cpio/reader.ts";

export type CpiodNode =
  | { readonly type: "directory"; readonly mode: number }
  | { readonly type: "file"; readonly mode: number; readonly content: Buffer }
  | { readonly type: "symlink"; readonly target: string };

/**
 * Stands for OSv's cpiod: takes one upload, puts its prefix before each name, makes the directories above, and does what a
 * guest does at an error, which is to halt with the connection open. What it has written is in `files`.
 */
export class Cpiod {
  readonly files = new Map<string, CpiodNode>();
  /** What the guest's console says. */
  readonly console: string[] = [];
  readonly #server: Server;
  readonly #prefix: string;
  readonly #sockets = new Set<Socket>();
  readonly finished: Promise<void>;
  connections = 0;

  constructor(prefix = "") {
    this.#prefix = prefix;
    // A guest has no second accept().
    let done = () => {};
    this.finished = new Promise((resolve) => {
      done = resolve;
    });
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on("error", () => {});
      this.#take(socket).then(
        () => {
          this.console.push("cpiod finished");
          socket.end();
          done();
        },
        (error: unknown) => {
          this.console.push(`Aborted: ${error instanceof Error ? error.message : error}`);
          done();
        },
      );
    });
  }

  async listen(port = 0): Promise<number> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, "close");
  }

  async #take(socket: Socket): Promise<void> {
    let path = "";
    let parts: Buffer[] = [];
    for await (const part of readCpio(socket.iterator({ destroyOnReturn: false }))) {
      if (part.kind === "data") {
        parts.push(Buffer.from(part.bytes));
        const node = this.files.get(path);
        if (node?.type === "file") this.files.set(path, { ...node, content: Buffer.concat(parts) });
        continue;
      }
      const { name, type, mode, target } = part.entry;
      path = this.#prefix + name;
      parts = [];
      this.#makeDirectories(type === "directory" ? path : posix.dirname(path));
      const before = this.files.get(path);
      if (type === "directory") this.files.set(path, { type, mode });
      else if (type === "symlink") {
        if (before !== undefined) throw new Error("symlink: File exists");
        this.files.set(path, { type, target });
      } else if (before !== undefined && before.type !== "file") throw new Error("bad cpio magic");
      else this.files.set(path, { type, mode, content: Buffer.alloc(0) });
    }
  }

  #makeDirectories(path: string): void {
    if (path === "/" || path === "." || this.files.has(path)) return;
    const parent = posix.dirname(path);
    this.#makeDirectories(parent);
    const above = this.files.get(parent);
    if (above?.type === "directory" && (above.mode & 0o300) !== 0o300)
      throw new Error(`mkdirp ${path}: Permission denied`);
    this.files.set(path, { type: "directory", mode: 0o755 });
  }
}
