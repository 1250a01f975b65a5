import { describe, expect, test } from "vitest";
import {
  createdNow,
  createdTime,
  DEFAULT_MANIFEST,
  formatCreated,
  formatManifest,
  parseManifest,
} from "../../src/project/manifest.ts";
import { failureOf, problemsOf } from "./failure.ts";

const name = "meta/package.yaml";
const parse = (text: string) => parseManifest(text, { name });
const foreign = (text: string) => parseManifest(text, { name, foreign: true });
const REQUIRED = "name: demo\ntitle: Demo\nauthor: me\n";

describe("reading", () => {
  test("all fields", () => {
    const text = `${REQUIRED}version: 0.10\nrequire:\n- osv.cli\n- node-4.4.5\nbinary:\n  app: /app.so\ncreated: "2019-09-16T07:52:38-04:00"\nplatform: Ubuntu-14.04\n`;
    expect(parse(text)).toEqual({
      name: "demo",
      title: "Demo",
      author: "me",
      version: "0.10",
      require: ["osv.cli", "node-4.4.5"],
      binary: new Map([["app", "/app.so"]]),
      created: "2019-09-16T07:52:38-04:00",
      platform: "Ubuntu-14.04",
    });
  });

  test("the required fields alone", () => {
    expect(parse(REQUIRED)).toEqual({ name: "demo", title: "Demo", author: "me", require: [], binary: new Map() });
    expect(parse(`${REQUIRED}version:\nrequire:\ncreated:\n`)).toEqual(parse(REQUIRED));
  });

  test.each(["0.10", "1234567", "5e12345", "0755", "2017-09-14", "yes", "null"])(
    "D22: version %s stays a text",
    (version) => {
      expect(parse(`${REQUIRED}version: ${version}`).version).toBe(version);
    },
  );

  test("D22: a date of creation is kept as it is written", () => {
    expect(parse(`${REQUIRED}created: 2017-09-14 18:08`).created).toBe("2017-09-14 18:08");
    expect(parse(`${REQUIRED}created: 2017-09-14T18:08:16+02:00`).created).toBe("2017-09-14T18:08:16+02:00");
    expect(parse(`${REQUIRED}created: N/A`).created).toBe("N/A");
  });

  test("missing fields are told in the order name, title, author", () => {
    expect(problemsOf(() => parse("")).map((line) => line.split(":")[3]?.trim())).toEqual([
      "'name' is missing",
      "'title' is missing",
      "'author' is missing",
    ]);
    expect(failureOf(() => parse("name:\ntitle: x\nauthor: y")).message).toContain(
      "meta/package.yaml:1:1: 'name' has no value",
    );
  });

  test.each(["a/b", "..", ".hidden", "-x", "a b", "a:b", "ä", "a\\b", "x".repeat(201)])(
    "the name %j is refused with the rule",
    (bad) => {
      const error = failureOf(() => parse(`name: '${bad}'\ntitle: x\nauthor: y`));
      expect(error.message).toMatch(/^meta\/package\.yaml:1:7: .*(letters, digits|at most 200)/);
    },
  );

  test.each(["openjdk8-zulu-compact3-with-java-beans", "python-2.7", "c++", "App", "7zip", "_x", "x".repeat(200)])(
    "the name %s is fine",
    (good) => {
      expect(parse(`name: ${good}\ntitle: x\nauthor: y`).name).toBe(good);
    },
  );

  test("required packages are names too", () => {
    expect(problemsOf(() => parse(`${REQUIRED}require: [good, ../evil, '']`))).toHaveLength(2);
  });

  test("own files: unknown keys are errors; files from elsewhere: keys of later versions are passed over", () => {
    const text = `${REQUIRED}requires: [a]\ndepends: {a: '>= 1'}\narch: x86_64\nsha256: 0123\nsize: 12\n`;
    expect(problemsOf(() => parse(text))[0]).toBe(
      "meta/package.yaml:4:1: unknown key 'requires'. Did you mean 'require'?",
    );
    expect(foreign(text)).toEqual(parse(REQUIRED));
  });

  test("a map where a text belongs is an error everywhere", () => {
    expect(failureOf(() => foreign("name: demo\ntitle: {a: b}\nauthor: me")).message).toContain(
      "'title' must be a text",
    );
    expect(failureOf(() => foreign(`${REQUIRED}binary: {a: {b: c}}`)).message).toContain("'binary.a' must be a text");
  });

  test("what stands in when there is no file", () => {
    expect(DEFAULT_MANIFEST).toMatchObject({ name: "App", title: "App", author: "Anonymous" });
  });
});

describe("writing", () => {
  test("keys in the order of the original, empty ones left out", () => {
    const manifest = {
      platform: "Ubuntu 19.04",
      created: "2019-09-16T07:52:38.5-04:00",
      binary: new Map([["app", "/app.so"]]),
      require: ["osv.cli"],
      version: "0.10",
      author: "me",
      title: "Demo: it",
      name: "demo",
    };
    expect(formatManifest(manifest)).toBe(
      'name: demo\ntitle: "Demo: it"\nauthor: me\nversion: "0.10"\nrequire:\n- osv.cli\nbinary:\n  app: /app.so\n' +
        'created: "2019-09-16T07:52:38-04:00"\nplatform: Ubuntu 19.04\n',
    );
    expect(formatManifest(parse(REQUIRED))).toBe(`${REQUIRED}created: N/A\n`);
  });

  test("what is written is read back", () => {
    const manifest = parse(
      `${REQUIRED}version: 1e5\nrequire: [a, '0.1']\nbinary: {x: yes}\ncreated: "2019-09-16T07:52:38Z"\n`,
    );
    expect(parse(formatManifest(manifest))).toEqual(manifest);
  });
});

describe("times", () => {
  test.each([
    ["2017-09-14T18:08:16+02:00", "2017-09-14 18:08", "2017-09-14T16:08:16.000Z"],
    ["2017-09-14T18:08:16.123456789+02:00", "2017-09-14 18:08", "2017-09-14T16:08:16.000Z"],
    ["2017-09-14T18:08:16Z", "2017-09-14 18:08", "2017-09-14T18:08:16.000Z"],
    ["2017-09-14 18:08", "2017-09-14 18:08", "2017-09-14T18:08:00.000Z"],
    ["2016-02-29 00:00", "2016-02-29 00:00", "2016-02-29T00:00:00.000Z"],
  ])("%s is shown in the zone it was written in", (created, shown, time) => {
    expect(formatCreated(created)).toBe(shown);
    expect(new Date(createdTime(created) ?? 0).toISOString()).toBe(time);
  });

  test.each([
    undefined,
    "",
    "N/A",
    "2017-09-14",
    "2017-09-14T18:08:16",
    "2017-13-14 18:08",
    "2017-02-29 00:00",
    "2017-09-14 24:00",
    "2017-09-14T18:08:16+99:99",
    "yesterday",
  ])("%s is unknown", (created) => {
    expect(formatCreated(created)).toBe("N/A");
    expect(createdTime(created)).toBeUndefined();
  });

  test("now is local time with its zone in whole seconds", () => {
    const now = new Date("2026-11-20T10:11:12.345Z");
    const created = createdNow(now);
    expect(created).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/);
    expect(createdTime(created)).toBe(Date.parse("2026-11-20T10:11:12Z"));
  });
});
