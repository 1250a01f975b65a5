import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { lookup } from "../../src/filesystems/tree-walk.ts";
import type { Kernel } from "../../src/kernels/kernel.ts";
import type { Application, Part } from "../../src/programs/application.ts";
import { type AssembleRequest, assemble } from "../../src/programs/assemble.ts";
import { parseExtras } from "../../src/programs/extras.ts";
import { plainProgram } from "../../src/programs/interpreters/plain.ts";
import { recognise } from "../../src/programs/recognise.ts";
import { systemSpace } from "../../src/programs/system-space.ts";
import { compile } from "../support/guest.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";
import { kernel } from "./launch-parts.ts";

const lacking =
  process.arch === "x64" && process.platform === "linux" ? lacksProgram("gcc") : "needs programs for x86-64";
const sandbox = new Sandbox();
// Where every test is skipped, nothing runs after them.
if (lacking !== undefined) sandbox.remove();
const space = systemSpace(undefined);
const context = {
  ...{ cwd: sandbox.dir, env: {}, now: () => new Date(0), signal: new AbortController().signal },
  reporter: { verbose: false, report: () => {} },
};
const LOADER = "/lib64/ld-linux-x86-64.so.2";
const glibc = { supplies: new Set(["libc.so.6", "ld-linux-x86-64.so.2"]), exports: undefined };

beforeAll(() => {
  if (lacking !== undefined) return;
  const shared = (name: string, source: string, ...flags: readonly string[]) =>
    compile(sandbox.path("lib", name), source, ["-shared", "-fPIC", `-Wl,-soname,${name}`, ...flags]);
  const linked = (...names: readonly string[]) => [
    ...[
      "-Wl,--no-as-needed",
      `-L${sandbox.path("lib")}`,
      "-Wl,-rpath,$ORIGIN/../lib",
      `-Wl,-rpath-link,${sandbox.path("lib")}`,
    ],
    ...names.map((name) => `-l:${name}`),
  ];
  shared("libtwo.so", "int two(void) { return 2; }");
  shared("libone.so", "int two(void);\nint one(void) { return two() - 1; }", ...linked("libtwo.so"));
  shared("plugin.so", "int two(void);\nint plug(void) { return two(); }", ...linked("libtwo.so"));
  compile(sandbox.path("bin/app"), "int one(void);\nint main(void) { return one(); }", linked("libone.so"));
  compile(sandbox.path("bin/plain"), "int main(void) { return 0; }");
  for (const folder of ["folder/deep", "side/plugins", "side/lib"]) {
    mkdirSync(sandbox.path(folder), { recursive: true });
  }
  copyFileSync(sandbox.path("lib/plugin.so"), sandbox.path("side/plugins/plugin.so"));
  copyFileSync(sandbox.path("lib/libtwo.so"), sandbox.path("side/lib/libtwo.so"));
  compile(sandbox.path("bin/static"), "int main(void) { return 0; }", ["-static"]);
  sandbox.write({ "data/a": "a", "data/skipped/b": "b", "data/replaced": "old" });
});

afterAll(() => sandbox.remove());

function application(name: string, change: Partial<Application> = {}): Application {
  const recognised = recognise(sandbox.path("bin", name));
  const request = {
    recognised,
    space,
    isThisMachine: true,
    interpreter: undefined,
    trim: true,
    userArgs: [],
    cacheFolder: "",
  };
  return { ...plainProgram(request), ...change };
}

function assembled(
  name: string,
  of: Kernel,
  change: Partial<AssembleRequest & { readonly app: Partial<Application> }> = {},
) {
  const { app, ...more } = change;
  const request = {
    application: application(name, app),
    kernel: of,
    space,
    launch: undefined,
    libraryPath: [],
    extras: [],
  };
  return assemble({ ...request, ...more }, context);
}

const targets = ({ items }: Awaited<ReturnType<typeof assemble>>) => items.map(({ target }) => target).sort();

