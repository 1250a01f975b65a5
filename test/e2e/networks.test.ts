import type { ChildProcess } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compile, lacksGuests, SLEEP, SMALL } from "../support/guest.ts";
import { describeUnless } from "../support/machine.ts";
import { type Finished, Sandbox } from "../support/sandbox.ts";

const lacking = lacksGuests("gcc");
const { CAPSTAN_TEST_LOADER: loader, CAPSTAN_TEST_KERNEL: kernel } = process.env;
const lacksOsv =
  loader === undefined || kernel === undefined
    ? "set CAPSTAN_TEST_LOADER and CAPSTAN_TEST_KERNEL to a loader image and its kernel ELF"
    : (lacking ?? [loader, kernel].filter((path) => !existsSync(path)).map((path) => `${path} is not there`)[0]);

/** Prints /etc/hosts. */
const HOSTS = `
#include <stdio.h>
int main(void)
{
    char line[4096];
    FILE *file = fopen("/etc/hosts", "r");
    while (file && fgets(line, sizeof line, file))
        printf("%s", line);
    printf("done\\n");
    return 0;
}
`;

/** `talk serve` answers whoever connects to port 7000; `talk ask NAME` asks that one, over and over until it answers. */
const TALK = `
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
static int serve(void)
{
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *found;
    if (getaddrinfo(NULL, "7000", &hints, &found))
        return 1;
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listening, found->ai_addr, found->ai_addrlen) || listen(listening, 8))
        return 2;
    printf("waiting\\n");
    fflush(stdout);
    for (;;) {
        int one = accept(listening, NULL, NULL);
        if (write(one, "hello from afar\\n", 16) < 0)
            return 3;
        close(one);
    }
}
int main(int argc, char **argv)
{
    if (argc < 3)
        return serve();
    printf("waiting\\n");
    fflush(stdout);
    for (int tries = 0; tries < 600; tries++) {
        struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;
        char text[100] = "";
        if (!getaddrinfo(argv[2], "7000", &hints, &found)) {
            int wire = socket(AF_INET, SOCK_STREAM, 0);
            if (!connect(wire, found->ai_addr, found->ai_addrlen) && read(wire, text, sizeof text - 1) > 0) {
                printf("%s: %s\\n", argv[2], text);
                return 0;
            }
            close(wire);
        }
        usleep(100000);
    }
    return 1;
}
`;

const sandbox = new Sandbox();
// Where every test is skipped, nothing runs after them.
if (lacking !== undefined) sandbox.remove();
const started: ChildProcess[] = [];

afterAll(async () => {
  for (const child of started) child.kill("SIGKILL");
  await delay(100);
  sandbox.remove();
});

/** Starts a guest, and returns once it has said that it waits. */
async function startWaiting(args: readonly string[]): Promise<{ finished: Promise<Finished>; told: () => string }> {
  let told = "";
  let hasEnded = false;
  const finished = sandbox.run(["run", ...SMALL, ...args], {
    onStart: (child) => {
      started.push(child);
      for (const stream of [child.stdout, child.stderr]) {
        stream?.on("data", (chunk: Buffer) => {
          told += chunk;
        });
      }
    },
  });
  void finished.finally(() => {
    hasEnded = true;
  });
  for (let tries = 0; !/^waiting\r?$/m.test(told); tries++) {
    if (tries > 6000 || hasEnded) throw new Error(`the guest does not wait: ${told}`);
    await delay(10);
  }
  return { finished, told: () => told };
}

/** The networks that have a hub, once those that nobody needs have gone. */
async function networksLeft(): Promise<readonly string[]> {
  const folder = `${sandbox.store}/networks`;
  const list = () => (existsSync(folder) ? readdirSync(folder) : []);
  for (let tries = 0; list().length > 0 && tries < 1000; tries++) await delay(10);
  return list();
}

