import { existsSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readKernel } from "../../src/kernels/kernel.ts";
import { patterned } from "../filesystems/trees.ts";
import { compile, lacksGuests } from "../support/guest.ts";
import { describeUnless } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const { CAPSTAN_TEST_LOADER: loader, CAPSTAN_TEST_KERNEL: kernel } = process.env;
const lacking =
  loader === undefined || kernel === undefined
    ? "set CAPSTAN_TEST_LOADER and CAPSTAN_TEST_KERNEL to a loader image and its kernel ELF"
    : (lacksGuests("gcc") ??
      [loader, kernel].filter((path) => !existsSync(path)).map((path) => `${path} is not there`)[0] ??
      (readKernel({ name: "the loader", image: loader, elf: kernel }).can.zfs === false
        ? "the loader has no ZFS in it"
        : undefined));

/** Prints the sum of each file below /data with its size, mode and number of names; or writes files, reads them, removes them. */
const GUEST = `
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static unsigned long sum(FILE *file, unsigned long *size)
{
    unsigned long hash = 5381;
    for (int c; file && (c = fgetc(file)) != EOF; (*size)++)
        hash = (hash * 33 + (unsigned long)c) & 0xffffffff;
    return hash;
}
static void list(const char *folder)
{
    DIR *open = opendir(folder);
    for (struct dirent *one; open && (one = readdir(open)) != 0;) {
        char path[4096], target[4096] = "";
        struct stat about;
        if (!strcmp(one->d_name, ".") || !strcmp(one->d_name, ".."))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, one->d_name);
        if (lstat(path, &about))
            printf("%s: %s\\n", path, strerror(errno));
        else if (S_ISDIR(about.st_mode))
            list(path);
        else if (S_ISLNK(about.st_mode))
            printf("%s: link of %d\\n", path, (int)readlink(path, target, sizeof target));
        else {
            FILE *file = fopen(path, "rb");
            unsigned long size = 0, hash = sum(file, &size);
            printf("%s: %lu %lu %o\\n", path, size, hash, about.st_mode & 07777);
            fclose(file);
        }
    }
    closedir(open);
}
int main(int argc, char **argv)
{
    int bad = 0;
    char path[64];
    if (!strcmp(argv[1], "list"))
        list("/data");
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "/data/many/new-%d", i);
        if (!strcmp(argv[1], "write")) {
            FILE *file = fopen(path, "wb");
            for (int k = 0; file && k < i * 997; k++)
                fputc(i + k, file);
            bad += !file || fclose(file);
        } else if (!strcmp(argv[1], "check")) {
            FILE *file = fopen(path, "rb");
            for (int k = 0; file && k < i * 997; k++)
                if (fgetc(file) != ((i + k) & 255)) { bad++; break; }
            bad += !file || fgetc(file) != EOF || fclose(file);
        } else if (!strcmp(argv[1], "remove"))
            bad += unlink(path) != 0;
    }
    sync();
    printf("%s: %d bad\\ndone\\n", argv[1], bad);
    return 0;
}
`;

function sum(bytes: Uint8Array): string {
  let hash = 5381;
  for (const byte of bytes) hash = (Math.imul(hash, 33) + byte) >>> 0;
  return `${bytes.length} ${hash}`;
}

const sandbox = new Sandbox();
if (lacking !== undefined) sandbox.remove();

const lines = (output: string) => output.split(/\r?\n/).map((line) => line.trim());
const boot = (...command: readonly string[]) =>
  sandbox.ok(["run", "app", "-m", "512M", "--name", "kept", "--persist", "--execute", `/guest ${command.join(" ")}`]);

describeUnless(lacking)("a ZFS root on a real OSv", () => {
  const files: Record<string, Uint8Array> = {};

  beforeAll(async () => {
    await sandbox.ok(["import", "osv-loader-with-zfs", loader ?? "", "--kernel", kernel ?? ""]);
    for (const size of [0, 1, 512, 131_072, 131_073, 300_000, 3_000_000]) files[`s${size}`] = patterned(size, size);
    for (let index = 0; index < 2500; index++) files[`many/file-${index}`] = Buffer.from(`${index}`);
    const folder = sandbox.project(
      "app",
      Object.fromEntries(Object.entries(files).map(([path, bytes]) => [`data/${path}`, bytes])),
    );
    compile(`${folder}/guest`, GUEST, ["-fPIE", "-pie"]);
    await sandbox.ok(["package", "compose", "app", "--run", "/guest list", "--fs", "zfs", "--size", "256M"], {
      cwd: folder,
    });
  });
  afterAll(() => sandbox.remove());

  test("has every file as it was", async () => {
    const listed = lines(await sandbox.ok(["run", "app", "-m", "512M"])).filter((line) => line.startsWith("/data/"));
    const expected = Object.entries(files).map(([path, bytes]) => `/data/${path}: ${sum(bytes)} 644`);
    expect(listed.sort()).toEqual(expected.sort());
  }, 300_000);

  test("keeps what is written to it, from one boot to the next", async () => {
    for (const step of ["write", "check", "check", "remove"]) {
      expect(lines(await boot(step))).toContain(`${step}: 0 bad`);
    }
    const listed = lines(await boot("list")).filter((line) => line.startsWith("/data/"));
    expect(listed).toHaveLength(Object.keys(files).length);
  }, 600_000);
});
