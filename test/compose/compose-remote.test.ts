import { once } from "node:events";
import { chmodSync, symlinkSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Sandbox, STACK } from "../support/sandbox.ts";
import { Cpiod } from "./cpiod.ts";

const sandbox = new Sandbox();

beforeAll(async () => {
  await sandbox.package("library", { "usr/lib/lib.so": "library", "etc/conf": "of the library" });
  sandbox.project(
    "app",
    { "bin/app": "app", "etc/conf": "of the app", empty: "", large: Buffer.alloc(3_000_001, "xyz") },
    ["library"],
  );
  sandbox.write({ "app/meta/run.yaml": "runtime: native\nconfig_set:\n  default:\n    bootcmd: /bin/app\n" });
  sandbox.write({ "app/closed/deep/file": "in a folder that nobody may write to", "app/ünï/日本": "x" });
  chmodSync(sandbox.path("app/closed"), 0o555);
  chmodSync(sandbox.path("app/bin/app"), 0o750);
  symlinkSync("/usr/lib/lib.so", sandbox.path("app/bin/lib.so"));
});
afterAll(() => {
  chmodSync(sandbox.path("app/closed"), 0o755);
  sandbox.remove();
});

const upload = (port: number, ...flags: readonly string[]) =>
  sandbox.run(["package", "compose-remote", "127.0.0.1", "--port", String(port), ...flags], {
    cwd: sandbox.path("app"),
  });

describe("a guest that waits", () => {
  test("gets the project and all that it requires, as they are", async () => {
    await using cpiod = new Cpiod();
    const port = await cpiod.listen();
    const { code, stderr, stdout } = await upload(port, "--json");
    expect(stderr).toMatch(/Sent 8 files, 2\.9 MiB, to 127\.0\.0\.1:/);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ host: "127.0.0.1", port, files: 8, links: 1, packages: ["library"] });
    expect(cpiod.console).toEqual(["cpiod finished"]);
    const text = (path: string) => {
      const node = cpiod.files.get(path);
      return node?.type === "file" ? node.content.toString() : node?.type;
    };
    expect(text("/etc/conf")).toBe("of the app");
    expect(text("/usr/lib/lib.so")).toBe("library");
    expect(text("/large")).toBe("xyz".repeat(1_000_001).slice(0, 3_000_001));
    expect(text("/empty")).toBe("");
    expect(text("/ünï/日本")).toBe("x");
    expect(text("/run/default")).toBe("/bin/app");
    expect(text("/closed/deep/file")).toBe("in a folder that nobody may write to");
    expect(cpiod.files.get("/bin/lib.so")).toEqual({ type: "symlink", target: "/usr/lib/lib.so" });
    expect(cpiod.files.get("/bin/app")).toMatchObject({ mode: 0o750 });
    expect(cpiod.files.get("/closed")).toEqual({ type: "directory", mode: 0o555 });
  });

  test("keeps its own base files: none are sent", async () => {
    await using cpiod = new Cpiod();
    expect((await upload(await cpiod.listen())).code).toBe(0);
    for (const path of ["/etc/fstab", "/etc/mnttab", "/dev", "/proc"]) expect(cpiod.files.has(path)).toBe(false);
  });

  test("may begin to listen later", async () => {
    await using other = new Cpiod();
    const port = await other.listen();
    await other[Symbol.asyncDispose]();
    await using cpiod = new Cpiod();
    const running = upload(port, "--wait", "60");
    await setTimeout(700);
    await cpiod.listen(port);
    expect((await running).code).toBe(0);
    expect(cpiod.console).toEqual(["cpiod finished"]);
  });

  test("behind something that takes every connection, and drops it while the guest boots, as QEMU's network does", async () => {
    await using cpiod = new Cpiod();
    const inner = await cpiod.listen();
    let drops = 3;
    const { connect } = await import("node:net");
    const sockets: Socket[] = [];
    const forward = createServer((socket) => {
      socket.on("error", () => {});
      sockets.push(socket);
      if (drops-- > 0) {
        socket.resetAndDestroy();
        return;
      }
      const guest = connect({ port: inner, host: "127.0.0.1" });
      guest.on("error", () => {});
      socket.pipe(guest).pipe(socket);
      sockets.push(guest);
    });
    forward.listen(0, "127.0.0.1");
    await once(forward, "listening");
    const { code } = await upload((forward.address() as AddressInfo).port, "--wait", "60");
    for (const socket of sockets) socket.destroy();
    forward.close();
    expect(code).toBe(0);
    expect(cpiod.connections).toBe(1);
    expect(cpiod.console).toEqual(["cpiod finished"]);
  });
});

describe("what can go wrong is told, and ends", () => {
  const expectFailure = async (port: number, code: string, ...flags: readonly string[]) => {
    const result = await upload(port, "--json", "--wait", "0", ...flags);
    expect(result.code).toBe(69);
    expect(result.stderr).not.toMatch(STACK);
    expect(result.stdout + result.stderr).toContain(code);
    return result;
  };

  test("nobody listens", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    await expectFailure(port, "upload-refused");
  });

  test("a guest that halts at an error, such as a link that is there already", async () => {
    await using cpiod = new Cpiod();
    cpiod.files.set("/bin", { type: "directory", mode: 0o755 });
    cpiod.files.set("/bin/lib.so", { type: "symlink", target: "/elsewhere" });
    await expectFailure(await cpiod.listen(), "upload-stalled", "--timeout", "1");
    expect(cpiod.console.join()).toContain("symlink: File exists");
  });

  test("another server, which says something", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const result = await expectFailure((server.address() as AddressInfo).port, "upload-not-cpiod");
    expect(result.stdout + result.stderr).toContain("HTTP/1.1 400 Bad Request");
    server.close();
  });

  test("a guest that goes away in the middle", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.resetAndDestroy());
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    await expectFailure((server.address() as AddressInfo).port, "upload-cut");
    server.close();
  });

  test("Ctrl-C", async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.on("error", () => {}))).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const result = await sandbox.run(["package", "compose-remote", "127.0.0.1", "--port", String(port)], {
      cwd: sandbox.path("app"),
      onStart: (child) => server.once("connection", () => void setTimeout(200).then(() => child.kill("SIGINT"))),
    });
    for (const socket of sockets) socket.destroy();
    server.close();
    expect(result.code).toBe(130);
  });

  test.each([
    [["localhost:10000"], "--port"],
    [["a b"], "not the name"],
    [["localhost", "--port", "0"], "--port '0'"],
    [["localhost", "--port", "70000"], "--port '70000'"],
    [["localhost", "--timeout", "0"], "--timeout '0'"],
    [["localhost", "--wait", "soon"], "--wait 'soon'"],
  ])("a command line that makes no sense: %j", async (args, told) => {
    const result = await sandbox.run(["package", "compose-remote", ...args], { cwd: sandbox.path("app") });
    expect(result.code).toBe(64);
    expect(result.stderr).toContain(told);
  });
});
