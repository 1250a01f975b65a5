import { expect, test } from "vitest";

import { defaultDirectories } from "../../src/linker/interpreters.ts";
import { Root, type RootFiles } from "./root.ts";

const interpreter = "/lib/ld-musl-x86_64.so.1";
const alpine: RootFiles = {
  "lib/ld-musl-x86_64.so.1": { soname: "libc.musl-x86_64.so.1", entry: 1 },
  "lib/libc.musl-x86_64.so.1": { to: "ld-musl-x86_64.so.1" },
};

test("the C library is the linker itself, under all its names", () => {
  using root = new Root({
    ...alpine,
    app: { interpreter, needed: ["libc.musl-x86_64.so.1", "libpthread.so.0", "libc.so"] },
  });
  expect(root.lines("/app")).toEqual([`libc.musl-x86_64.so.1 => ${interpreter} (interpreter)`]);
});

test("its own directories, in their order", () => {
  using root = new Root({
    ...alpine,
    app: { interpreter, needed: ["liba.so", "libb.so", "libx.so"] },
    "usr/lib/liba.so": {},
    "usr/local/lib/liba.so": {},
    "usr/lib/libb.so": {},
    "usr/lib64/libx.so": {},
  });
  expect(root.lines("/app")).toEqual([
    "liba.so => /usr/local/lib/liba.so (default)",
    "libb.so => /usr/lib/libb.so (default)",
    "libx.so => not found",
  ]);
});

test("the file that takes the place of its directories", () => {
  using root = new Root({
    ...alpine,
    "etc/ld-musl-x86_64.path": "/opt/one:/opt/two\n/opt/three\nrelative",
    app: { interpreter, needed: ["liba.so", "libb.so"] },
    "opt/three/liba.so": {},
    "usr/lib/libb.so": {},
  });
  expect(root.lines("/app")).toEqual(["liba.so => /opt/three/liba.so (default)", "libb.so => not found"]);
  expect(defaultDirectories(root.closure("/app").program.elf, root.space)).toEqual([
    "/opt/one",
    "/opt/two",
    "/opt/three",
  ]);
});

test("LD_LIBRARY_PATH first, then RPATH and RUNPATH alike, of all that asked", () => {
  using root = new Root({
    ...alpine,
    "bin/app": { interpreter, needed: ["liba.so"], runpath: "$ORIGIN/../lib1" },
    "lib1/liba.so": { needed: ["libb.so"], rpath: "$ORIGIN/../lib2" },
    "lib2/libb.so": { needed: ["libd.so"] },
    "lib1/libd.so": {},
    "lib3/libd.so": {},
  });
  const start = ["liba.so => /bin/../lib1/liba.so (runpath)", "libb.so => /bin/../lib1/../lib2/libb.so (rpath)"];
  expect(root.lines("/bin/app")).toEqual([...start, "libd.so => /bin/../lib1/libd.so (runpath)"]);
  expect(root.lines("/bin/app", { libraryPath: ["/lib3"] })).toEqual([
    ...start,
    "libd.so => /lib3/libd.so (library-path)",
  ]);
});

test("an RPATH with another token is none", () => {
  using root = new Root({
    ...alpine,
    app: { interpreter, needed: ["liba.so"], runpath: "/opt:/$LIB" },
    "opt/liba.so": {},
  });
  expect(root.lines("/app")).toEqual(["liba.so => not found"]);
});

test("SONAMEs mean nothing: the name of the file does", () => {
  using root = new Root({
    ...alpine,
    app: { interpreter, needed: ["liba.so", "libb.so", "libreal.so"] },
    "lib/liba.so": { soname: "libreal.so" },
    "lib/libb.so": { to: "liba.so" },
  });
  expect(root.lines("/app")).toEqual(["liba.so => /lib/liba.so (default)", "libreal.so => not found"]);
});

test("what is for another machine ends the search", () => {
  using root = new Root({
    ...alpine,
    app: { interpreter, needed: ["liba.so"] },
    "lib/liba.so": { machine: 183 },
    "usr/lib/liba.so": {},
  });
  expect(root.closure("/app").missing).toMatchObject([{ refused: [{ path: "/lib/liba.so", why: "is for aarch64" }] }]);
});

test("a library that needs musl's C library is a library for musl", () => {
  using root = new Root({
    ...alpine,
    "lib/liba.so": { soname: "liba.so", needed: ["libc.musl-x86_64.so.1", "libb.so"] },
    "usr/local/lib/libb.so": {},
  });
  expect(root.lines("/lib/liba.so")).toEqual([
    `libc.musl-x86_64.so.1 => ${interpreter} (interpreter)`,
    "libb.so => /usr/local/lib/libb.so (default)",
  ]);
});
