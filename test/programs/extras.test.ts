import { copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hostSpace } from "../../src/filesystems/host-space.ts";
import { parseExtras } from "../../src/programs/extras.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
const root = sandbox.path("root");

beforeAll(() => {
  sandbox.write(
    {
      "etc/ssl/certs/ca-certificates.crt": "certificate",
      "etc/passwd": "root",
      "etc/group": "root",
      "usr/lib/x86_64-linux-gnu/libnss_x.so.2": "no ELF",
      "home/me/conf/app.conf": "x",
      "home/me/odd:name": "x",
    },
    root,
  );
  mkdirSync(`${root}/usr/share/zoneinfo`, { recursive: true });
  copyFileSync(process.execPath, `${root}/usr/lib/x86_64-linux-gnu/plugin.so`);
  symlinkSync("plugin.so", `${root}/usr/lib/x86_64-linux-gnu/libplugin.so.1`);
});

const parse = (...values: readonly string[]) =>
  parseExtras(values, {
    space: hostSpace(root),
    cwd: "/home/me",
    libraryDirectories: ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"],
  });

test.each([
  ["certificates", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt", "file", false],
  ["time-zones", "/usr/share/zoneinfo", "/usr/share/zoneinfo", "folder", false],
  ["/etc/passwd", "/etc/passwd", "/etc/passwd", "file", false],
  ["conf", "/home/me/conf", "/conf", "folder", false],
  ["./conf/app.conf", "/home/me/conf/app.conf", "/conf/app.conf", "file", false],
  ["conf/app.conf:/etc/app.conf", "/home/me/conf/app.conf", "/etc/app.conf", "file", false],
  ["conf/app.conf:etc/app.conf", "/home/me/conf/app.conf", "/etc/app.conf", "file", false],
  ["odd:name", "/home/me/odd:name", "/odd:name", "file", false],
  ["libnss_x.so.2", "/usr/lib/x86_64-linux-gnu/libnss_x.so.2", "/usr/lib/libnss_x.so.2", "file", false],
  ["libplugin.so.1", "/usr/lib/x86_64-linux-gnu/libplugin.so.1", "/usr/lib/libplugin.so.1", "file", true],
])("--with %s", (value, source, target, kind, isElf) => {
  expect(parse(value)).toEqual([{ source, target, kind, isElf }]);
});

test("a group of files is all of them that are there", () => {
  expect(parse("users").map(({ target }) => target)).toEqual(["/etc/passwd", "/etc/group"]);
});

describe("what is not there is an error that says what to give", () => {
  test.each([
    ["services", "none of /etc/services, /etc/protocols is there"],
    ["certificate", "Did you mean 'certificates'"],
    ["libmissing.so.1", "there is no such library in"],
    ["/etc/none:/etc/x", "/etc/none is not there"],
  ])("%s", (value, part) => {
    try {
      parse(value);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: "no-such-file" });
      const { message, hint } = error as { message: string; hint: string };
      expect(`${message} ${hint}`).toContain(part);
    }
  });
});
