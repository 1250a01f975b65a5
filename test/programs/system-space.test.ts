import { readFileSync, symlinkSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fileOfSystem, isMountedOver, isSystemPath, systemSpace } from "../../src/programs/system-space.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
const root = sandbox.path("root");

beforeAll(() => {
  sandbox.write({ "root/usr/lib/only-there": "there", "root/data/both": "there", "mine/file": "here" });
  symlinkSync("/usr/lib/only-there", `${root}/usr/lib/link`);
});

const content = (path: string, sysroot?: string) => {
  const found = systemSpace(sysroot).find(path);
  return found?.hostPath === undefined ? undefined : readFileSync(found.hostPath, "utf8");
};

test.each([
  ["/bin", true],
  ["/bin/x", true],
  ["/lib64/x", true],
  ["/libx32/x", true],
  ["/usr/local/bin/x", true],
  ["/opt/x", true],
  ["/etc/passwd", true],
  ["/binary", false],
  ["/home/me/usr/bin/x", false],
  ["/srv/x", false],
  ["/", false],
])("%s belongs to a system: %s", (path, expected) => {
  expect(isSystemPath(path)).toBe(expected);
});

test.each([
  ["/tmp", true],
  ["/tmp/x", true],
  ["/dev/x", true],
  ["/proc/x", true],
  ["/sys/x", true],
  ["/tmpfiles", false],
  ["/system", false],
  ["/var/tmp/x", false],
])("the guest mounts something over %s: %s", (path, expected) => {
  expect(isMountedOver(path)).toBe(expected);
});

test("another system's files are found there, its links followed inside it", () => {
  expect(content("/usr/lib/only-there", root)).toBe("there");
  expect(content("/usr/lib/link", root)).toBe("there");
  expect(content("/usr/lib/only-there")).toBeUndefined();
});

test("what belongs to a system is never taken from this machine", () => {
  expect(systemSpace(undefined).find("/usr/bin/env")).toBeDefined();
  expect(systemSpace(root).find("/usr/bin/env")).toBeUndefined();
  expect(systemSpace(root).list("/etc")).toBeUndefined();
});

test("a file of another system: by its name, and where it really lies", () => {
  const real = `${root}/usr/lib/only-there`;
  expect(fileOfSystem("/usr/lib/link", root)).toEqual({ named: `${root}/usr/lib/link`, hostPath: real });
  for (const path of ["/usr/lib", "/usr/bin/env", sandbox.path("mine/file")]) {
    expect(fileOfSystem(path, root)).toBeUndefined();
  }
  expect(fileOfSystem("/usr/bin/env", undefined)).toBeUndefined();
});

test("a user's own program lies beside the system; what the system has there goes before it", () => {
  const mine = sandbox.path("mine/file");
  expect(content(mine, root)).toBe("here");
  expect(systemSpace(root).list(sandbox.path("mine"))).toEqual(["file"]);
  expect(content("/data/both", root)).toBe("there");
});
