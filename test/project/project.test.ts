import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseManifest } from "../../src/project/manifest.ts";
import { initProject, initRuntime, loadProject, previewRuntime } from "../../src/project/project.ts";
import { parseRunConfig } from "../../src/project/run-config.ts";
import { findRuntime, RUNTIMES, runtimeNames } from "../../src/project/runtimes/index.ts";
import type { Context } from "../../src/support/context.ts";
import { CapstanError } from "../../src/support/errors.ts";
import type { ReportEvent } from "../../src/support/reporter.ts";
import { failureOf } from "./failure.ts";

let cwd = "";
let events: ReportEvent[] = [];
let context: Context;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "capstan-project-"));
  events = [];
  context = {
    cwd,
    env: {},
    now: () => new Date("2026-11-20T10:11:12Z"),
    signal: new AbortController().signal,
    reporter: { verbose: true, report: (event) => events.push(event) },
  };
});
afterEach(() => rmSync(cwd, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(join(cwd, path, ".."), { recursive: true });
  writeFileSync(join(cwd, path), text);
}
const text = (path: string) => readFileSync(join(cwd, path), "utf8");
const MANIFEST = "name: demo\ntitle: Demo\nauthor: me\n";
const NEW = { name: "demo", title: "Demo", author: "me" };

async function failure(work: Promise<unknown>): Promise<CapstanError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CapstanError) return error;
  throw new Error("no CapstanError was thrown", { cause: error });
}

describe("loadProject", () => {
  test("all three files", () => {
    write("app/meta/package.yaml", MANIFEST);
    write("app/meta/run.yaml", "runtime: native\nconfig_set: {default: {bootcmd: /x}}\n");
    write("app/.capstanignore", "*.o\n");
    const project = loadProject("app", context);
    expect(project.dir).toBe(join(cwd, "app"));
    expect(project).toMatchObject({
      manifest: { name: "demo" },
      hasManifest: true,
      runConfig: { defaults: ["default"] },
    });
    expect(project.ignore.ignores("a/x.o", false)).toBe(true);
    expect(events).toEqual([]);
  });

  test("a manifest is enough", () => {
    write("meta/package.yaml", MANIFEST);
    const project = loadProject(".", context);
    expect(project.runConfig).toBeUndefined();
    expect(project.ignore.patterns[0]).toBe("/meta/*");
  });

  test("without a manifest: told what to do, or a default where that is wanted", () => {
    const error = failureOf(() => loadProject(".", context));
    expect(error).toMatchObject({ code: "not-a-project", exitCode: 66 });
    expect(error.message).toBe("Not a Capstan package: there is no meta/package.yaml");
    expect(error.hint).toContain("capstan package init");
    const project = loadProject(".", context, { missingManifest: "default" });
    expect(project).toMatchObject({ manifest: { name: "App", author: "Anonymous" }, hasManifest: false });
    expect(events).toHaveLength(1);
  });

  test("a folder that is none", () => {
    write("file", "");
    expect(failureOf(() => loadProject("file", context))).toMatchObject({ code: "not-a-project" });
    expect(failureOf(() => loadProject("nowhere", context))).toMatchObject({ exitCode: 66 });
  });

  test("problems name the file as seen from the current folder", () => {
    write("app/meta/package.yaml", "name: demo\n");
    expect(failureOf(() => loadProject("app", context)).message).toMatch(/^app\/meta\/package\.yaml:1:1: /);
    write("app/meta/package.yaml", MANIFEST);
    write("app/.capstanignore", "/ok\n/meta\n");
    expect(failureOf(() => loadProject("app", context)).message).toMatch(/^app\/\.capstanignore:2: /);
    const elsewhere = { ...context, cwd: join(cwd, "app", "meta") };
    expect(
      failureOf(() => loadProject("..", elsewhere)).message.startsWith(join(cwd, "app", ".capstanignore:2: ")),
    ).toBe(true);
  });

  test("patterns that probably mean something else are warned of", () => {
    write("meta/package.yaml", MANIFEST);
    write(".capstanignore", "/a?\n");
    loadProject(".", context);
    expect(events).toMatchObject([{ kind: "warning", text: expect.stringContaining(".capstanignore:1") }]);
  });
});

