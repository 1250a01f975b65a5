import { existsSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lacksGuests } from "../support/guest.ts";
import { describeUnless } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const { CAPSTAN_TEST_ZFS_LOADER: loader, CAPSTAN_TEST_BUILDER: builder } = process.env;
const lacking =
  loader === undefined || builder === undefined
    ? "set CAPSTAN_TEST_ZFS_LOADER and CAPSTAN_TEST_BUILDER to a loader image and to the ELF of OSv's builder, which has cpiod"
    : (lacksGuests() ?? [loader, builder].filter((path) => !existsSync(path)).map((path) => `${path} is not there`)[0]);

describeUnless(lacking)("package compose-remote to OSv's own cpiod", () => {
  const sandbox = new Sandbox();
  beforeAll(async () => {
    sandbox.write({ "files/x": "x" });
    await sandbox.ok(["import", "cpiod", loader ?? "", "--kernel", builder ?? ""]);
    const command = "--nomount --noinit /tools/cpiod.so --prefix /";
    await sandbox.ok(["compose", "guest", "files", "-l", "cpiod", "-c", command, "--no-check"]);
    sandbox.project("fits", { "new/file": Buffer.alloc(2_000_000, "some data"), "new/empty": "" });
    // There is a folder of that name in the guest: cpiod stops at it, with the whole guest.
    sandbox.project("stops", { tools: "a file" });
  });
  afterAll(() => sandbox.remove());

  async function upload(project: string) {
    const port = await freePort();
    const guest = sandbox.run(["run", "guest", "-m", "512M", "-f", `127.0.0.1:${port}:10000`]);
    const args = ["package", "compose-remote", "127.0.0.1", "--port", `${port}`, "--wait", "120"];
    return { sent: await sandbox.run(args, { cwd: sandbox.path(project) }), guest: await guest };
  }

  test("is told to be done when all is written", async () => {
    const { sent, guest } = await upload("fits");
    expect(sent).toMatchObject({ code: 0, stderr: expect.stringContaining("Sent 2 files") });
    expect(guest).toMatchObject({ code: 0, stdout: expect.stringContaining("cpiod finished") });
  }, 300_000);

  test("has failed when the guest has given up, with what its console says", async () => {
    const { sent } = await upload("stops");
    expect(sent).toMatchObject({
      code: 69,
      stderr: expect.stringContaining("gave up before it had written everything"),
    });
    expect(sent.stderr).toContain("Aborted");
  }, 300_000);
});

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
