import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { openDistribution } from "../../src/distributions/distribution.ts";
import { system } from "./spaces.ts";

const installed = `C:Q1abc=
P:libssl3
V:3.1.4-r5
A:x86_64
p:so:libssl.so.3=3 so:libother.so.1=1.0
F:lib
R:libssl.so.3
a:0:0:755
Z:Q1xyz=

P:busybox
V:1.36.1-r5
p:/bin/sh cmd:busybox=1.36.1-r5
F:
R:linuxrc
F:bin
R:busybox

P:broken
R
F
`;

test("what is too long for a name or a version is none", () => {
  const text = `P:${"n".repeat(300)}\nV:1\nF:bin\nR:a\n\nP:short\nV:${"1".repeat(300)}\nF:bin\nR:b\n${"\n".repeat(3_000_000)}`;
  const found = openDistribution(system({ "/lib/apk/db/installed": text }));
  expect(found?.ownerOf("/bin/a")).toBeUndefined();
  expect(found?.ownerOf("/bin/b")).toEqual({ name: "short", version: undefined });
});

const index =
  "C:Q1=\nP:zlib\nV:1.3\nT:so:libcurl.so.4=4\np:so:libz.so.1=1.3\n\nC:Q1=\nP:libcurl\nV:8\np:so:libcurl.so.4=4.8.0 pc:x\n";

const alpine = system({
  "/lib/apk/db/installed": installed,
  "/lib/libssl.so.3": "elf",
  "/usr/lib/libssl.so.3": ["../../lib/libssl.so.3"],
  "/var/cache/apk/APKINDEX.1234.tar.gz": gzipSync(index),
  "/var/cache/apk/APKINDEX.bad.tar.gz": "no gzip",
});

test.each([
  ["/lib/libssl.so.3", "libssl3", "3.1.4-r5"],
  ["/usr/lib/libssl.so.3", "libssl3", "3.1.4-r5"],
  ["/bin/busybox", "busybox", "1.36.1-r5"],
  ["/linuxrc", "busybox", "1.36.1-r5"],
])("%s is of %s", (path, name, version) => {
  expect(openDistribution(alpine)?.ownerOf(path)).toEqual({ name, version });
});

test.each([
  ["libssl.so.3", "libssl3"],
  ["libother.so.1", "libssl3"],
  ["busybox", "busybox"],
  ["libz.so.1", "zlib"],
  ["libcurl.so.4", "libcurl"],
  ["libnothing.so.1", undefined],
])("%s comes with %s", (name, provider) => {
  expect(openDistribution(alpine)?.providerOf(name)).toBe(provider);
});

test("what no package has, and how packages are installed", () => {
  expect(openDistribution(alpine)?.ownerOf("/etc/hosts")).toBeUndefined();
  expect(openDistribution(alpine)?.installCommand("zlib")).toBe("apk add zlib");
});
