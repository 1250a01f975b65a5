import { describe, expect, test } from "vitest";

import { defaultDirectories } from "../../src/linker/interpreters.ts";
import { createLinker } from "../../src/linker/linker.ts";
import { CapstanError } from "../../src/support/errors.ts";
import { newCache } from "./build-cache.ts";
import { Root, type RootFiles } from "./root.ts";

const AARCH64 = { machine: 183 } as const;
const interpreter = "/lib/ld-linux-aarch64.so.1";
const linker = { ...AARCH64, soname: "ld-linux-aarch64.so.1", entry: 1 };
const program = { ...AARCH64, interpreter, needed: ["liba.so.1", "libc.so.6"], flags1: 0x8000000 };
const libc = { ...AARCH64, soname: "libc.so.6", needed: ["ld-linux-aarch64.so.1"] };
const liba = { ...AARCH64, soname: "liba.so.1", needed: ["libc.so.6"] };

describe("a root with a system for another machine", () => {
  const debian: RootFiles = {
    "usr/bin/app": program,
    lib: { to: "usr/lib" },
    "usr/lib/ld-linux-aarch64.so.1": { to: "/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1" },
    "usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1": linker,
    "usr/lib/aarch64-linux-gnu/libc.so.6": libc,
    "usr/lib/aarch64-linux-gnu/liba.so.1": { to: "/usr/lib/aarch64-linux-gnu/liba.so.1.2" },
    "usr/lib/aarch64-linux-gnu/liba.so.1.2": liba,
  };

  test("without a cache: Debian's directories, and absolute links stay in the root", () => {
    using root = new Root(debian);
    expect(root.lines("/usr/bin/app")).toEqual([
      "liba.so.1 => /lib/aarch64-linux-gnu/liba.so.1 (default)",
      "libc.so.6 => /lib/aarch64-linux-gnu/libc.so.6 (default)",
      "ld-linux-aarch64.so.1 => /lib/ld-linux-aarch64.so.1 (interpreter)",
    ]);
    const closure = root.closure("/usr/bin/app");
    expect(closure.libraries[0]?.realPath).toBe("/usr/lib/aarch64-linux-gnu/liba.so.1.2");
    expect(closure.interpreter).toMatchObject({
      path: interpreter,
      realPath: "/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1",
    });
    expect(closure.program.elf.machine).toBe("aarch64");
  });

  test("its cache, for its machine, is read", () => {
    const cache = newCache([
      { name: "liba.so.1", path: "/x86/liba.so.1", flags: 0x0303 },
      { name: "liba.so.1", path: "/opt/liba.so.1", flags: 0x0a03 },
      { name: "libc.so.6", path: "/gone/libc.so.6", flags: 0x0a03 },
    ]);
    using root = new Root({
      ...debian,
      "etc/ld.so.cache": cache,
      "opt/liba.so.1": liba,
      "x86/liba.so.1": { soname: "liba.so.1" },
    });
    expect(root.lines("/usr/bin/app").slice(0, 2)).toEqual([
      "liba.so.1 => /opt/liba.so.1 (cache)",
      "libc.so.6 => /lib/aarch64-linux-gnu/libc.so.6 (default)",
    ]);
  });

  test.each([
    ["there is none", {}],
    ["it is damaged", { "etc/ld.so.cache": "glibc-ld.so.cache1.1 and no more" }],
  ])("where the cache should be and %s, ld.so.conf takes its place", (_, more) => {
    using root = new Root({
      ...debian,
      ...more,
      "etc/ld.so.conf": "include /etc/ld.so.conf.d/*.conf",
      "etc/ld.so.conf.d/opt.conf": "/opt",
      "opt/liba.so.1": liba,
    });
    expect(root.lines("/usr/bin/app")[0]).toBe("liba.so.1 => /opt/liba.so.1 (cache)");
  });

  test("libraries of this machine are not taken for it", () => {
    using root = new Root({ "usr/bin/app": program, "lib64/liba.so.1": { soname: "liba.so.1" } });
    const { missing, interpreter: found } = root.closure("/usr/bin/app");
    expect(found).toBeUndefined();
    expect(missing).toEqual([
      { name: interpreter, neededBy: ["/usr/bin/app"], refused: [] },
      { name: "liba.so.1", neededBy: ["/usr/bin/app"], refused: [{ path: "/lib64/liba.so.1", why: "is for x86-64" }] },
      { name: "libc.so.6", neededBy: ["/usr/bin/app"], refused: [] },
    ]);
  });

  test("an interpreter that cannot be one is refused", () => {
    using root = new Root({ "usr/bin/app": program, "lib/ld-linux-aarch64.so.1": { machine: 62 } });
    expect(root.closure("/usr/bin/app").missing[0]).toEqual({
      name: interpreter,
      neededBy: ["/usr/bin/app"],
      refused: [{ path: interpreter, why: "is for x86-64" }],
    });
  });

  test("links in circles are nothing", () => {
    using root = new Root({
      ...debian,
      "usr/lib/libgone.so": { to: "libgone.so" },
      app: { ...program, needed: ["libgone.so"] },
    });
    expect(root.lines("/app")).toEqual(["libgone.so => not found"]);
  });

  test("libraries that need each other are each loaded once", () => {
    using root = new Root({
      app: { needed: ["liba.so"], flags1: 0x8000000 },
      "lib64/liba.so": { needed: ["libb.so", "liba.so"] },
      "lib64/libb.so": { needed: ["liba.so"] },
    });
    const { libraries } = root.closure("/app");
    expect(libraries.map(({ name, neededBy }) => [name, neededBy])).toEqual([
      ["liba.so", ["/app", "/lib64/liba.so", "/lib64/libb.so"]],
      ["libb.so", ["/lib64/liba.so"]],
    ]);
  });

  test("big-endian, with a cache of its own byte order", () => {
    const s390 = { machine: 22, byteOrder: "big" } as const;
    using root = new Root({
      app: { ...s390, interpreter: "/lib/ld64.so.1", needed: ["libc.so.6"] },
      "lib/ld64.so.1": { ...s390, soname: "ld64.so.1" },
      "opt/libc.so.6": { ...s390, soname: "libc.so.6" },
      "etc/ld.so.cache": newCache([{ name: "libc.so.6", path: "/opt/libc.so.6", flags: 0x0403 }], { byteOrder: "big" }),
    });
    expect(root.lines("/app")).toEqual(["libc.so.6 => /opt/libc.so.6 (cache)"]);
  });

  test("32 bit programs pass over 64 bit libraries", () => {
    const i386 = { machine: 3, bits: 32 } as const;
    using root = new Root({
      app: { ...i386, interpreter: "/lib/ld-linux.so.2", needed: ["libc.so.6"] },
      "lib/ld-linux.so.2": { ...i386, soname: "ld-linux.so.2" },
      "lib/i386-linux-gnu/libc.so.6": { soname: "libc.so.6" },
      "usr/lib/i386-linux-gnu/libc.so.6": { ...i386, soname: "libc.so.6" },
    });
    expect(root.lines("/app")).toEqual(["libc.so.6 => /usr/lib/i386-linux-gnu/libc.so.6 (default)"]);
  });

  test("subdirectories for better CPUs are for those who ask", () => {
    const files = { app: { needed: ["liba.so"] }, "lib64/liba.so": {}, "lib64/glibc-hwcaps/x86-64-v3/liba.so": {} };
    using root = new Root(files);
    expect(root.lines("/app")).toEqual(["liba.so => /lib64/liba.so (default)"]);
    expect(root.lines("/app", { hwcaps: ["x86-64-v4", "x86-64-v3"] })).toEqual([
      "liba.so => /lib64/glibc-hwcaps/x86-64-v3/liba.so (default)",
    ]);
  });

  test("what cannot be read is passed over, and told when nothing else is found", () => {
    using root = new Root({ app: { needed: ["liba.so"] }, "lib64/liba.so": {}, "usr/lib64/liba.so": {} });
    const closure = (...hidden: readonly string[]) => {
      const find = (path: string) => {
        const file = root.space.find(path);
        const open = () => {
          throw new CapstanError("permission denied", { code: "os-eacces" });
        };
        return file && hidden.includes(path) ? { ...file, open } : file;
      };
      return createLinker({ space: { ...root.space, find } }).closure("/app");
    };
    expect(closure("/lib64/liba.so").libraries[0]?.path).toBe("/usr/lib64/liba.so");
    expect(closure("/lib64/liba.so", "/usr/lib64/liba.so").missing[0]?.refused).toEqual([
      { path: "/lib64/liba.so", why: "cannot be read" },
      { path: "/usr/lib64/liba.so", why: "cannot be read" },
    ]);
    expect(() => closure("/app")).toThrow(expect.objectContaining({ code: "os-eacces" }));
  });

  test("relative directories and names are not looked for", () => {
    using root = new Root({
      app: { needed: ["liba.so", "./libb.so"], runpath: ":.:lib64" },
      "liba.so": {},
      "libb.so": {},
    });
    expect(root.lines("/app", { libraryPath: ["", "."] })).toEqual(["liba.so => not found", "./libb.so => not found"]);
  });
});

