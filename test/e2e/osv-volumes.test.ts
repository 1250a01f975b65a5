import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compile, lacksGuests } from "../support/guest.ts";
import { describeUnless, findProgram } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const { CAPSTAN_TEST_LOADER: loader, CAPSTAN_TEST_KERNEL: kernel } = process.env;
const lacking =
  loader === undefined || kernel === undefined
    ? "set CAPSTAN_TEST_LOADER and CAPSTAN_TEST_KERNEL to a loader image and its kernel ELF"
    : (lacksGuests("gcc") ??
      [loader, kernel].filter((path) => !existsSync(path)).map((path) => `${path} is not there`)[0]);

/** Prints the sum of each file, tries to write the disks that it is told of, and says what came of it. */
const READER = `
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!strncmp(argv[i], "/dev/", 5)) {
            static char block[512] __attribute__((aligned(512)));
            int disk = open(argv[i], O_RDWR);
            strcpy(block, "written by the guest");
            printf("%s: %s\\n", argv[i], disk >= 0 && write(disk, block, 512) == 512 ? "written" : strerror(errno));
            continue;
        }
        FILE *file = fopen(argv[i], "rb");
        unsigned long hash = 5381, size = 0;
        int c;
        while (file && (c = fgetc(file)) != EOF) {
            hash = (hash * 33 + (unsigned long)c) & 0xffffffff;
            size++;
        }
        printf("%s: %s %lu %lu\\n", argv[i], file ? "read" : strerror(errno), size, hash);
    }
    printf("done\\n");
    return 0;
}
`;

function sum(bytes: Uint8Array): string {
  let hash = 5381;
  for (const byte of bytes) hash = (Math.imul(hash, 33) + byte) >>> 0;
  return `read ${bytes.length} ${hash}`;
}

const OLD = "/usr/lib/qemu/virtiofsd";
const lacksFolders =
  (findProgram("virtiofsd") ?? (existsSync("/usr/libexec/virtiofsd") ? "there" : undefined)) !== undefined ||
  (process.getuid?.() === 0 && existsSync(OLD))
    ? undefined
    : "virtiofsd not installed, or the old one and not root";

const sandbox = new Sandbox();
if (lacking !== undefined) sandbox.remove();
const big = randomBytes(1_000_003);
let cwd = "";

const lines = (output: string) => output.split(/\r?\n/).map((line) => line.trim());
const run = (args: readonly string[]) =>
  sandbox.ok(["run", "app", "-m", "256M", ...args], { cwd, env: { CAPSTAN_DISABLE_KVM: "1" } });

describeUnless(lacking)("on a real OSv", () => {
  beforeAll(async () => {
    await sandbox.ok(["import", "osv-loader", loader ?? "", "--kernel", kernel ?? ""]);
    cwd = sandbox.project("app", { "models/big": big, "models/deep/small": "small\n" });
    symlinkSync("deep/small", sandbox.path("app/models/link"));
    for (const folder of ["one", "two"]) mkdirSync(sandbox.path("app", folder));
    sandbox.write({ "app/.capstanignore": "/models\n/models/*\n" });
    compile(`${cwd}/reader`, READER, ["-fPIE", "-pie"]);
    await sandbox.ok(["package", "compose", "app", "--run", "/reader"], { cwd });
  });
  afterAll(() => sandbox.remove());

  test("a volume that was made with a file system is mounted and read", async () => {
    await sandbox.ok(["volume", "create", "models", "--fs", "rofs", "--from", "models"], { cwd });
    await sandbox.ok(["volume", "create", "packed", "--fs", "rofs", "--from", "models", "-f", "qcow2"], { cwd });
    const command =
      "--mount-fs=rofs,/dev/vblk1,/one --mount-fs=rofs,/dev/vblk2,/two /reader /one/big /one/link /two/big /two/deep/small";
    const output = await run(["--volume", "models:readonly", "--volume", "packed", "-e", command]);
    expect(lines(output)).toEqual(
      expect.arrayContaining([
        `/one/big: ${sum(big)}`,
        `/one/link: ${sum(Buffer.from("small\n"))}`,
        `/two/big: ${sum(big)}`,
        `/two/deep/small: ${sum(Buffer.from("small\n"))}`,
        "done",
      ]),
    );
  });

  test("what the guest writes to a volume is there afterwards", async () => {
    await sandbox.ok(["volume", "create", "raw", "-s", "1M"], { cwd });
    await sandbox.ok(["volume", "create", "cow", "-s", "1M", "-f", "qcow2"], { cwd });
    const output = await run(["--volume", "raw", "--volume", "cow", "-e", "/reader /dev/vblk1 /dev/vblk2"]);
    expect(lines(output)).toEqual(expect.arrayContaining(["/dev/vblk1: written", "/dev/vblk2: written"]));
    for (const name of ["raw", "cow"]) {
      const path = sandbox.path("app/volumes", name);
      const whole = sandbox.path(`${name}.whole`);
      execFileSync("qemu-img", ["convert", "-O", "raw", path, whole]);
      expect(execFileSync("head", ["-c", "20", whole]).toString()).toBe("written by the guest");
    }
  });

  describeUnless(lacksFolders)("folders of this machine", () => {
    test("are read in the guest", async () => {
      const mounts = ["--mount", "models:/one:ro", "--mount", "models/deep:/two"];
      const output = await run([...mounts, "-e", "/reader /one/big /one/link /two/small /one/none"]);
      expect(lines(output)).toEqual(
        expect.arrayContaining([
          `/one/big: ${sum(big)}`,
          `/one/link: ${sum(Buffer.from("small\n"))}`,
          `/two/small: ${sum(Buffer.from("small\n"))}`,
          expect.stringContaining("/one/none: No such file"),
        ]),
      );
      expect(sandbox.files("store/instances/qemu")).toEqual([]);
    });

    test("a place that is not in the image is told before the boot", async () => {
      const result = await sandbox.run(["run", "app", "--mount", "models:/nowhere"], { cwd });
      expect(result).toMatchObject({ code: 65, stdout: "" });
      expect(result.stderr).toContain("The image has no folder /nowhere to mount on");
    });
  });
});
