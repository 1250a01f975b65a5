import { createHash, randomBytes } from "node:crypto";
import { cpSync, existsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { boot, compile, lacksGuests, REPORT, ROADS, told } from "../support/guest.ts";
import { describeUnless } from "../support/machine.ts";
import { repository, Sandbox } from "../support/sandbox.ts";

const { CAPSTAN_TEST_LOADER: loader, CAPSTAN_TEST_KERNEL: kernel } = process.env;
const lacking =
  loader === undefined || kernel === undefined
    ? "set CAPSTAN_TEST_LOADER and CAPSTAN_TEST_KERNEL to a loader image and its kernel ELF"
    : (lacksGuests("gcc") ??
      [loader, kernel].filter((path) => !existsSync(path)).map((path) => `${path} is not there`)[0]);

/** Sums of the bytes of each file that it is given, and of every file below a folder that it is given. */
const SUMS = `
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static void visit(const char *path)
{
    struct stat st;
    if (lstat(path, &st)) {
        printf("argument: [%s missing]\\n", path);
        return;
    }
    if (S_ISLNK(st.st_mode)) {
        char target[4096];
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = 0;
        printf("argument: [%s -> %s]\\n", path, target);
    } else if (S_ISDIR(st.st_mode)) {
        DIR *directory = opendir(path);
        struct dirent *entry;
        while (directory && (entry = readdir(directory))) {
            char below[8192];
            if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
                continue;
            snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
            visit(below);
        }
        if (directory)
            closedir(directory);
    } else {
        FILE *file = fopen(path, "rb");
        unsigned long hash = 5381, size = 0;
        int c;
        while (file && (c = fgetc(file)) != EOF) {
            hash = (hash * 33 + (unsigned long)c) & 0xffffffff;
            size++;
        }
        if (file)
            fclose(file);
        printf("argument: [%s %lu %lu]\\n", path, size, hash);
    }
}
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        visit(argv[i]);
    printf("done\\n");
    return 0;
}
`;

function sum(bytes: Uint8Array): string {
  let hash = 5381;
  for (const byte of bytes) hash = (Math.imul(hash, 33) + byte) >>> 0;
  return `${bytes.length} ${hash}`;
}

const sandbox = new Sandbox();
// Where every test is skipped, nothing runs after them.
if (lacking !== undefined) sandbox.remove();
const cwd = sandbox.path("app");
const PIE = ["-fPIE", "-pie"];

describeUnless(lacking)("on a real OSv", () => {
  const sizes = [0, 1, 511, 512, 513, 4095, 4096, 4097, 32767, 32768, 32769, 1_000_000];
  const contents = new Map(sizes.map((size) => [`/data/size-${size}`, randomBytes(size)]));
  const deep = `/deep/${Array.from({ length: 40 }, (_, index) => `level-${index}`).join("/")}/file`;
  const named = `/data/${"n".repeat(255)}`;

  beforeAll(async () => {
    await sandbox.ok(["import", "osv-loader", loader ?? "", "--kernel", kernel ?? ""]);
    sandbox.project("app", {
      "meta/run.yaml": `runtime: native
config_set:
  one:
    bootcmd: /report one "two words" ""
    env: {TEST_SET: one, TEST_BLANK: "b c", TEST_REF: $TEST_SET}
  two:
    bootcmd: /report two
    env: {TEST_TWO: two}
  multi:
    bootcmd: |
      /report first
      /report second
config_set_default: one
`,
      ...Object.fromEntries([...contents].map(([path, bytes]) => [path.slice(1), bytes])),
      [deep.slice(1)]: "deep\n",
      [named.slice(1)]: "named\n",
      "data/é ü": "non-ASCII\n",
    });
    compile(`${cwd}/report`, REPORT, PIE);
    compile(`${cwd}/sums`, SUMS, PIE);
    const links = {
      "links/absolute": "/data/size-513",
      "links/relative": "../data/size-1",
      "links/dangling": "/nowhere",
      "links/loop": "loop",
    };
    sandbox.write({ "app/links/file": "beside the links\n" });
    for (const [path, target] of Object.entries(links)) symlinkSync(target, join(cwd, path));
    await sandbox.ok(["package", "compose", "app"], { cwd });
    cpSync(join(repository, "examples/hello"), sandbox.path("hello"), { recursive: true });
  }, 120_000);

  for (const [title, road] of ROADS) {
    describe.concurrent(title, () => {
      const run = (...args: readonly string[]) => boot(sandbox, ["app", ...road, ...args]);

      test("examples/hello", async () => {
        const { stdout, code } = await boot(sandbox, road, { cwd: sandbox.path("hello") });
        expect(stdout).toContain("Hello, unikernel!\nargument: [one]\nargument: [two words]\n");
        expect(code).toBe(0);
      });

      test("arguments and environment of a set, with blanks, empty, and one that refers to another", async () => {
        const { stdout, code } = await run();
        expect(told(stdout)).toEqual([
          "argument: [one]",
          "argument: [two words]",
          "argument: []",
          ...["variable: [TEST_SET=one]", "variable: [TEST_BLANK=b c]", "variable: [TEST_REF=one]"],
          "done",
        ]);
        expect(code).toBe(0);
      });

      test("--env has any text: blanks, $, quotes, backslashes, other letters, nothing", async () => {
        const values = { TEST_SET: "it's $5", TEST_Q: '"q" \\ é;&!', TEST_NONE: "", TEST_TAB: "a\tb" };
        const flags = Object.entries(values).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
        const { stdout } = await run("-e", '/report "$TEST_SET"', ...flags);
        const lines = told(stdout);
        expect(lines[0]).toBe("argument: [it's $5]");
        for (const [name, value] of Object.entries(values)) expect(lines).toContain(`variable: [${name}=${value}]`);
      });

      test("words with every special character of the grammar", async () => {
        const { stdout } = await run("-e", '/report "a;b & c!" "say \\"x\\"" C:\\\\x "" # -x --y=z');
        const words = ["a;b & c!", 'say "x"', "C:\\x", "", "#", "-x", "--y=z"];
        const lines = told(stdout).filter((line) => line.startsWith("argument"));
        expect(lines).toEqual(words.map((word) => `argument: [${word}]`));
      });

      test("several sets, and one of several lines", async () => {
        const { stdout } = await run("--boot", "two", "--boot", "multi");
        const lines = told(stdout).filter((line) => line.startsWith("argument"));
        expect(lines).toEqual(["argument: [two]", "argument: [first]", "argument: [second]"]);
      });

      test("files of all sizes have their bytes", async () => {
        const { stdout } = await run("-e", `/sums ${[...contents.keys()].join(" ")}`);
        const expected = [...contents].map(([path, bytes]) => `argument: [${path} ${sum(bytes)}]`);
        expect(told(stdout)).toEqual([...expected, "done"]);
      });

      test("deep folders, long and non-ASCII names, links", async () => {
        const { stdout } = await run("-e", `/sums /deep ${named} /links /data`);
        const lines = told(stdout);
        expect(lines).toContain(`argument: [${deep} ${sum(Buffer.from("deep\n"))}]`);
        expect(lines).toContain(`argument: [${named} ${sum(Buffer.from("named\n"))}]`);
        expect(lines).toContain(`argument: [/data/é ü ${sum(Buffer.from("non-ASCII\n"))}]`);
        expect(lines).toContain("argument: [/links/absolute -> /data/size-513]");
        expect(lines).toContain("argument: [/links/relative -> ../data/size-1]");
        expect(lines).toContain("argument: [/links/dangling -> /nowhere]");
        expect(lines).toContain("argument: [/links/loop -> loop]");
        expect(lines.at(-1)).toBe("done");
      });

      test("the base files: /tmp can be written to, /etc/hosts is there", async () => {
        const { stdout } = await run("-e", "/sums /etc/hosts /etc/mnttab /tmp");
        expect(told(stdout)[0]).toMatch(/^argument: \[\/etc\/hosts 20 \d+\]$/);
        expect(told(stdout)).toContain("argument: [/etc/mnttab -> /proc/mounts]");
      });

      test("an exit status makes exit code 1, where the kernel tells it: with its --verbose alone", async () => {
        const { code, stdout, stderr } = await run("-e", "--verbose /report", "--env", "EXIT=3");
        expect(stdout).toContain("done\n");
        expect(stderr).toContain("ended with exit status 3");
        expect(code).toBe(1);
      });

      test("a missing program: exit code 1, and what to do about it", async () => {
        const { code, stderr } = await run("-e", "/nope");
        expect(code).toBe(1);
        expect(stderr).toContain("The boot command starts /nope, which is not in the image.");
      });
    });
  }

  test("composed twice, the same bytes", async () => {
    const before = createHash("sha256")
      .update(await sandbox.ok(["image", "ls", "-R", "app"]))
      .digest("hex");
    await sandbox.ok(["package", "compose", "app2"], { cwd });
    const after = createHash("sha256")
      .update(await sandbox.ok(["image", "ls", "-R", "app2"]))
      .digest("hex");
    expect(after).toBe(before);
  });
});

afterAll(() => sandbox.remove());