describe("the default directories", () => {
  const at = (files: RootFiles) => {
    using root = new Root(files);
    const { program: app } = root.closure("/app");
    return defaultDirectories(app.elf, root.space);
  };
  const app = { interpreter: "/lib64/ld-linux-x86-64.so.2", needed: [] };
  /** A linker with its directories in it. */
  const inside = (...paths: readonly string[]) =>
    `\x7fELF\x02\x01\x01 and code \0/var/tmp/\0text\0${paths.map((path) => `${path}\0`).join("")}/opt/etc/ld.so.cache\0`;

  test.each([
    ["Debian's", ["/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/", "/lib/", "/usr/lib/"]],
    ["Fedora's", ["/lib64/", "/usr/lib64/"]],
    ["Arch's", ["/usr/lib/"]],
    ["one of a folder of its own", ["/nix/store/a1-glibc-2.40/lib/", "/nix/store/b2-xgcc-13/lib/"]],
  ])("are read from the linker: %s", (_, paths) => {
    expect(at({ app, "lib64/ld-linux-x86-64.so.2": inside(...paths) })).toEqual(paths.map((path) => path.slice(0, -1)));
  });

  test.each([
    ["Debian's where its folder is there", { "usr/lib/x86_64-linux-gnu/x": "" }, 4],
    ["glibc's own elsewhere", { "usr/lib64/x": "" }, 2],
  ])("without the linker are %s", (_, files, count) => {
    expect(at({ app, ...files })).toHaveLength(count);
  });

  test("a library has those of its machine's linker", () => {
    const files = { app: { soname: "libapp.so" }, "lib64/ld-linux-x86-64.so.2": inside("/usr/lib/") };
    expect(at(files)).toEqual(["/usr/lib"]);
  });
});
