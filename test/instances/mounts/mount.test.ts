import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkMounts, formatMount, parseMount, readMount } from "../../../src/instances/mounts/mount.ts";
import { temporaryFolder } from "../../hypervisors/tiny-guest.ts";

const folder = temporaryFolder();
mkdirSync(join(folder, "src"));
mkdirSync(join(folder, "with:colon"));
mkdirSync(join(folder, "ro"));
writeFileSync(join(folder, "file"), "");

test.each([
  ["src:/data", { source: "src", target: "/data", readonly: false }],
  ["./src:/data:ro", { source: "src", target: "/data", readonly: true }],
  ["src:/data:rw", { source: "src", target: "/data", readonly: false }],
  ["src/:/data/deep/", { source: "src", target: "/data/deep", readonly: false }],
  ["src:/a//b", { source: "src", target: "/a/b", readonly: false }],
  ["with:colon:/data:ro", { source: "with:colon", target: "/data", readonly: true }],
  ["ro:/ro", { source: "ro", target: "/ro", readonly: false }],
  [".:/here", { source: ".", target: "/here", readonly: false }],
])("%s", (text, { source, ...rest }) => {
  expect(parseMount(text, folder)).toEqual({ source: join(folder, source), ...rest });
});

test.each([
  ["", "the place in the guest is missing"],
  ["src", "the place in the guest is missing"],
  ["src:", "has to begin with a slash"],
  [":/data", "has to begin with a slash"],
  ["src:data", "has to begin with a slash"],
  ["src:/", "the guest's root is its image"],
  ["src://", "the guest's root is its image"],
  ["src:/a/../b", "holds '.' or '..'"],
  ["src:/a/./b", "holds '.' or '..'"],
  ["src:/a,b", "a comma"],
  ["src:/a b", "a blank"],
  ["src:/a;poweroff", "a quote or the like"],
  ["src:/$HOME", "a quote or the like"],
  ["src:/data:rx", "'rx' is neither ro nor rw"],
  ["file:/data", "is not a folder"],
])("'%s' is refused", (text, why) => {
  expect(() => parseMount(text, folder)).toThrow(
    expect.objectContaining({ code: "bad-mount", exitCode: 64, message: expect.stringContaining(why) }),
  );
});

test("a folder that is not there", () => {
  expect(() => parseMount("nothing:/data", folder)).toThrow(
    expect.objectContaining({ code: "no-such-folder", exitCode: 66 }),
  );
});

test("what is formatted is read back, without a look at the folder", () => {
  const name = fc.stringMatching(/^[a-z][a-z:. -]{0,8}$/).filter((text) => !text.endsWith("."));
  const target = fc.stringMatching(/^[a-z][a-z0-9._-]{0,8}$/);
  fc.assert(
    fc.property(name, target, fc.boolean(), (name, target, readonly) => {
      const mount = { source: `/gone/${name}`, target: `/${target}`, readonly };
      expect(readMount(formatMount(mount))).toEqual(mount);
    }),
  );
  expect(() => readMount("relative:/data")).toThrow(expect.objectContaining({ code: "bad-mount" }));
});

test("two folders in one place", () => {
  const [one, other] = [parseMount("src:/data", folder), parseMount("ro:/data:ro", folder)];
  expect(() => checkMounts([one, other])).toThrow("another folder is mounted on /data already");
  checkMounts([one, { ...other, target: "/data2" }]);
});
