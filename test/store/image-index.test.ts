import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { formatImageIndex, formatLocalTime, readImageIndex } from "../../src/store/image-index.ts";
import { failureOf, temporaryFolder } from "../packages/support.ts";

function read(text: string) {
  const path = join(temporaryFolder(), "index.yaml");
  writeFileSync(path, text);
  return readImageIndex(path);
}

test("an index of nothing is written as the original writes it", () => {
  expect(formatImageIndex({ created: "2026-11-20 09:11" })).toBe(
    'format_version: "1"\nversion: ""\ncreated: 2026-11-20 09:11\ndescription: ""\nbuild: ""\n',
  );
});

test.each([
  {
    version: "0.10",
    created: "2026-11-20 09:11",
    description: "OSv kernel: 'x' # y",
    build: 'make -j8 && echo "done"',
    platform: "Ubuntu-14.04",
  },
  {
    version: "1e5",
    created: "2019-09-16T07:52:38-04:00",
    description: "ä\n  two lines ",
    build: undefined,
    platform: undefined,
  },
  { version: "yes", created: undefined, description: "- ", build: "null", platform: "~" },
])("D22: what is written is read back as it was: %j", (meta) => {
  expect(read(formatImageIndex(meta))).toEqual(meta);
});

test("the index of OSv's scripts is understood", () => {
  const meta = read(
    "description: OSv Bootloader\nformat_version: 1\nversion: c601abb\ncreated: 2017-07-12 10:31\nplatform: Ubuntu-14.04\nnew_key: [1]\n",
  );
  expect(meta).toEqual({
    description: "OSv Bootloader",
    version: "c601abb",
    created: "2017-07-12 10:31",
    platform: "Ubuntu-14.04",
  });
});

test("no index is one without anything; a broken one is an error with its place", async () => {
  expect(readImageIndex(join(temporaryFolder(), "index.yaml"))).toEqual({});
  expect((await failureOf(() => read("version: [1"))).message).toMatch(/index\.yaml:1:/);
  expect((await failureOf(() => read("version: {a: b}\n"))).message).toMatch(/index\.yaml:1:10/);
});

describe("the time of now", () => {
  test("is local, to the minute", () => {
    expect(formatLocalTime(new Date(2026, 0, 2, 3, 4, 59))).toBe("2026-01-02 03:04");
  });

  test("is what date(1) says", () => {
    const now = new Date();
    const said = execFileSync("date", ["-d", `@${Math.floor(now.getTime() / 1000)}`, "+%Y-%m-%d %H:%M"], {
      encoding: "utf8",
    });
    expect(formatLocalTime(now)).toBe(said.trim());
  });
});
