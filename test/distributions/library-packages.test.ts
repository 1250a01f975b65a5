import { expect, test } from "vitest";
import { isInLibraryDirectory, libraryPackageNames } from "../../src/distributions/library-packages.ts";

test.each([
  ["libssl.so.3", "libssl3"],
  ["libX11.so.6", "libx11-6"],
  ["libstdc++.so.6", "libstdc++6"],
  ["libgcc_s.so.1", "libgcc-s1"],
  ["libevent-2.1.so.7", "libevent-2.1-7"],
  ["libpython3.11.so.1.0", "libpython3.11"],
  ["libgit2.so.1.5", "libgit2-1.5"],
  ["libLLVM-14.so.1", "libllvm-14-1"],
  ["libfoo.so.3", "libfoo3t64"],
  ["libfoo.so.3.2.1", "libfoo3"],
  ["libfoo-1.2.so", "libfoo-1.2"],
])("%s may be in %s", (file, name) => {
  expect(libraryPackageNames(file)).toContain(name);
});

test.each(["python3", "mod_ssl.so", "", "lib.txt", "libfoo.so.x", "a/libfoo.so.1"])(
  "'%s' is not named like a library",
  (file) => {
    expect(libraryPackageNames(file)).toEqual([]);
  },
);

test.each<[path: string, isThere: boolean]>([
  ["/usr/lib/x86_64-linux-gnu/libz.so.1", true],
  ["lib/aarch64-linux-gnu/libz.so.1", true],
  ["/lib64/libz.so.1", true],
  ["usr/lib/libz.so.1", true],
  ["/usr/lib/bfd-plugins/libdep.so", false],
  ["/usr/lib/x86_64-linux-gnu/blas/libblas.so.3", false],
  ["/usr/lib32/libz.so.1", false],
  ["/opt/lib/libz.so.1", false],
  ["/usr/bin/libz.so.1", false],
])("the linker finds %s: %s", (path, isThere) => {
  expect(isInLibraryDirectory(path)).toBe(isThere);
});
