import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Forward } from "../../../src/hypervisors/machine.ts";
import { instanceFolder } from "../../../src/instances/layout.ts";
import { findPortHolder } from "../../../src/instances/network/port-holder.ts";
import { checkPorts, choosePorts, readPorts } from "../../../src/instances/network/ports.ts";
import { identify } from "../../../src/instances/process-identity.ts";
import { temporaryFolder } from "../../hypervisors/tiny-guest.ts";
import { describeUnless, lacksProgram, testUnless } from "../../support/machine.ts";

const notLinux = process.platform === "linux" ? undefined : "needs /proc";

function tcp(hostPort: number, guestPort = 80, address = "127.0.0.1"): Forward {
  return { protocol: "tcp", address, hostPort, guestPort };
}

async function listening(host = "127.0.0.1") {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

describe("ports that are asked for", () => {
  test("are free, or left open", async () => {
    const { port, close } = await listening();
    close();
    await checkPorts([tcp(port), { ...tcp(port), protocol: "udp" }, tcp(0), tcp(0)], temporaryFolder());
  });

  testUnless(notLinux)("one that a program has is told before the start, with the program", async () => {
    const { port, close } = await listening();
    for (const address of ["", "127.0.0.1", "0.0.0.0"]) {
      await expect(checkPorts([tcp(port, 80, address)], temporaryFolder())).rejects.toMatchObject({
        code: "port-in-use",
        exitCode: 69,
        message: expect.stringMatching(new RegExp(`tcp port ${port}.*node.* \\(process ${process.pid}\\) has it`)),
        hint: expect.stringMatching(`-f ${port + 1}:80.*-f :80`),
      });
    }
    close();
  });

  testUnless(notLinux)("one that an instance has is told with its name", async () => {
    const { port, close } = await listening();
    const root = temporaryFolder();
    mkdirSync(instanceFolder(root, "web"), { recursive: true });
    const lock = {
      capstan: identify(process.ppid),
      qemu: identify(process.pid),
      image: "i",
      persist: false,
      started: "",
    };
    writeFileSync(join(instanceFolder(root, "web"), "lock.1"), JSON.stringify(lock));
    await expect(checkPorts([tcp(port)], root)).rejects.toMatchObject({
      message: expect.stringContaining("the instance web has it"),
      hint: expect.stringContaining("capstan stop web"),
    });
    close();
  });

  test("udp ports are looked at too", async () => {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    const forward = { ...tcp(socket.address().port), protocol: "udp" } as const;
    await expect(checkPorts([forward], temporaryFolder())).rejects.toMatchObject({
      code: "port-in-use",
      hint: expect.stringMatching(/\(-f \d+:80\/udp\).*\(-f :80\/udp\)/),
    });
    socket.close();
  });

  test("all that are in the way are told at once", async () => {
    const [a, b] = [await listening(), await listening()];
    const found = checkPorts([tcp(a.port), tcp(b.port)], temporaryFolder());
    await expect(found).rejects.toMatchObject({
      message: expect.stringContaining("2 ports"),
      details: [expect.stringContaining(String(a.port)), expect.stringContaining(String(b.port))],
    });
    a.close();
    b.close();
  });

  test("an address of another machine is told as that", async () => {
    const found = checkPorts([tcp(18_080, 80, "192.0.2.1")], temporaryFolder());
    await expect(found).rejects.toMatchObject({ code: "address-unavailable" });
  });
});

testUnless(notLinux)("nobody has a port that is free", async () => {
  const { port, close } = await listening();
  close();
  await new Promise((resolve) => setImmediate(resolve));
  expect(findPortHolder({ protocol: "tcp", port, root: temporaryFolder() })).toBeUndefined();
});

describe("ports that QEMU chose", () => {
  const answer = [
    "Hub -1 (un0):",
    "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ",
    "  TCP[ESTABLISHED]   15       127.0.0.1 40000  192.168.122.15    80     0     0",
    "  TCP[HOST_FORWARD]  11       127.0.0.1 32907  192.168.122.15    80     0     0",
    "  TCP[HOST_FORWARD]  12               * 32908  192.168.122.15    80     0     0",
    "  UDP[HOST_FORWARD]  13               * 32909  192.168.122.15    53     0     0",
    "  TCP[HOST_FORWARD]  14               *  8080  192.168.122.15    81     0     0",
    "  TCP[HOST_FORWARD]  16               * 32910  192.168.122.15    81     0     0",
    "",
  ].join("\r\n");

  test.each<[string, Forward[], number[]]>([
    ["by address", [tcp(0, 80, ""), tcp(0)], [32_908, 32_907]],
    ["all addresses, written out", [tcp(0, 80, "0.0.0.0")], [32_908]],
    ["by protocol", [{ ...tcp(0, 53, ""), protocol: "udp" }], [32_909]],
    ["beside one that was asked for", [tcp(0, 81, ""), tcp(8080, 81, "")], [32_910, 8080]],
  ])("are read from its answer: %s", (_, forwards, ports) => {
    expect(choosePorts(forwards, answer).map(({ hostPort }) => hostPort)).toEqual(ports);
  });

  test.each(["", "nonsense", answer.replaceAll("HOST_FORWARD", "X")])("an answer without them is an error", (text) => {
    expect(() => choosePorts([tcp(0)], text)).toThrow(expect.objectContaining({ code: "port-unknown" }));
  });
});

describeUnless(lacksProgram("qemu-system-x86_64"))("QEMU as the judge", () => {
  test("the ports that it tells are those that it listens on", async () => {
    const monitor = join(temporaryFolder(), "monitor");
    const user = "user,id=un0,net=192.168.122.0/24,host=192.168.122.1,hostfwd=tcp:127.0.0.1:0-:80,hostfwd=udp::0-:53";
    const control = ["-chardev", `socket,id=m,path=${monitor},server=on,wait=off`, "-mon", "chardev=m,mode=control"];
    const args = ["-nodefaults", "-machine", "none", "-display", "none", "-netdev", user, ...control];
    const qemu = spawn("qemu-system-x86_64", args, { stdio: "ignore" });
    try {
      const [first, second] = await readPorts([tcp(0), { ...tcp(0, 53, ""), protocol: "udp" }], monitor);
      const inUse = checkPorts([first ?? tcp(0), second ?? tcp(0)], temporaryFolder());
      await expect(inUse).rejects.toMatchObject({
        code: "port-in-use",
        details: [expect.anything(), expect.anything()],
      });
    } finally {
      qemu.kill("SIGKILL");
    }
  });
});
