import { expect, test } from "vitest";

import { treeSpace } from "../../src/filesystems/tree-space.ts";
import { createLinker } from "../../src/linker/linker.ts";
import { buildElf } from "../elf/build-elf.ts";
import { tree } from "../filesystems/trees.ts";
import { Root } from "./root.ts";

const osv = { rules: "osv" } as const;
const interpreter = "/lib64/ld-linux-x86-64.so.2";

test("in / and /usr/lib, and nowhere else; the interpreter is not asked for", () => {
  using root = new Root({
    app: { interpreter, needed: ["liba.so", "libb.so", "libx.so", "libc.so.6"] },
    "liba.so": {},
    "usr/lib/liba.so": {},
    "usr/lib/libb.so": {},
    "usr/lib/x86_64-linux-gnu/libx.so": {},
    "lib/x86_64-linux-gnu/libx.so": {},
    "etc/ld.so.conf": "/usr/lib/x86_64-linux-gnu",
  });
  const options = { ...osv, supplied: new Set(["libc.so.6"]), libraryPath: ["/lib/x86_64-linux-gnu"] };
  expect(root.lines("/app", options)).toEqual([
    "liba.so => /liba.so (default)",
    "libb.so => /usr/lib/libb.so (default)",
    "libx.so => not found",
  ]);
});

test("RUNPATH, or RPATH without one, of the object itself; its folder is the real one", () => {
  using root = new Root({
    "bin/app": { to: "/opt/app/bin/app" },
    "opt/app/bin/app": { needed: ["liba.so", "libb.so", "libd.so"], rpath: "/never", runpath: "$ORIGIN/../lib" },
    "opt/app/lib/liba.so": { to: "liba.so.1" },
    "opt/app/lib/liba.so.1": { needed: ["libd.so"], rpath: "$ORIGIN/more" },
    "opt/app/lib/more/libd.so": { needed: ["libb.so"] },
    "opt/app/lib/libb.so": {},
  });
  expect(root.lines("/bin/app", osv)).toEqual([
    "liba.so => /opt/app/lib/liba.so.1 (runpath)",
    "libd.so => /opt/app/lib/more/libd.so (rpath)",
    "libb.so => /opt/app/lib/libb.so (runpath)",
    // The program looks for libd.so as well, and libd.so for libb.so: each by its own directories alone.
    "libb.so => not found",
    "libd.so => not found",
  ]);
});

test("braces are not read", () => {
  using root = new Root({ app: { needed: ["liba.so"], runpath: `\${ORIGIN}/lib` }, "lib/liba.so": {} });
  expect(root.lines("/app", osv)).toEqual(["liba.so => not found"]);
});

test("each object is loaded with all that it needs, before the next; one of that SONAME is not looked for", () => {
  using root = new Root({
    app: { needed: ["liba.so", "libb.so", "liblast.so"] },
    "liba.so": { needed: ["libdeep.so"] },
    "libdeep.so": { soname: "libb.so" },
    "libb.so": {},
    "liblast.so": {},
  });
  expect(root.closure("/app", osv).libraries.map(({ name }) => name)).toEqual(["liba.so", "libdeep.so", "liblast.so"]);
});

test("the first file of the name is taken, whatever it is", () => {
  using root = new Root({ app: { needed: ["liba.so"] }, "liba.so": "a text", "usr/lib/liba.so": {} });
  expect(root.closure("/app", osv).missing).toEqual([
    { name: "liba.so", neededBy: ["/app"], refused: [{ path: "/liba.so", why: "is no ELF file" }] },
  ]);
});

test("in the tree of an image", () => {
  const image = tree({
    app: buildElf({ needed: ["liba.so"] }),
    usr: { lib: { "liba.so": ["liba.so.1"], "liba.so.1": buildElf({ needed: ["libb.so"] }), "libb.so": buildElf() } },
  });
  const { libraries, missing } = createLinker({ space: treeSpace(image, "the image"), ...osv }).closure("/app");
  expect(libraries.map(({ path }) => path)).toEqual(["/usr/lib/liba.so.1", "/usr/lib/libb.so"]);
  expect(missing).toEqual([]);
});

test("what a program opens is not looked for by the program's RUNPATH, but by its own", () => {
  using root = new Root({
    app: { runpath: "/plugins" },
    "plugins/libplugin.so": { needed: ["libb.so"], runpath: "$ORIGIN/more" },
    "plugins/more/libb.so": {},
    "usr/lib/libfound.so": {},
  });
  const linker = createLinker({ space: root.space, ...osv });
  const loadedBefore = linker.closure("/app");
  const open = (path: string) => linker.closure(path, { loadedBefore });
  expect(() => open("libplugin.so")).toThrow(expect.objectContaining({ code: "no-such-file" }));
  expect(open("libfound.so").program.path).toBe("/usr/lib/libfound.so");
  expect(open("/plugins/libplugin.so").libraries.map(({ path }) => path)).toEqual(["/plugins/more/libb.so"]);
});
