import { readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { FILES_FILE, type ProgramRecord, readProgramRecord, writeProgramRecord } from "../../src/programs/record.ts";
import { CapstanError } from "../../src/support/errors.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const record: ProgramRecord = {
  programs: [
    {
      ...{ path: "/usr/bin/redis-server", launch: undefined, with: [], interpreter: undefined },
      ...{ libraryPath: [], sysroot: undefined, trim: true },
    },
    {
      ...{ path: 'bin/with "quotes" and: colons', launch: "linux", with: ["certificates", "/etc/a:/etc/b"] },
      ...{ interpreter: "/usr/bin/python3", libraryPath: ["lib"], sysroot: "/srv/other", trim: false },
    },
  ],
  files: new Map([
    [
      "/usr/lib/libz.so.1",
      { digest: "ab12", from: "/lib/libz.so.1.2", package: "zlib1g 1:1.2", why: "library, for x" },
    ],
    ["/etc/link", { digest: "-> ../x", from: undefined, package: undefined, why: "made" }],
  ]),
};

test("a list of files that is none, or has no end, is refused", async () => {
  const folder = sandbox.path("pipe");
  await writeProgramRecord(folder, record);
  const list = join(folder, FILES_FILE);
  rmSync(list);
  symlinkSync("/dev/zero", list);
  expect(() => readProgramRecord(folder)).toThrow(/is not a regular file/);
  rmSync(list);
  writeFileSync(list, "");
  truncateSync(list, 2 ** 40);
  expect(() => readProgramRecord(folder)).toThrow(/at most 64 MiB is read/);
});

test("what is written is read again", async () => {
  const folder = sandbox.path("round");
  await writeProgramRecord(folder, record);
  expect(readProgramRecord(folder)).toEqual(record);
});

test("any path, with anything in it, is read again as it was", async () => {
  const folder = sandbox.path("any");
  const word = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text));
  await fc.assert(
    fc.asyncProperty(word, fc.array(word, { maxLength: 3 }), async (path, list) => {
      const [first] = record.programs;
      const programs = first === undefined ? [] : [{ ...first, path, with: list }];
      await writeProgramRecord(folder, { programs, files: new Map() });
      expect(readProgramRecord(folder)?.programs).toEqual(programs);
    }),
    { numRuns: 60 },
  );
});

test("a folder without a record has none", () => {
  expect(readProgramRecord(sandbox.dir)).toBeUndefined();
});

describe("a list of files that somebody changed", () => {
  test.each([
    ["no JSON", "rubbish"],
    ["no object", "[1]"],
    ["a number as the path", '{"path":1,"digest":"x"}'],
    ["a path out of the project", '{"path":"/../../etc/passwd","digest":"x"}'],
    ["a relative path", '{"path":"etc/passwd","digest":"x"}'],
    ["a dot in a path", '{"path":"/a/./b","digest":"x"}'],
  ])("%s is an error with its line", async (_title, line) => {
    const folder = sandbox.path("bad");
    await writeProgramRecord(folder, record);
    const path = join(folder, "meta", "programs.files");
    writeFileSync(path, `${readFileSync(path, "utf8")}${line}\n`);
    expect(() => readProgramRecord(folder)).toThrow(CapstanError);
    expect(() => readProgramRecord(folder)).toThrow("meta/programs.files:3:1:");
  });

  test("a launch that there is not, and an unknown key, have their place", async () => {
    const folder = sandbox.path("yaml");
    sandbox.write({ "meta/programs.yaml": "programs:\n  /bin/x:\n    launch: rocket\n    colour: red\n" }, folder);
    expect(() => readProgramRecord(folder)).toThrow("meta/programs.yaml:3:13:");
  });
});
