import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repository, Sandbox } from "../support/sandbox.ts";

const example = join(repository, "examples", "hello");
const recorded = readFileSync(join(repository, "guest", "prebuilt", "TOOLCHAIN"), "utf8");
const compiler = spawnSync("gcc", ["--version"], { encoding: "utf8" }).stdout?.split("\n")[0] ?? "";
const sameCompiler = compiler !== "" && recorded.includes(compiler);

test.skipIf(!sameCompiler)(
  `the committed programs of examples/hello are built from their source (with the compiler of guest/prebuilt/TOOLCHAIN)`,
  () => {
    using sandbox = new Sandbox();
    const copy = sandbox.path("hello");
    cpSync(example, copy, { recursive: true });
    for (const program of ["hello", "hello-static"]) rmSync(join(copy, program));
    const built = spawnSync("sh", [join(copy, "build.sh")], { encoding: "utf8" });
    expect(built.stderr).toBe("");
    for (const program of ["hello", "hello-static"]) {
      expect(readFileSync(join(copy, program)).equals(readFileSync(join(example, program))), program).toBe(true);
    }
  },
);