describe("initProject", () => {
  test("writes what is given, and the time of now", async () => {
    const all = { ...NEW, version: "0.10", require: ["osv.cli"], platform: "Debian-12" };
    const { written } = await initProject({ dir: "new/app", ...all }, context);
    expect(written).toEqual([join(cwd, "new/app/meta/package.yaml")]);
    const manifest = parseManifest(text("new/app/meta/package.yaml"), { name: "x" });
    expect(manifest).toMatchObject(all);
    expect(Date.parse(manifest.created ?? "")).toBe(Date.parse("2026-11-20T10:11:12Z"));
  });

  test("a runtime's file lands in the same folder", async () => {
    const { written } = await initProject({ dir: "app", ...NEW, runtime: "node" }, context);
    expect(written).toEqual([join(cwd, "app/meta/package.yaml"), join(cwd, "app/meta/run.yaml")]);
    expect(text("app/meta/run.yaml")).toBe(previewRuntime("node"));
    expect(existsSync(join(cwd, "meta"))).toBe(false);
  });

  test.each([
    [{}, "--name, --title, --author"],
    [{ name: "x", title: "" }, "--title, --author"],
    [{ ...NEW, name: "a/b c" }, "'a/b c' cannot name a package"],
    [{ ...NEW, require: ["../x"] }, "'../x' cannot name a package"],
    [{ ...NEW, runtime: "nod" }, "Did you mean 'node'?"],
  ])("%j is an error of usage, and nothing is written", async (input, message) => {
    const error = await failure(initProject({ dir: ".", ...input }, context));
    expect(error.exitCode).toBe(64);
    expect(error.message).toContain(message);
    expect(existsSync(join(cwd, "meta"))).toBe(false);
  });

  test("files that are there are replaced with force only", async () => {
    write("meta/run.yaml", "mine\n");
    const error = await failure(initProject({ dir: ".", ...NEW, runtime: "node" }, context));
    expect(error).toMatchObject({ code: "exists", exitCode: 73, message: "meta/run.yaml exists already" });
    expect(error.hint).toContain("--force");
    expect(existsSync(join(cwd, "meta/package.yaml"))).toBe(false);
    await initProject({ dir: ".", ...NEW, runtime: "node", force: true }, context);
    expect(text("meta/run.yaml")).toContain("runtime: node");
    expect((await failure(initProject({ dir: ".", ...NEW }, context))).message).toBe(
      "meta/package.yaml exists already",
    );
  });
});

describe("initRuntime", () => {
  test("needs a package, and does not replace without force", async () => {
    expect(await failure(initRuntime({ dir: ".", runtime: "node" }, context))).toMatchObject({ code: "not-a-project" });
    write("app/meta/package.yaml", MANIFEST);
    await initRuntime({ dir: "app", runtime: "node" }, context);
    expect(text("app/meta/run.yaml")).toBe(previewRuntime("node"));
    expect(await failure(initRuntime({ dir: "app", runtime: "java" }, context))).toMatchObject({
      code: "exists",
      exitCode: 73,
    });
    await initRuntime({ dir: "app", runtime: "java", plain: true, force: true }, context);
    expect(text("app/meta/run.yaml")).toBe(previewRuntime("java", { plain: true }));
  });
});

describe("runtimes and their templates", () => {
  test("four of them", () => {
    expect(runtimeNames).toEqual(["native", "node", "java", "python"]);
    expect(RUNTIMES.map((runtime) => runtime.dependencies)).toEqual([
      [],
      ["node-4.4.5"],
      ["openjdk8-zulu-compact1"],
      ["python-2.7"],
    ]);
    expect(failureOf(() => findRuntime("pyton"))).toMatchObject({ code: "unknown-runtime", exitCode: 64 });
  });

  test.each(runtimeNames)("%s: one line is left to fill in, and the error names it and what to put there", (name) => {
    for (const plain of [false, true]) {
      const template = previewRuntime(name, { plain });
      const key = name === "native" ? "bootcmd" : "main";
      const line = template.split("\n").findIndex((each) => each.trim() === `${key}:`) + 1;
      const error = failureOf(() => parseRunConfig(template, { name: "meta/run.yaml" }));
      expect(error.details).toEqual([]);
      expect(error.message).toMatch(
        new RegExp(`^meta/run\\.yaml:${line}:5: '${key}' has no value yet: write .*, for example '${key}: `),
      );
      const filled = parseRunConfig(template.replace(`${key}:\n`, `${key}: /x\n`), { name: "meta/run.yaml" });
      expect(filled).toMatchObject({ runtime: name, defaults: ["default"] });
    }
  });

  test.each(RUNTIMES.map((runtime) => [runtime.name, runtime] as const))(
    "%s: the template with all comments taken out is valid and names every key",
    (name, runtime) => {
      const lines = previewRuntime(name).split("\n");
      const uncommented = lines
        .filter((line) => !/^ *# ?[A-Z]/.test(line))
        .map((line) => line.replace(/^( *)# /, "$1"))
        .filter((line) => line.trim() !== "shell: true");
      const value = name === "native" ? "/x" : "/x.js";
      const config = uncommented.map((line) => line.replace(/(bootcmd|main):$/, `$1: ${value}`)).join("\n");
      expect(parseRunConfig(config, { name: "meta/run.yaml" }).sets.get("default")?.run).toMatchObject({
        chosen: true,
      });
      for (const key of [...runtime.keys, "env", "base"])
        expect(lines.join("\n")).toMatch(new RegExp(`^ *(# )?${key}:`, "m"));
    },
  );

  test.each(runtimeNames)("%s: plain means without comments and blank lines", (name) => {
    const plain = previewRuntime(name, { plain: true });
    expect(plain).not.toContain("#");
    expect(plain).not.toMatch(/\n\s*\n/);
    expect(plain).toContain("config_set_default: default\n");
  });
});
