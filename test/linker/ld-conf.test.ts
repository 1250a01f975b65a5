import { expect, test } from "vitest";

import { hostSpace } from "../../src/filesystems/host-space.ts";
import { readLdConf } from "../../src/linker/ld-conf.ts";
import { Sandbox } from "../support/sandbox.ts";

function directories(files: Readonly<Record<string, string>>): readonly string[] {
  using sandbox = new Sandbox();
  return readLdConf(hostSpace(sandbox.write(files)));
}

test("directories, comments and includes in the order of the names", () => {
  expect(
    directories({
      "etc/ld.so.conf": "# first\n/opt/lib/ # here\n\ninclude ld.so.conf.d/*.conf\n  /usr/local/lib\n",
      "etc/ld.so.conf.d/b.conf": "/b\n/opt/lib\n",
      "etc/ld.so.conf.d/a.conf": "/a",
      "etc/ld.so.conf.d/.hidden.conf": "/hidden",
      "etc/ld.so.conf.d/c.conf.old": "/old",
    }),
  ).toEqual(["/opt/lib", "/a", "/b", "/usr/local/lib"]);
});

test("what has no meaning any more, or none at all, is passed over", () => {
  const lines = ["hwcap 1 nosegneg", "/lib=libc6", "relative/lib", "include", "include /nowhere/*.conf", "/"];
  expect(directories({ "etc/ld.so.conf": lines.join("\n") })).toEqual(["/lib", "/"]);
});

test("several patterns on a line, absolute ones, and those for one character", () => {
  expect(
    directories({
      "etc/ld.so.conf": "include\t/srv/*/?.conf one/[a-c!]x[!0-9].conf",
      "srv/deep/1.conf": "/one",
      "srv/deep/12.conf": "/twelve",
      "etc/one/axz.conf": "/axz",
      "etc/one/dxz.conf": "/dxz",
      "etc/one/bx1.conf": "/bx1",
    }),
  ).toEqual(["/one", "/axz"]);
});

test("circles end", () => {
  const files = { "etc/ld.so.conf": "include *.conf\n/a\ninclude b", "etc/b": "include ld.so.conf\n/b" };
  expect(directories(files)).toEqual(["/a", "/b"]);
});

test("a pattern that was made to take long does not", () => {
  const name = "a".repeat(200);
  const files = { "etc/ld.so.conf": `include ${"*a".repeat(100)}*b`, [`etc/${name}`]: "/a" };
  expect(directories(files)).toEqual([]);
});

test("without the file there are none", () => {
  expect(directories({})).toEqual([]);
});
