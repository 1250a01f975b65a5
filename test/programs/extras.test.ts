import { chmodSync, copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hostSpace } from "../../src/filesystems/host-space.ts";
import { elfFilesAt, parseExtras } from "../../src/programs/extras.ts";
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
      "tmp/x": "x",
      "sys/x": "x",
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
  ["certificates", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt", "file"],
  ["time-zones", "/usr/share/zoneinfo", "/usr/share/zoneinfo", "folder"],
  ["/etc/passwd", "/etc/passwd", "/etc/passwd", "file"],
  ["conf", "/home/me/conf", "/conf", "folder"],
  ["./conf/app.conf", "/home/me/conf/app.conf", "/conf/app.conf", "file"],
  ["conf/app.conf:/etc/app.conf", "/home/me/conf/app.conf", "/etc/app.conf", "file"],
  ["conf/app.conf:etc/app.conf", "/home/me/conf/app.conf", "/etc/app.conf", "file"],
  ["conf/app.conf:/usr/lib/", "/home/me/conf/app.conf", "/usr/lib/app.conf", "file"],
  ["conf/app.conf:/", "/home/me/conf/app.conf", "/app.conf", "file"],
  ["conf:/etc/", "/home/me/conf", "/etc", "folder"],
  ["/tmp/x:/tmpfiles/x", "/tmp/x", "/tmpfiles/x", "file"],
  ["odd:name", "/home/me/odd:name", "/odd:name", "file"],
  ["libnss_x.so.2", "/usr/lib/x86_64-linux-gnu/libnss_x.so.2", "/usr/lib/libnss_x.so.2", "file"],
  ["libplugin.so.1", "/usr/lib/x86_64-linux-gnu/libplugin.so.1", "/usr/lib/libplugin.so.1", "file"],
])("--with %s", (value, source, target, kind) => {
  expect(parse(value)).toEqual([{ source, target, kind }]);
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

describe("a place that the guest mounts over is an error, with advice", () => {
  test.each([
    ["conf:/tmp"],
    ["conf:/tmp/conf"],
    ["conf/app.conf:/tmp/"],
    ["conf/app.conf:tmp/x"],
    ["conf/app.conf:/dev/x"],
    ["conf/app.conf:/usr/../proc/x"],
    ["conf/app.conf:/sys/x"],
    ["/tmp/x"],
    ["/sys/x"],
    ["../../tmp/x"],
  ])("%s", (value) => {
    expect(() => parse(value)).toThrow(
      expect.objectContaining({
        code: "bad-target",
        message: expect.stringContaining("is mounted anew"),
        hint: expect.stringMatching(/--with \S+:\/data\/\S+$/),
      }),
    );
  });
});

describe("two of them for one place", () => {
  test.each([
    [
      ["conf", "odd:name:/conf"],
      ["--with conf ", "--with odd:name:/conf "],
    ],
    [
      ["users", "conf/app.conf:/etc/passwd"],
      ["--with users ", "--with conf/app.conf:/etc/passwd "],
    ],
  ])("%j are an error that names both", (values, parts) => {
    expect.assertions(3);
    try {
      parse(...values);
    } catch (error) {
      expect(error).toMatchObject({ code: "bad-target" });
      for (const part of parts) expect((error as Error).message).toContain(part);
    }
  });

  test("the same thing twice is once", () => {
    expect(parse("conf", "./conf", "users", "/etc/passwd").map(({ target }) => target)).toEqual([
      ...["/conf", "/etc/passwd", "/etc/group"],
    ]);
  });
});

describe("ELF files", () => {
  beforeAll(() => {
    const magic = "\x7fELF and more";
    const files = {
      ...{ "plug/z.so": magic, "plug/deep/a.so.1": magic, "plug/addon.node": magic, "plug/run": magic },
      ...{ "plug/data": magic, "plug/text.so": "no ELF", "plug/empty.so": "", "outside/o.so": magic },
    };
    sandbox.write(files, root);
    chmodSync(`${root}/plug/run`, 0o755);
    symlinkSync("..", `${root}/plug/deep/up`);
    symlinkSync("/outside", `${root}/plug/out`);
    symlinkSync("z.so", `${root}/plug/link.so`);
  });

  const at = (path: string, limit = 100) => elfFilesAt(path, hostSpace(root), limit);

  test("of a folder: libraries, addons and programs, without what links lead to", () => {
    expect(at("/plug").toSorted()).toEqual(["/plug/addon.node", "/plug/deep/a.so.1", "/plug/run", "/plug/z.so"]);
  });

  test("of a file: itself, by whatever name", () => {
    expect([at("/plug/data"), at("/plug/text.so"), at("/nothere")]).toEqual([["/plug/data"], [], []]);
  });

  test("no more than the limit", () => {
    expect(at("/plug", 2)).toHaveLength(2);
  });
});