describeUnless(lacking)("assemble", () => {
  test("for OSv's own linker: the program and its own libraries, without what the kernel supplies", async () => {
    const all = await assembled("app", kernel("new", glibc));
    expect(targets(all)).toEqual(["/app", "/lib/libone.so", "/lib/libtwo.so"]);
    expect(all).toMatchObject({ launch: { mode: "native" }, command: ["/app"], missing: [] });
    const two = all.items.find(({ target }) => target === "/lib/libtwo.so");
    expect(two).toMatchObject({ source: sandbox.path("lib/libtwo.so"), role: "library", neededBy: ["/lib/libone.so"] });
  });

  test.each([
    ["a kernel that starts the loader", kernel("new", glibc), [LOADER, "/app"]],
    ["a kernel that honours the program's interpreter", kernel("demo"), ["/app"]],
  ])("for the Linux loader on %s: with the C library, at the loader's own place", async (_title, of, command) => {
    const all = await assembled("app", of, { launch: "linux" });
    expect(targets(all)).toEqual(["/app", "/lib/libone.so", "/lib/libtwo.so", LOADER, "/usr/lib/libc.so.6"].sort());
    expect(all.command).toEqual(command);
  });

  test("a static program is alone", async () => {
    const all = await assembled("static", kernel("new"));
    expect([all.launch.mode, targets(all), all.command]).toEqual(["static", ["/static"], ["/static"]]);
  });

  test("a program for other processors than the kernel's", async () => {
    const error = assembled("plain", kernel("new", { machine: "aarch64", title: "the other kernel" }));
    await expect(error).rejects.toMatchObject({
      code: "wrong-machine",
      message: expect.stringMatching(/is a program for x86-64, and the other kernel runs on aarch64$/),
    });
  });

  test("what a plugin of --with needs comes along, once", async () => {
    const extras = parseExtras(["lib/plugin.so:/plugins/plugin.so", "lib/libtwo.so:/usr/lib/libtwo.so"], {
      ...{ space, cwd: sandbox.dir, libraryDirectories: [] },
    });
    const all = await assembled("plain", kernel("new", glibc), { extras });
    expect(targets(all)).toEqual(["/plain", "/plugins/plugin.so", "/usr/lib/libtwo.so"]);
    const alone = await assembled("plain", kernel("new", glibc), { extras: extras.slice(0, 1) });
    expect(targets(alone)).toEqual(["/lib/libtwo.so", "/plain", "/plugins/plugin.so"]);
  });

  test("what the ELF files of a folder of --with need comes along", async () => {
    copyFileSync(sandbox.path("lib/plugin.so"), sandbox.path("folder/deep/plugin.so"));
    const extras = parseExtras(["folder:/plugins"], { ...{ space, cwd: sandbox.dir, libraryDirectories: [] } });
    const all = await assembled("plain", kernel("new", glibc), { extras, libraryPath: [sandbox.path("lib")] });
    expect(targets(all)).toEqual(["/plain", "/plugins", "/usr/lib/libtwo.so"]);
    expect(all.items.find(({ role }) => role === "library")?.neededBy).toEqual(["/plugins/deep/plugin.so"]);
  });

  test("and from where they lie in it", async () => {
    const extras = parseExtras(["side/plugins:/p/plugins"], { ...{ space, cwd: sandbox.dir, libraryDirectories: [] } });
    const all = await assembled("plain", kernel("new", glibc), { extras });
    expect([targets(all), all.missing]).toEqual([["/p/lib/libtwo.so", "/p/plugins", "/plain"], []]);
  });

  test("a folder with more of them than are looked at is told", async () => {
    const names = Array.from({ length: 2001 }, (_, index) => `${index}.so`);
    sandbox.write(Object.fromEntries(names.map((name) => [`many/${name}`, "\x7fELF"])));
    const report = vi.spyOn(context.reporter, "report");
    const extras = parseExtras(["many"], { ...{ space, cwd: sandbox.dir, libraryDirectories: [] } });
    await assembled("plain", kernel("new", glibc), { extras });
    const text = expect.stringContaining(`--with ${sandbox.path("many")} has more than 2000 ELF files`);
    expect(report.mock.calls).toEqual([[{ kind: "warning", text }]]);
    report.mockRestore();
  });

  test("those for other processors bring nothing, and miss nothing", async () => {
    const foreign = readFileSync(sandbox.path("lib/plugin.so"));
    // e_machine: AArch64.
    foreign.writeUInt16LE(183, 18);
    sandbox.write({ "foreign/plugin.so": foreign });
    const extras = parseExtras(["foreign"], { ...{ space, cwd: sandbox.dir, libraryDirectories: [] } });
    const all = await assembled("plain", kernel("new", glibc), { extras });
    expect([targets(all), all.missing]).toEqual([["/foreign", "/plain"], []]);
  });

  test("what an ELF file that the arguments name needs comes along", async () => {
    const part: Part = {
      ...{ kind: "file", source: sandbox.path("lib/plugin.so"), sourceSpace: "user", target: "/lib/plugin.so" },
      ...{ role: "data", neededBy: "the arguments" },
    };
    const all = await assembled("plain", kernel("new", glibc), { app: { parts: [part] } });
    expect(targets(all)).toEqual(["/lib/libtwo.so", "/lib/plugin.so", "/plain"]);
  });

  test("libraries that are nowhere are told, by name and by what needs them", async () => {
    compile(sandbox.path("elsewhere/bin/app"), "int one(void);\nint main(void) { return one(); }", [
      ...["-Wl,--no-as-needed", `-L${sandbox.path("lib")}`, "-l:libone.so", `-Wl,-rpath-link,${sandbox.path("lib")}`],
    ]);
    const source = sandbox.path("elsewhere/bin/app");
    const all = await assembled("app", kernel("new", glibc), { app: { executable: { source, target: "/app" } } });
    expect(all.missing).toMatchObject([{ name: "libone.so", neededBy: [source] }]);
    const found = await assembled("app", kernel("new", glibc), {
      ...{ app: { executable: { source, target: "/app" } }, libraryPath: [sandbox.path("lib")] },
    });
    expect([found.missing, targets(found)]).toEqual([[], ["/app", "/usr/lib/libone.so", "/usr/lib/libtwo.so"]]);
  });

  describe("parts", () => {
    const why = { role: "data", neededBy: "a test" } as const;
    const withParts = (...parts: readonly Part[]) => assembled("plain", kernel("new", glibc), { app: { parts } });

    test("of every kind, with their sizes; a folder's parts left out and replaced", async () => {
      const all = await withParts(
        {
          ...{ kind: "folder", source: sandbox.path("data"), sourceSpace: "user", target: "/data", ...why },
          skip: (path) => path === "skipped",
          replace: (path) => (path === "replaced" ? Buffer.from("new bytes") : undefined),
        },
        { kind: "file", source: sandbox.path("data/a"), sourceSpace: "user", target: "/copy", ...why },
        { kind: "bytes", bytes: Buffer.from("made"), mode: 0o755, target: "/made", ...why },
        { kind: "link", to: "made", target: "/link", ...why },
        { kind: "directory", target: "/empty/below", ...why },
      );
      const of = (target: string) => all.items.find((item) => item.target === target);
      expect(of("/data")).toMatchObject({ type: "folder", files: 2, size: 10 });
      expect(of("/made")).toMatchObject({ type: "file", size: 4, source: undefined });
      expect(of("/link")).toMatchObject({ type: "link", to: "made", files: 0 });
      expect(lookup(all.tree, "/data/skipped")).toBeUndefined();
      expect(lookup(all.tree, "/data/replaced")).toMatchObject({
        content: { kind: "bytes", bytes: Buffer.from("new bytes") },
      });
      expect(lookup(all.tree, "/made")).toMatchObject({ mode: 0o755 });
      expect(lookup(all.tree, "/empty/below")).toMatchObject({ type: "directory" });
    });

    test.each<[string, Part]>([
      ["is not there", { kind: "file", source: "/nothere", sourceSpace: "user", target: "/x", ...why }],
      ["is not a regular file", { kind: "file", source: "/dev", sourceSpace: "user", target: "/x", ...why }],
      ["is not a folder", { kind: "folder", source: "/dev/null", sourceSpace: "user", target: "/x", ...why }],
    ])("one that %s is an error", async (message, part) => {
      await expect(withParts(part)).rejects.toMatchObject({
        code: "no-such-file",
        message: expect.stringContaining(message),
      });
    });
  });
});