describeUnless(lacking)("networks of instances", () => {
  beforeAll(async () => {
    sandbox.write({ "root/etc/hosts": "127.0.0.1 localhost\n" });
    compile(sandbox.path("root/hosts"), HOSTS, ["-static"]);
    compile(sandbox.path("root/sleep"), SLEEP, ["-static"]);
    await sandbox.ok(["compose", "image", "root", "-l", "builtin", "-c", "/hosts"]);
    await sandbox.ok(["compose", "waiting", "root", "-l", "builtin", "-c", "/sleep"]);
  });

  test("each finds those before it in its /etc/hosts, and nothing is left at the end", async () => {
    const first = await startWaiting(["waiting", "--name", "first", "-n", "lab,alias=db"]);
    const told = await sandbox.ok(["run", "image", "--name", "second", "-n", "lab", ...SMALL]);
    const lines = told.replaceAll("\r", "").split("\n");
    expect(lines.slice(lines.indexOf("127.0.0.1 localhost"))).toEqual([
      "127.0.0.1 localhost",
      "# The networks of this instance:",
      expect.stringMatching(/^10(\.\d+){3} first db$/),
      expect.stringMatching(/^10(\.\d+){3} second$/),
      "done",
      "",
    ]);
    await sandbox.ok(["stop", "first"]);
    await first.finished;
    expect(await networksLeft()).toEqual([]);
  });

  test("an address that was chosen is had, and refused to a second one", async () => {
    const told = await sandbox.ok(["run", "image", "-n", "lab", ...SMALL]);
    const address = /^(10(?:\.\d+){2})\.\d+ image\r?$/m.exec(told)?.[1];
    const first = await startWaiting(["waiting", "--name", "first", "-n", "lab", "--ip", `${address}.77`]);
    const refused = await sandbox.run(["run", "image", "-n", "lab", "--ip", `${address}.77`, ...SMALL]);
    expect(refused).toMatchObject({
      code: 73,
      stderr: expect.stringContaining(`${address}.77 is the address of first`),
    });
    await sandbox.ok(["stop", "first"]);
    await first.finished;
  });
});

describeUnless(lacking)("forwarded ports", () => {
  test("one that is left open is chosen and shown, and leads into QEMU", async () => {
    const guest = await startWaiting(["waiting", "--name", "open", "-f", ":80"]);
    for (let tries = 0; !guest.told().includes("Forwarding") && tries < 1000; tries++) await delay(10);
    const port = Number(/Forwarding (\d+):80/.exec(guest.told())?.[1]);
    await new Promise<void>((resolve, reject) => {
      const wire = connect(port, "127.0.0.1", () => {
        wire.destroy();
        resolve();
      });
      wire.once("error", reject);
    });
    const second = await sandbox.run(["run", "image", "-f", `${port}:80`, ...SMALL]);
    expect(second).toMatchObject({ code: 69, stderr: expect.stringContaining("the instance open has it") });
    await sandbox.ok(["stop", "open"]);
    await guest.finished;
  });

  test("one that somebody has is told before anything is started", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    const { code, stderr } = await sandbox.run(["run", "image", "-f", `127.0.0.1:${port}:80`, ...SMALL]);
    server.close();
    expect({ code, stderr }).toMatchObject({ code: 69, stderr: expect.stringContaining(`tcp port ${port}`) });
    expect(stderr).not.toContain("kernel");
  });
});

describeUnless(lacksOsv)("on a real OSv", () => {
  beforeAll(async () => {
    await sandbox.ok(["import", "osv-loader", loader ?? "", "--kernel", kernel ?? ""]);
    sandbox.write({ "osv/etc/hosts": "127.0.0.1 localhost\n" });
    compile(sandbox.path("osv/talk"), TALK, ["-fPIE", "-pie"]);
    await sandbox.ok(["compose", "talk", "osv", "-c", "/talk"]);
  }, 120_000);

  test("guests talk by name, to those before them and, as the hub knows more than /etc/hosts, to those after them", async () => {
    const early = await startWaiting(["talk", "--name", "early", "-n", "lab", "-e", "/talk ask server"]);
    const server = await startWaiting(["talk", "--name", "server", "-n", "lab", "-e", "/talk serve"]);
    expect((await early.finished).stdout).toContain("server: hello from afar");
    const late = await sandbox.ok(["run", "talk", "--name", "late", "-n", "lab", "-e", "/talk ask server", ...SMALL]);
    expect(late).toContain("server: hello from afar");
    await sandbox.ok(["stop", "server"]);
    await server.finished;
    expect(await networksLeft()).toEqual([]);
  });

  test("a guest of a network can be reached from outside, too", async () => {
    const guest = await startWaiting([
      "talk",
      "--name",
      "both",
      "-n",
      "lab",
      "-f",
      "127.0.0.1::7000",
      "-e",
      "/talk serve",
    ]);
    for (let tries = 0; !guest.told().includes("Forwarding") && tries < 1000; tries++) await delay(10);
    const port = Number(/Forwarding 127\.0\.0\.1:(\d+):7000/.exec(guest.told())?.[1]);
    const answer = await new Promise<string>((resolve, reject) => {
      let text = "";
      connect(port, "127.0.0.1")
        .on("data", (chunk: Buffer) => {
          text += chunk;
        })
        .once("end", () => resolve(text))
        .once("error", reject);
    });
    expect(answer).toBe("hello from afar\n");
    await sandbox.ok(["stop", "both"]);
    await guest.finished;
  });
});
