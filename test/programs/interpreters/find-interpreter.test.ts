import { afterAll, describe, expect, test } from "vitest";
import { type Asked, ELF, World } from "./world.ts";

const world = new World()
  .system({
    "usr/bin/lua5.1": ELF,
    "usr/bin/lua5.10": ELF,
    "usr/bin/lua5.9": ELF,
    "usr/bin/luac5.11": ELF,
    "usr/bin/awk": "#!/bin/sh\n",
    "usr/local/bin/frob": "#!/bin/sh\n",
    "usr/bin/frob": ELF,
    "opt/x/bin/frob": ELF,
    "home/u/.rbenv/shims/quux": "#!/bin/sh\n",
    "home/u/.rbenv/version": "2.0\n",
    "home/u/.rbenv/versions/1.0/bin/quux": ELF,
    "home/u/.rbenv/versions/2.0/bin/quux": ELF,
    "proj/.ruby-version": "1.0\n",
    "usr/bin/nodejs": ELF,
  })
  .user({
    "a.lua": "1",
    "frob.x": "#!/usr/bin/env frob\n",
    "path.x": "#!/opt/homebrew/bin/frob\n",
    "quux.x": "#!/usr/bin/env quux\n",
    "awk.x": "#!/usr/bin/awk -f\n",
    "none.x": "#!/usr/bin/env nothing\n",
    "a.js": "1",
  });
afterAll(() => world.remove());

const SHIMS = "/home/u/.rbenv/shims:/usr/bin";

test.each<[title: string, script: string, asked: Asked, path: string]>([
  ["only what is no wrapper", "frob.x", {}, "/usr/bin/frob"],
  ["a path that is not there, by its name", "path.x", {}, "/usr/bin/frob"],
  [
    "this machine's PATH first",
    "frob.x",
    { isThisMachine: true, env: { PATH: "relative:/opt/x/bin/" } },
    "/opt/x/bin/frob",
  ],
  ["PATH says nothing of another system", "frob.x", { env: { PATH: "/opt/x/bin" } }, "/usr/bin/frob"],
  ["the newest where no version is asked for", "a.lua", {}, "/usr/bin/lua5.10"],
  ["a name that a distribution gives it", "a.js", {}, "/usr/bin/nodejs"],
  ["the one that is asked for", "a.js", { interpreter: "/usr/bin/lua5.1" }, "/usr/bin/lua5.1"],
  [
    "through a shim, by its default",
    "quux.x",
    { isThisMachine: true, env: { PATH: SHIMS } },
    "/home/u/.rbenv/versions/2.0/bin/quux",
  ],
  [
    "through a shim, by the environment",
    "quux.x",
    { isThisMachine: true, env: { PATH: SHIMS, RBENV_VERSION: "1.0" } },
    "/home/u/.rbenv/versions/1.0/bin/quux",
  ],
  [
    "through a shim, by the folder",
    "quux.x",
    { isThisMachine: true, env: { PATH: SHIMS }, cwd: "/proj/deep" },
    "/home/u/.rbenv/versions/1.0/bin/quux",
  ],
])("%s", async (_, script, asked, path) => {
  expect((await world.application(script, asked)).executable.source).toBe(path);
});

describe("errors", () => {
  test.each<[script: string, asked: Asked, code: string, message: RegExp]>([
    ["none.x", {}, "interpreter-not-found", /is a script for nothing and needs 'nothing', but there is none in /],
    ["awk.x", {}, "interpreter-not-found", /\/usr\/bin\/awk is a script, no ELF program/],
    ["a.lua", { interpreter: "/usr/bin/gone" }, "interpreter-not-found", /is not in /],
    ["a.lua", { interpreter: "/usr/bin/awk" }, "interpreter-not-elf", /is no ELF program/],
    // What a version file holds is not a path to follow.
    [
      "quux.x",
      { isThisMachine: true, env: { PATH: SHIMS, RBENV_VERSION: "../../../../usr" } },
      "interpreter-not-found",
      /is a script/,
    ],
  ])("%s %j", async (script, asked, code, message) => {
    await expect(world.application(script, asked)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      hint: expect.any(String),
    });
  });
});
