import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readElfFile } from "../../src/elf/reader.ts";
import { openHostFile } from "../../src/filesystems/host-space.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const SOURCE = `
static int hidden;
const char *const text = "text";
int *nowhere;
int count = 3;
char padding[1000] = {1};
const void *const table[130] = { [0] = &hidden, [129] = &hidden };
struct { long number; int *pointer; } both = { 7, &hidden };
long behind = 7;
`;

describeUnless(lacksProgram("gcc"))("variables with addresses in them", () => {
  const sandbox = new Sandbox();
  afterAll(() => sandbox.remove());

  test.each([
    ["as they always were", []],
    // Older linkers do not know it, and warn.
    ["packed", ["-Wl,-z,pack-relative-relocs"]],
  ])("relocations %s", (name, options) => {
    const source = join(sandbox.dir, "it.c");
    writeFileSync(source, SOURCE);
    const path = join(sandbox.dir, `${name}.so`);
    execFileSync("gcc", ["-shared", "-fPIC", "-nostdlib", ...options, "-o", path, source], { stdio: "ignore" });
    const elf = readElfFile({ realPath: path, open: () => openHostFile(path) });
    expect([...elf.relocatedVariables()].sort()).toEqual(["both", "table", "text"]);
  });
});
