import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openDistribution } from "../../src/distributions/distribution.ts";
import { hostSpace } from "../../src/filesystems/host-space.ts";
import type { Sketch } from "../filesystems/trees.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { lz4Frame } from "./lz4-frame.ts";
import { system } from "./spaces.ts";

const status = `Package: libssl3
Status: install ok installed
Architecture: amd64
Version: 3.0.15-1

Package: libc6
Version: 2.36-9
`;

const debian = (more: Readonly<Record<string, Sketch>> = {}) =>
  system({
    "/lib": ["usr/lib"],
    "/lib64": ["usr/lib64"],
    "/usr/lib64/ld-linux-x86-64.so.2": ["/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"],
    "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": "elf",
    "/usr/lib/x86_64-linux-gnu/libc.so.6": "elf",
    "/usr/lib/x86_64-linux-gnu/libssl.so.3": "elf",
    "/var/lib/dpkg/status": status,
    "/var/lib/dpkg/info/libssl3:amd64.list": "/.\n/usr\n/usr/lib/x86_64-linux-gnu/libssl.so.3\n",
    "/var/lib/dpkg/info/libssl3:amd64.shlibs":
      "libcrypto 3 libssl3 (>= 3.0.0)\nlibcjson 1.7.15 libcjson1 (>= 1)\nudeb: libcrypto 3 libcrypto3-udeb\n",
    "/var/lib/dpkg/info/libc6:amd64.list":
      "/.\n/lib/x86_64-linux-gnu/libc.so.6\n/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n/lib64/ld-linux-x86-64.so.2\n",
    "/var/lib/dpkg/info/libblas3:amd64.list": "/usr/lib/x86_64-linux-gnu/blas/libblas.so.3\n",
    ...more,
  });

test("a version that is too long for one is none, however much stands behind it", () => {
  const status = `Package: libssl3\nVersion: ${"1".repeat(300)}\n${"\n".repeat(3_000_000)}`;
  const found = openDistribution(debian({ "/var/lib/dpkg/status": status }));
  expect(found?.ownerOf("/usr/lib/x86_64-linux-gnu/libssl.so.3")).toEqual({ name: "libssl3", version: undefined });
});

describe("who owns a file", () => {
  test.each([
    ["/usr/lib/x86_64-linux-gnu/libssl.so.3", "libssl3", "3.0.15-1"],
    ["/lib/x86_64-linux-gnu/libssl.so.3", "libssl3", "3.0.15-1"],
    ["/lib/x86_64-linux-gnu/libc.so.6", "libc6", "2.36-9"],
    ["/usr/lib/x86_64-linux-gnu/libc.so.6", "libc6", "2.36-9"],
    ["/lib64/ld-linux-x86-64.so.2", "libc6", "2.36-9"],
    ["/usr/lib64/ld-linux-x86-64.so.2", "libc6", "2.36-9"],
    ["/usr/lib/x86_64-linux-gnu/blas/libblas.so.3", "libblas3", undefined],
  ])("%s: %s", (path, name, version) => {
    expect(openDistribution(debian())?.ownerOf(path)).toEqual({ name, version });
  });

  test.each(["/usr/local/lib/libssl.so.3", "/nothing", "", "/var/lib/dpkg/status"])("nobody owns '%s'", (path) => {
    expect(openDistribution(debian())?.ownerOf(path)).toBeUndefined();
  });
});

const packages =
  "Package: libnode108\nVersion: 1\n\nPackage: zlib1g\nAuto-Built-Package: libhidden1\n\nPackage: libboost1.74t64\n";
const plugins =
  "usr/lib/bfd-plugins/libdep.so  devel/binutils\nusr/lib/libdep2/libdep2.so  x/wrong\nusr/lib/libdep2.so  x/right\n";
const contents =
  "usr/bin/other  a/b\nusr/lib/x86_64-linux-gnu/libfoo.so.9    libs/libfoo-nine,devel/other\nvar/x/libfoo.so.9 a/no\n";

