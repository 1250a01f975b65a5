import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { lacksProgram } from "./machine.ts";
import type { Finished, RunOptions, Sandbox } from "./sandbox.ts";

/** Why guests cannot be booted here; undefined when they can. */
export function lacksGuests(...more: readonly string[]): string | undefined {
  if (process.arch !== "x64" || process.platform !== "linux") return "runs programs of Linux on x86-64";
  return lacksProgram("qemu-system-x86_64", ...more);
}

/** Puts a program of this machine into a folder at the paths that it has here, with its dynamic loader and libraries. */
export function addHostProgram(folder: string, program: string): void {
  const listed = execFileSync("ldd", [program]).toString();
  const libraries = [...listed.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path]) => path ?? "");
  for (const path of [program, ...libraries]) {
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(path, target);
  }
}

/** Compiles a C program into `path`. */
export function compile(path: string, source: string, flags: readonly string[] = []): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.c`, source);
  execFileSync("gcc", ["-O1", ...flags, "-o", path, `${path}.c`]);
  execFileSync("rm", [`${path}.c`]);
  return path;
}

/** Prints its arguments and those variables of its environment that tests set, ends with the status that EXIT names. */
export const REPORT = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
extern char **environ;
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        printf("argument: [%s]\\n", argv[i]);
    for (char **one = environ; *one; one++)
        if (!strncmp(*one, "TEST_", 5))
            printf("variable: [%s]\\n", *one);
    printf("done\\n");
    fflush(stdout);
    if (getenv("EXIT"))
        exit(atoi(getenv("EXIT")));
    return 0;
}
`;

/** Says that it runs, and then does nothing. */
export const SLEEP = `
#include <stdio.h>
int main(void)
{
    printf("waiting\\n");
    fflush(stdout);
    for (;;)
        __asm__ volatile("pause");
}
`;

/** A small machine: what guests of the tests get. */
export const SMALL = ["-m", "256M", "-c", "1"] as const;

/** Runs an image in a small machine; the console's lines come without the carriage returns of a serial port. */
export async function boot(sandbox: Sandbox, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const result = await sandbox.run(["run", ...SMALL, ...args], options);
  if (result.stdout === "") throw new Error(`nothing on the console, exit code ${result.code}: ${result.stderr}`);
  return { ...result, stdout: result.stdout.replaceAll("\r", "") };
}

/** The lines of a console that a program of the tests wrote. */
export function told(console: string): string[] {
  return console.split("\n").filter((line) => /^(?:argument|variable): \[|^done$/.test(line));
}

/** The two ways in which an image boots. */
export const ROADS: readonly (readonly [title: string, flags: readonly string[]])[] = [
  ["with its kernel booted directly", []],
  ["through the BIOS", ["--no-kernel"]],
];
