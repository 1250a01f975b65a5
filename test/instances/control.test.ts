import { statSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type ControlClient, findControl, openControl } from "../../src/instances/control/client.ts";
import { ControlServer, type Handler } from "../../src/instances/control/server.ts";
import type { Lock } from "../../src/instances/lock.ts";
import { identify } from "../../src/instances/process-identity.ts";
import { CapstanError, ExitCode } from "../../src/support/errors.ts";
import { temporaryFolder } from "../hypervisors/tiny-guest.ts";

const top = temporaryFolder();
const servers: { close(): unknown }[] = [];
let count = 0;

afterAll(async () => {
  for (const server of servers) await server.close();
});

const newPath = () => join(top, `c${++count}`);

async function serve(handlers: Readonly<Record<string, Handler>>): Promise<string> {
  const path = newPath();
  servers.push(await ControlServer.listen(path, handlers));
  return path;
}

function lockOf(control: string | undefined, pid = process.pid): Lock {
  const owner = { capstan: identify(pid), image: "x", persist: false, started: "now", control };
  return { folder: top, generation: 1, owner };
}

async function open(path: string): Promise<ControlClient> {
  const client = await openControl(lockOf(path));
  servers.push(client);
  return client;
}

/** What the server says to these bytes, until it hangs up. */
function say(path: string, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let said = "";
    socket.on("data", (chunk) => {
      said += chunk;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(said));
    socket.write(bytes);
  });
}

describe("the control socket", () => {
  test("answers come to those who asked, in whatever order they are ready", async () => {
    const waiting: (() => void)[] = [];
    const client = await open(
      await serve({
        slow: ({ word }) => new Promise((resolve) => waiting.push(() => resolve({ word }))),
        fast: ({ word }) => {
          for (const go of waiting) go();
          return { word };
        },
      }),
    );
    const answers = await Promise.all([client.request("slow", { word: 1 }), client.request("fast", { word: 2 })]);
    expect(answers).toMatchObject([{ word: 1 }, { word: 2 }]);
  });

  test("an error comes as what it is, with its hint", async () => {
    const client = await open(
      await serve({
        fail: () => {
          throw new CapstanError("No", { code: "no", hint: "Yes.", exitCode: ExitCode.cannotCreate, details: ["a"] });
        },
        bug: () => {
          throw new Error("oops");
        },
      }),
    );
    const expected = { code: "no", message: "No", hint: "Yes.", exitCode: 73, details: ["a"] };
    await expect(client.request("fail")).rejects.toMatchObject(expected);
    await expect(client.request("bug")).rejects.toMatchObject({ code: "internal" });
    for (const what of ["nonsense", "toString", "__proto__"]) {
      await expect(client.request(what)).rejects.toMatchObject({ code: "unknown-request" });
    }
  });

  test("input of any length comes in order and whole", async () => {
    const taken: Buffer[] = [];
    const path = await serve({
      input: async ({ data }) => {
        taken.push(Buffer.from(String(data), "base64"));
        return {};
      },
    });
    const client = await open(path);
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
    await Promise.all([client.sendInput(bytes.subarray(0, 60_000)), client.sendInput(bytes.subarray(60_000))]);
    expect(Buffer.concat(taken).equals(bytes)).toBe(true);
  });

  test("nobody else may connect", async () => {
    expect(statSync(await serve({})).mode & 0o777).toBe(0o600);
  });

  test.each([
    ["no JSON", "hello\n"],
    ["no request", "[]\n"],
    ["no number", '{"id":"1","do":"x"}\n'],
    ["a line without an end", Buffer.alloc(3 << 20, "x")],
    ["an end of a character only", Buffer.from([0xc3, 0x0a])],
  ])("who says %s is hung up on, and others are not", async (_, bytes) => {
    const path = await serve({ ping: () => ({ pong: 1 }) });
    const client = await open(path);
    expect(await say(path, bytes)).toBe("");
    expect(await client.request("ping")).toMatchObject({ pong: 1 });
  });

  test("a supervisor that goes away fails what waits for it", async () => {
    const path = newPath();
    const sockets: Socket[] = [];
    const server: Server = createServer((socket) => sockets.push(socket));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const client = await open(path);
    const asked = client.request("status");
    for (let tries = 0; sockets.length === 0 && tries < 1000; tries++) await new Promise((done) => setTimeout(done, 5));
    for (const socket of sockets) socket.destroy();
    await expect(asked).rejects.toMatchObject({ code: "supervisor-gone" });
    await expect(client.request("status")).rejects.toMatchObject({ code: "supervisor-gone" });
  });

  test("an answer that is none ends the connection", async () => {
    const path = newPath();
    const server: Server = createServer((socket) => socket.on("error", () => {}).write("what?\n"));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const client = await open(path);
    await expect(client.request("status")).rejects.toMatchObject({ code: "supervisor-gone" });
  });

  test("an owner that is dead, or has no socket, is not spoken to", async () => {
    expect(await findControl(lockOf(undefined))).toBeUndefined();
    expect(await findControl(lockOf(newPath()))).toBeUndefined();
    const dead = { folder: top, generation: 1, owner: undefined };
    expect(await findControl(dead)).toBeUndefined();
    await expect(openControl(dead)).rejects.toMatchObject({ code: "not-running", exitCode: 73 });
  });
});