describe("who would bring a file", () => {
  test.each<[name: string, provider: string | undefined, more?: Readonly<Record<string, Sketch>>]>([
    ["libssl.so.3", "libssl3"],
    ["libblas.so.3", undefined],
    ["libblas.so.3", "libblas3", { "/var/lib/dpkg/info/libblas3:amd64.shlibs": "libblas 3 libblas3\n" }],
    ["libdep.so", undefined, { "/var/lib/dpkg/info/binutils.list": "/usr/lib/bfd-plugins/libdep.so\n" }],
    ["libdep.so", undefined, { "/var/lib/apt/lists/deb_main_Contents-amd64": plugins }],
    ["libdep2.so", "right", { "/var/lib/apt/lists/deb_main_Contents-amd64": plugins }],
    ["libcrypto.so.3", "libssl3"],
    ["libcjson-1.7.15.so", "libcjson1"],
    ["libnode.so.108", undefined],
    ["libnode.so.108", "libnode108", { "/var/lib/apt/lists/deb_main_binary-amd64_Packages": packages }],
    ["libnode.so.108", "libnode108", { "/var/lib/apt/lists/deb_main_binary-amd64_Packages.lz4": lz4Frame(packages) }],
    ["libboost.so.1.74", "libboost1.74t64", { "/var/lib/apt/lists/deb_main_binary-amd64_Packages": packages }],
    ["libhidden.so.1", undefined, { "/var/lib/apt/lists/deb_main_binary-amd64_Packages": packages }],
    ["libnode.so.109", undefined, { "/var/lib/apt/lists/deb_main_binary-amd64_Packages": packages }],
    ["libfoo.so.9", "libfoo-nine", { "/var/lib/apt/lists/deb_main_Contents-amd64": contents }],
    ["libfoo.so.9", "libfoo-nine", { "/var/lib/apt/lists/deb_main_Contents-amd64.lz4": lz4Frame(contents) }],
    ["foo.so.9", undefined, { "/var/lib/apt/lists/deb_main_Contents-amd64": contents }],
    ["libnode.so.108", undefined, { "/var/lib/apt/lists/deb_main_binary-amd64_Packages.lz4": "no lz4 at all" }],
    [
      "libnode.so.108",
      undefined,
      { "/var/lib/apt/lists/deb_main_binary-amd64_Packages.lz4": lz4Frame(packages).subarray(0, 30) },
    ],
  ])("%s: %s", (name, provider, more) => {
    const distribution = openDistribution(debian(more));
    expect(distribution?.providerOf(name)).toBe(provider);
    expect(distribution?.providerOf(name)).toBe(provider);
  });
});

test("packages are installed with apt-get", () => {
  expect(openDistribution(debian())?.installCommand("libssl3")).toBe("apt-get install libssl3");
});

test("a system without records of packages is none that is known", () => {
  expect(openDistribution(system({ "/etc/os-release": "ID=other" }))).toBeUndefined();
});

describeUnless(lacksProgram("dpkg-query"))("this machine", () => {
  test("owners are those that dpkg names", () => {
    const distribution = openDistribution(hostSpace());
    const info = "/var/lib/dpkg/info";
    const lists = readdirSync(info).filter((name) => name.endsWith(".list"));
    const chosen = lists
      .filter((_, index) => index % Math.ceil(lists.length / 10) === 0)
      .map((name) => name.slice(0, -5));
    for (const name of chosen) {
      const path = execFileSync("dpkg-query", ["-L", name], { encoding: "utf8" })
        .split("\n")
        .findLast((line) => line.startsWith("/usr/share/doc/") && line.split("/").length > 5);
      if (path === undefined) continue;
      const owners = execFileSync("dpkg-query", ["-S", path], { encoding: "utf8" }).split("\n");
      const names = owners.flatMap((line) =>
        line
          .slice(0, line.indexOf(": /"))
          .split(", ")
          .map((owner) => owner.split(":", 1)[0]),
      );
      expect(names).toContain(distribution?.ownerOf(path)?.name);
    }
    const version = execFileSync("dpkg-query", ["-W", "-f", "$" + "{Version}", "libc6"], { encoding: "utf8" });
    expect(
      distribution?.ownerOf("/lib/x86_64-linux-gnu/libc.so.6") ??
        distribution?.ownerOf("/lib/aarch64-linux-gnu/libc.so.6"),
    ).toEqual({
      name: "libc6",
      version,
    });
  });
});
