import { mkdirSync, rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createQcow2 } from "../../src/disks/qcow2/writer.ts";
import { openRaw } from "../../src/disks/raw.ts";
import { checkVolumes, formatVolume, parseVolume, readVolume } from "../../src/instances/volume.ts";
import { temporaryFolder } from "../hypervisors/tiny-guest.ts";

const folder = temporaryFolder();
const usual = { format: "raw", aio: "threads", cache: "writeback", readonly: false } as const;

function file(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.alloc(1024));
  return path;
}
file("v.img");
file("with:colon");
file("a:readonly");

test.each([
  ["v.img", {}],
  ["v.img:aio=native", { aio: "native", cache: "none" }],
  ["v.img:aio=native:cache=directsync", { aio: "native", cache: "directsync" }],
  ["v.img:cache=none:format=raw:readonly=on", { cache: "none", readonly: true }],
  ["v.img:readonly", { readonly: true }],
  ["v.img:readonly=off", {}],
])("%s", (text, expected) => {
  expect(parseVolume(text, folder)).toEqual({ path: join(folder, "v.img"), ...usual, ...expected });
});

test("a path may be absolute, hold colons, or go through a link", () => {
  symlinkSync(join(folder, "v.img"), join(folder, "link"));
  expect(parseVolume(`${folder}/v.img`, "/").path).toBe(join(folder, "v.img"));
  expect(parseVolume("with:colon:cache=none", folder)).toMatchObject({
    path: join(folder, "with:colon"),
    cache: "none",
  });
  expect(parseVolume("link", folder).path).toBe(join(folder, "link"));
});

test("the format is told by the content", () => {
  createQcow2(join(folder, "v.qcow2"), { size: 1 << 20 }).close();
  expect(parseVolume("v.qcow2", folder).format).toBe("qcow2");
  writeFileSync(join(folder, "v.vmdk"), Buffer.concat([Buffer.from("KDMV"), Buffer.alloc(1000)]));
  expect(parseVolume("v.vmdk", folder).format).toBe("vmdk");
});

describe("a volume of the project", () => {
  const project = join(folder, "project");
  mkdirSync(join(project, "volumes"), { recursive: true });
  const at = (name: string) => join(project, "volumes", name);

  test("is found by its name, behind a file of that name beside it", () => {
    writeFileSync(at("data"), Buffer.alloc(1024));
    expect(parseVolume("data:readonly", project)).toMatchObject({ path: at("data"), readonly: true });
    expect(parseVolume("volumes/data", project).path).toBe(at("data"));
    mkdirSync(join(project, "data"));
    expect(parseVolume("data", project).path).toBe(at("data"));
    rmdirSync(join(project, "data"));
    writeFileSync(join(project, "data"), Buffer.alloc(1024));
    expect(parseVolume("data", project).path).toBe(join(project, "data"));
    expect(() => parseVolume("./other", project)).toThrow("There is no volume");
    expect(() => parseVolume("data:readonyl", project)).toThrow("Did you mean 'readonly'?");
  });

  test("has the format of its description, whatever a guest wrote to its first bytes", () => {
    createQcow2(at("evil"), { size: 1 << 20 }).close();
    writeFileSync(`${at("evil")}.yaml`, "format: raw\n");
    expect(parseVolume("evil", project).format).toBe("raw");
    expect(parseVolume("evil:format=qcow2", project).format).toBe("qcow2");
  });

  test.each([
    ["qcow2", "yaml says that it is qcow2, and its content is not"],
    ["floppy", "says that its format is 'floppy'"],
  ])("a description that does not fit: %s", (format, why) => {
    writeFileSync(at(format), Buffer.alloc(1024));
    writeFileSync(`${at(format)}.yaml`, `format: ${format}\n`);
    expect(() => parseVolume(format, project)).toThrow(
      expect.objectContaining({ code: "bad-volume", message: expect.stringContaining(why) }),
    );
    expect(parseVolume(`${format}:format=raw`, project).format).toBe("raw");
  });
});

test("a disk that names another file is not taken for one by its content alone", () => {
  writeFileSync(join(folder, "secret"), Buffer.alloc(1 << 20));
  const backing = { path: join(folder, "secret"), format: "raw", device: openRaw(join(folder, "secret")) } as const;
  createQcow2(join(folder, "upon"), { size: 1 << 20, backing }).close();
  expect(() => parseVolume("upon", folder)).toThrow("it lies upon another file");
  expect(parseVolume("upon:format=qcow2", folder).format).toBe("qcow2");
});

test("at a start all are looked at again, and none may be there twice", () => {
  const [volume, readonly] = [parseVolume("v.img", folder), parseVolume("v.img:readonly", folder)];
  checkVolumes([volume]);
  checkVolumes([readonly, readonly]);
  expect(() => checkVolumes([volume, readonly])).toThrow(expect.objectContaining({ code: "bad-volume" }));
  expect(() => checkVolumes([{ ...volume, path: join(folder, "gone") }])).toThrow(
    expect.objectContaining({ code: "no-such-volume" }),
  );
});

describe("errors", () => {
  mkdirSync(join(folder, "sub"));

  test.each([
    ["", "path is missing", "bad-volume"],
    [":format=raw", "path is missing", "bad-volume"],
    ["v.img:frmat=raw", "Did you mean 'format'?", "bad-volume"],
    ["v.img:format=qcow", "Did you mean 'qcow2'? Choose from raw, qcow2", "bad-volume"],
    ["v.img:aio=io_uring", "Choose from threads, native", "bad-volume"],
    ["v.img:cache=", "'' is no cache", "bad-volume"],
    ["v.img:readonly=maybe", "Choose from on, off", "bad-volume"],
    ["v.img:format=raw:format=raw", "set twice", "bad-volume"],
    ["v.img:aio=native:cache=writeback", "aio=native goes with", "bad-volume"],
    ["sub", "neither a file nor a block device", "bad-volume"],
    ["/dev/null", "neither a file nor a block device", "bad-volume"],
    ["nothing.img", "There is no volume", "no-such-volume"],
    ["v.img/under", "There is no volume", "no-such-volume"],
    ["v.img:raw", "There is no volume", "no-such-volume"],
    ["v.img:format=qcow2", "it is given as qcow2, and its content is not", "bad-volume"],
  ])("'%s'", (text, why, code) => {
    expect(() => parseVolume(text, folder)).toThrow(
      expect.objectContaining({
        code,
        exitCode: code === "bad-volume" ? 64 : 66,
        message: expect.stringContaining(why),
      }),
    );
  });
});

test("what is formatted is read back", () => {
  for (const text of ["v.img", "with:colon:readonly", "v.img:aio=native:cache=directsync", "v.qcow2"]) {
    const volume = parseVolume(text, folder);
    expect(parseVolume(formatVolume(volume), "/")).toEqual(volume);
    expect(readVolume(formatVolume(volume), "/")).toEqual(volume);
  }
  const gone = { path: "/gone", format: "vdi", aio: "threads", cache: "none", readonly: true } as const;
  expect(readVolume(formatVolume(gone), "/")).toEqual(gone);
});
