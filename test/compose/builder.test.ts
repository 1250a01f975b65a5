import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { type BuilderRequest, buildByVm } from "../../src/compose/builder/build-by-vm.ts";
import { planRoot } from "../../src/compose/write-image.ts";
import { MiB } from "../../src/support/bytes.ts";
import type { Context } from "../../src/support/context.ts";
import { patterned, tree } from "../filesystems/trees.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

/** In place of QEMU with a builder in it: `guest` is what it does, with `say` and `serve` at hand. */
function machine(guest: string, stallMs = 20_000): BuilderRequest["machine"] {
  const path = sandbox.path(`qemu-${Math.random()}`);
  const script = `#!${process.execPath}
const { createServer } = require("node:net");
const port = Number(/hostfwd=tcp:127\\.0\\.0\\.1:(\\d+)-:10000/.exec(process.argv.join(" "))?.[1]);
const say = (text) => process.stdout.write(text);
const serve = (end) => createServer((socket) => {
  let bytes = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.includes("TRAILER!!!")) end(socket, bytes);
  });
}).listen(port, "127.0.0.1", () => say("Waiting for connection from host..."));
${guest}
`;
  writeFileSync(path, script, { mode: 0o755 });
  const qemu = { path, identity: "", version: [7, 2, 0], capabilities: { virtioRng: true, exitWithParent: false } };
  return { qemu: qemu as unknown as BuilderRequest["machine"]["qemu"], acceleration: "tcg", stallMs };
}

const GOOD = `
say("OSv v0.57.0\\r\\n");
serve((socket, bytes) => {
  say("\\r\\nAdding /f...\\r\\ncpiod finished " + bytes.length + "\\r\\n");
  socket.end();
  setTimeout(() => process.exit(0), 100);
});`;

const content = { f: "content", d: { g: "more" } };

async function build(request: BuilderRequest["machine"], root: BuilderRequest["root"] = "osv") {
  const lines: string[] = [];
  const abort = new AbortController();
  const context: Context = {
    cwd: "/",
    env: process.env,
    now: () => new Date(),
    signal: abort.signal,
    reporter: { verbose: true, report: (event) => void lines.push(event.text) },
  };
  const built = buildByVm({ kernel: "/k.elf", disk: "/d.qcow2", root, tree: tree(content), machine: request }, context);
  return { built, lines, abort };
}

test("sends the files when the guest waits for them, and ends when it has powered off", async () => {
  const { built, lines } = await build(machine(GOOD));
  const { bytes } = await built;
  expect(lines).toContain(`cpiod finished ${bytes}`);
});

test("many at once do not get into each other's way", async () => {
  const all = await Promise.all(Array.from({ length: 6 }, () => build(machine(GOOD))));
  const sizes = await Promise.all(all.map(({ built }) => built));
  expect(new Set(sizes.map(({ bytes }) => bytes)).size).toBe(1);
});

describe("a builder that fails is told, and ended", () => {
  test.each([
    ["says nothing", "setTimeout(() => {}, 1e6);", "builder-stalled", 300],
    ["never waits for files", 'say("Running mkfs...\\n"); setTimeout(() => {}, 1e6);', "builder-stalled", 300],
    ["takes them and does no more", "serve(() => {});", "stalled", 300],
    [
      "has finished and does not power off",
      'serve((s) => { say("\\ncpiod finished\\n"); s.end(); });',
      "builder-stalled",
      300,
    ],
    ["halts", 'say("Aborted\\n\\n[backtrace]\\n"); setTimeout(() => {}, 1e6);', "builder-failed", 20_000],
    ["powers off too early", 'say("no disk\\n"); setTimeout(() => process.exit(0), 50);', "builder-failed", 20_000],
    ["powers off in the middle", "serve((s) => process.exit(0));", "builder-failed|upload-cut", 20_000],
    ["is refused by QEMU", 'process.stderr.write("qemu: no such option\\n"); process.exit(1);', "qemu-failed", 20_000],
  ])("one that %s", async (_, guest, code, stallMs) => {
    const { built } = await build(machine(guest, stallMs));
    await expect(built).rejects.toMatchObject({ code: expect.stringMatching(code) });
  });

  test("and the last lines of its console are shown", async () => {
    const { built } = await build(machine('say("one\\ntwo\\n[backtrace]\\n"); setTimeout(() => {}, 1e6);'));
    await expect(built).rejects.toMatchObject({ details: ["one", "two", "[backtrace]"] });
  });

  test("Ctrl-C", async () => {
    const { built, abort } = await build(machine("setTimeout(() => {}, 1e6);"));
    setTimeout(() => abort.abort(), 200);
    await expect(built).rejects.toMatchObject({ code: "interrupted" });
  });

  test("two data sets at once", async () => {
    const { built } = await build(machine(GOOD), "both");
    await expect(built).rejects.toMatchObject({ code: "builder-one-root" });
  });
});

test("the command line tells what is missing", async () => {
  sandbox.write({ "files/f": "f", "no-elf": "text" });
  const run = (...flags: readonly string[]) => sandbox.run(["compose", "x", "files", "-l", "builtin", ...flags]);
  expect((await run("--builder", "vm")).stderr).toContain("--builder goes with --fs zfs");
  expect((await run("--builder-kernel", "no-elf")).stderr).toContain("--builder-kernel goes with --builder vm");
  expect((await run("--fs", "zfs", "--builder", "vm")).stderr).toContain("There is no builder in");
  expect((await run("--fs", "zfs", "--builder", "vm", "--builder-kernel", "no-elf")).stderr).toContain(
    "is not the ELF",
  );
});

test("files that cannot fit are refused before the builder starts", async () => {
  const builder = { kernel: "/k.elf", machine: machine('say("started"); process.exit(1);') };
  const root = { kind: "zfs", size: 64 * MiB, root: "osv", timestamp: undefined, builder } as const;
  const plan = planRoot({ tree: tree({ f: patterned(40 * MiB, 1) }), root });
  const reporter = { verbose: false, report: () => undefined };
  const context: Context = {
    ...{ cwd: "/", env: process.env, now: () => new Date(), signal: new AbortController().signal, reporter },
  };
  await expect(plan.fill?.("/d.qcow2", context)).rejects.toMatchObject({ code: "image-too-small" });
});
