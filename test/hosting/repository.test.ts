import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { additionOf, addToRepository } from "../../src/hosting/add-to-repository.ts";
import { checkRepository } from "../../src/hosting/check-repository.ts";
import { indexRepository } from "../../src/hosting/index-repository.ts";
import { initRepository } from "../../src/hosting/repository.ts";
import { createKey, signRepository } from "../../src/hosting/sign-repository.ts";
import { parseIndex } from "../../src/remotes/index/parse.ts";
import { failureOf, manifestOf, temporaryFolder, testContext, writeFiles } from "../packages/support.ts";
import { bootableDisk, filesBelow } from "../store/support.ts";
import { sha256 } from "../support/sandbox.ts";
import { emptyRepository, makePackage } from "./support.ts";

const ELF = Buffer.concat([Buffer.from("\x7fELF", "latin1"), Buffer.alloc(100)]);

function visible(dir: string): string[] {
  return filesBelow(dir).filter((path) => !path.startsWith(".capstan/"));
}

function indexOf(dir: string) {
  const path = join(dir, "index.json");
  return parseIndex(readFileSync(path), path);
}

describe("repo init", () => {
  test("makes an empty repository, and leaves one that is there", async () => {
    const dir = join(temporaryFolder(), "new", "repo");
    const context = testContext("/");
    expect(await initRepository(dir, context)).toEqual({ dir, created: true });
    expect(indexOf(dir)).toEqual({
      generated: "2026-11-20T09:11:00Z".replace("09", String(context.now().getUTCHours()).padStart(2, "0")),
      packages: [],
      images: [],
    });
    const before = readFileSync(join(dir, "index.json"));
    expect(await initRepository(dir, testContext("/", { now: () => new Date(0) }))).toEqual({ dir, created: false });
    expect(readFileSync(join(dir, "index.json"))).toEqual(before);
  });

  test("takes a folder in the original's layout, and no other that has something in it", async () => {
    const { dir, context } = emptyRepository();
    writeFiles(dir, { "mike/osv-loader/osv-loader.qemu": bootableDisk() });
    expect((await initRepository(dir, context)).created).toBe(true);
    const other = temporaryFolder();
    writeFiles(other, { "letters/to-mother.txt": "Dear" });
    expect((await failureOf(() => initRepository(other, context))).code).toBe("folder-not-empty");
    expect(readdirSync(other)).toEqual(["letters"]);
  });
});

describe("repo add", () => {
  test("puts packages with their manifests, and the index knows them by size and digest", async () => {
    const { dir, context } = emptyRepository();
    const files = [await makePackage("b", { require: ["a"] }), await makePackage("a", { version: "2.1" })];
    const { added } = await addToRepository(
      dir,
      files.map((file) => additionOf(file)),
      {},
      context,
    );
    expect(added.map(({ name, version, path, changed }) => [name, version, path, changed])).toEqual([
      ["b", "1.0", "packages/b.mpm", true],
      ["a", "2.1", "packages/a.mpm", true],
    ]);
    expect(visible(dir)).toEqual([
      "index.json",
      "packages/a.mpm",
      "packages/a.yaml",
      "packages/b.mpm",
      "packages/b.yaml",
    ]);
    const [a, b] = indexOf(dir).packages;
    expect(a).toMatchObject({ name: "a", version: "2.1", title: "The a", author: "Somebody", require: [] });
    expect(b?.require).toEqual(["a"]);
    for (const file of [a?.archive, a?.manifest, b?.archive, b?.manifest]) {
      const path = join(dir, file?.path ?? "");
      expect([file?.size, file?.sha256]).toEqual([statSync(path).size, sha256(path)]);
    }
  });

  test("the same again changes nothing; another content of the same version is refused until it is allowed", async () => {
    const { dir, context } = emptyRepository();
    const add = (file: string, replace = false) => addToRepository(dir, [additionOf(file)], { replace }, context);
    const first = await makePackage("a");
    await add(first);
    expect(await add(first)).toMatchObject({ added: [{ changed: false }], index: { changed: false } });
    const other = await makePackage("a", { files: { "new.txt": "1" } });
    const error = await failureOf(() => add(other));
    expect([error.code, error.message]).toEqual(["repository-has-other", "The repository has another package 'a' 1.0"]);
    expect(sha256(join(dir, "packages/a.mpm"))).toBe(sha256(first));
    expect(visible(dir)).toEqual(["index.json", "packages/a.mpm", "packages/a.yaml"]);
    await add(other, true);
    expect(sha256(join(dir, "packages/a.mpm"))).toBe(sha256(other));
    expect(indexOf(dir).packages[0]?.archive.sha256).toBe(sha256(other));
  });

  test.each([
    ["upwards", ["1.9", "1.10", "2.0"]],
    ["downwards", ["2.0", "1.10", "1.9"]],
    ["mixed", ["1.10", "2.0", "1.9"]],
  ])("of versions added %s the newest has the plain name, and all are kept", async (_, versions) => {
    const { dir, context } = emptyRepository();
    const packages = new Map<string, string>();
    for (const version of versions) {
      const file = await makePackage("a", { version });
      packages.set(version, sha256(file));
      await addToRepository(dir, [additionOf(file)], {}, context);
    }
    expect(indexOf(dir).packages.map(({ version, archive }) => [version, archive.path, archive.sha256])).toEqual([
      ["1.10", "packages/a@1.10.mpm", packages.get("1.10")],
      ["1.9", "packages/a@1.9.mpm", packages.get("1.9")],
      ["2.0", "packages/a.mpm", packages.get("2.0")],
    ]);
    expect((await checkRepository(dir, { keys: [] }, context)).findings).toEqual([]);
  });

  test("architectures stand beside one another under one manifest, and go aside together", async () => {
    const { dir, context } = emptyRepository();
    for (const suffix of [".x86_64", ".aarch64"]) {
      const file = await makePackage("a", { suffix, files: { [suffix]: "" } });
      await addToRepository(dir, [additionOf(file)], {}, context);
    }
    expect(indexOf(dir).packages.map(({ version, arch }) => [version, arch])).toEqual([
      ["1.0", "aarch64"],
      ["1.0", "x86_64"],
    ]);
    await addToRepository(
      dir,
      [additionOf(await makePackage("a", { version: "2.0", suffix: ".x86_64" }))],
      {},
      context,
    );
    expect(indexOf(dir).packages.map(({ version, arch }) => [version, arch])).toEqual([
      ["1.0", "aarch64"],
      ["1.0", "x86_64"],
      ["2.0", "x86_64"],
    ]);
  });

  test("compresses an image under the name that the original asks for", async () => {
    const { dir, context } = emptyRepository();
    const folder = temporaryFolder();
    const disk = bootableDisk(8192, "loader");
    writeFiles(folder, { "loader.img": disk, "loader.img.gz": gzipSync(disk), "loader.elf": ELF });
    const meta = { version: "0.57.0", description: "A loader" };
    const image = {
      kind: "image",
      name: "mike/osv-loader",
      disk: join(folder, "loader.img"),
      kernel: join(folder, "loader.elf"),
      meta,
    } as const;
    await addToRepository(dir, [image], {}, context);
    expect(visible(dir)).toEqual([
      "index.json",
      "mike/osv-loader/index.yaml",
      "mike/osv-loader/osv-loader.elf",
      "mike/osv-loader/osv-loader.qemu.gz",
    ]);
    expect(gunzipSync(readFileSync(join(dir, "mike/osv-loader/osv-loader.qemu.gz")))).toEqual(disk);
    expect(indexOf(dir).images).toMatchObject([
      {
        name: "mike/osv-loader",
        version: "0.57.0",
        description: "A loader",
        created: context.now().toISOString().slice(0, 16).replace("T", " "),
        disk: { gzip: true },
        kernel: { gzip: false },
      },
    ]);
    const compressed = { ...image, disk: join(folder, "loader.img.gz") };
    expect((await addToRepository(dir, [compressed], {}, context)).added[0]?.changed).toBe(false);
    const newer = { ...image, disk: join(folder, "loader.img"), meta: { version: "0.58.0" } };
    await addToRepository(dir, [newer], {}, context);
    expect(indexOf(dir).images.map(({ name, version, disk: file }) => [name, version, file.path])).toEqual([
      ["mike/osv-loader", "0.57.0", "mike/osv-loader@0.57.0/osv-loader.qemu.gz"],
      ["mike/osv-loader", "0.58.0", "mike/osv-loader/osv-loader.qemu.gz"],
    ]);
  });

  test.each<[string, string | Uint8Array, string]>([
    ["a.mpm", "<!doctype html><p>404", "archive-"],
    ["a.mpm", gzipSync("nothing"), "archive-"],
    ["disk.img", Buffer.alloc(4096), "image-not-bootable"],
    ["disk.img", "", "image-not-bootable"],
    ["disk.img.gz", gzipSync(bootableDisk()).subarray(0, 20), "archive-damaged"],
  ])("%s that is none leaves nothing behind (%#)", async (name, content, code) => {
    const { dir, context } = emptyRepository();
    const file = join(temporaryFolder(), name);
    writeFileSync(file, content);
    const error = await failureOf(() => addToRepository(dir, [additionOf(file)], {}, context));
    expect(error.code).toContain(code);
    expect(error.message).toContain(file);
    expect(visible(dir)).toEqual([]);
  });

  test.each([
    ["osv-loader.qemu.x86_64.gz", undefined, "osv-loader"],
    ["usr.img", undefined, "usr"],
    ["usr.img", "mike/app", "mike/app"],
    ["my.app.qcow2", undefined, "my.app"],
  ])("the image of %s and the name %s is %s", (file, name, expected) => {
    expect(additionOf(`/x/${file}`, name === undefined ? {} : { name })).toMatchObject({
      kind: "image",
      name: expected,
    });
  });
});

describe("at once", () => {
  test("eight add different packages, and none is lost", async () => {
    const { dir, context } = emptyRepository();
    const files = await Promise.all(Array.from({ length: 8 }, (_, index) => makePackage(`p${index}`)));
    await Promise.all(files.map((file) => addToRepository(dir, [additionOf(file)], {}, context)));
    await indexRepository(dir, context);
    expect(indexOf(dir).packages).toHaveLength(8);
    expect((await checkRepository(dir, { keys: [] }, context)).findings).toEqual([]);
  });

  test("two add the same version with other content: one wins, whole", async () => {
    const { dir, context } = emptyRepository();
    const files = [await makePackage("a", { files: { x: "1" } }), await makePackage("a", { files: { x: "2" } })];
    const results = await Promise.allSettled(
      files.map((file) => addToRepository(dir, [additionOf(file)], {}, context)),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const winner = files[results.findIndex(({ status }) => status === "fulfilled")] ?? "";
    expect(sha256(join(dir, "packages/a.mpm"))).toBe(sha256(winner));
    expect((await checkRepository(dir, { keys: [] }, context)).findings).toEqual([]);
  });

  test.each(["disk.img", "disk.img.gz"])("a stop while %s is copied leaves nothing", async (name) => {
    const { dir } = emptyRepository();
    const stop = new AbortController();
    const file = join(temporaryFolder(), name);
    const disk = Buffer.concat([bootableDisk(), Buffer.alloc(20 * 2 ** 20)]);
    writeFileSync(file, name.endsWith(".gz") ? gzipSync(disk) : disk);
    const adding = addToRepository(dir, [additionOf(file)], {}, testContext(dir, { signal: stop.signal }));
    setTimeout(() => stop.abort(), 1);
    expect((await failureOf(() => adding)).code).toBe("interrupted");
    expect(visible(dir)).toEqual([]);
  });
});

describe("repo index", () => {
  test("twice gives the same bytes, whatever the clock says, and the second time no package is read", async () => {
    const { dir, context } = emptyRepository();
    await addToRepository(dir, [additionOf(await makePackage("a"))], {}, context);
    const before = readFileSync(join(dir, "index.json"));
    const later = testContext(dir, { now: () => new Date("2030-01-01") });
    expect(await indexRepository(dir, later)).toMatchObject({ changed: false, packages: 1 });
    expect(readFileSync(join(dir, "index.json"))).toEqual(before);
    expect(later.events).toEqual([]);
  });

  test("in another folder and with another clock, SOURCE_DATE_EPOCH gives the same bytes", async () => {
    const file = await makePackage("a");
    const texts = await Promise.all(
      ["2020-01-01", "2030-01-01"].map(async (time) => {
        const { dir } = emptyRepository();
        const context = testContext(dir, { now: () => new Date(time), env: { SOURCE_DATE_EPOCH: "1700000000" } });
        await addToRepository(dir, [additionOf(file)], {}, context);
        return readFileSync(join(dir, "index.json"), "utf8");
      }),
    );
    expect(texts[0]).toBe(texts[1]);
    expect(texts[0]).toContain('"generated": "2023-11-14T22:13:20Z"');
  });

  test("a file that changes under the same name and size is read again", async () => {
    const { dir, context } = emptyRepository();
    writeFiles(dir, { "packages/a.mpm": "one", "packages/a.yaml": manifestOf("a") });
    await indexRepository(dir, context);
    writeFileSync(join(dir, "packages/a.mpm"), "two");
    utimesSync(join(dir, "packages/a.mpm"), 1, 1);
    expect((await indexRepository(dir, context)).changed).toBe(true);
    expect(indexOf(dir).packages[0]?.archive.sha256).toBe(sha256(join(dir, "packages/a.mpm")));
  });

  test("takes the original's layout as it is, and tells what it leaves out", async () => {
    const { dir, context } = emptyRepository();
    const secret = join(temporaryFolder(), "secret.mpm");
    writeFileSync(secret, "secret");
    writeFiles(dir, {
      "packages/good.mpm": "x",
      "packages/good.yaml": manifestOf("good", "version: 0.10\nsha256: new key\n"),
      "packages/alone.mpm": "x",
      "packages/orphan.yaml": manifestOf("orphan"),
      "packages/broken.mpm": "x",
      "packages/broken.yaml": "name: [",
      "packages/twice.mpm": "x",
      "packages/twice.yaml": manifestOf("good", "version: 0.10\n"),
      "packages/link.yaml": manifestOf("link"),
      "packages/.hidden.mpm.1-00000000.part": "x",
      "osv-loader/osv-loader.qemu": bootableDisk(),
      "osv-loader/osv-loader.qemu.gz": gzipSync(bootableDisk()),
      "mike/app/app.qemu": bootableDisk(),
      "mike/app/app.vbox": "x",
      "mike/empty/index.yaml": "version: 1\n",
      "capstan/v0.3/linux_amd64/capstan": "x",
    });
    symlinkSync(secret, join(dir, "packages/link.mpm"));
    const { problems } = await indexRepository(dir, context);
    expect(indexOf(dir).packages.map(({ name, version }) => [name, version])).toEqual([["good", "0.10"]]);
    expect(indexOf(dir).images.map(({ name, disk }) => [name, disk.path])).toEqual([
      ["mike/app", "mike/app/app.qemu"],
      ["osv-loader", "osv-loader/osv-loader.qemu.gz"],
    ]);
    expect(problems.map(({ code, path }) => [code, path])).toEqual([
      ["outside", "packages/link.mpm"],
      ["unpaired", "packages/link.yaml"],
      ["unpaired", "packages/orphan.yaml"],
      ["unpaired", "packages/alone.mpm"],
      ["bad-manifest", "packages/broken.yaml"],
      ["repeated", "packages/twice.mpm"],
    ]);
    expect(problems.every(({ problem }) => !problem.includes(dir))).toBe(true);
  });

  test("files of releases and of OSv's scripts have an architecture; the link to one of them is none of its own", async () => {
    const { dir, context } = emptyRepository();
    writeFiles(dir, {
      "packages/osv.zfs.mpm.x86_64": "x",
      "packages/osv.zfs.mpm.aarch64": "y",
      "packages/osv.zfs.yaml": manifestOf("osv.zfs"),
      "osv-loader/osv-loader.qemu.x86_64": bootableDisk(),
      "osv-loader/osv-loader.elf.x86_64": ELF,
      "osv-loader/index.yaml": 'format_version: "1"\nversion: "0.57.0"\ndescription: Loader\n',
    });
    symlinkSync("osv.zfs.mpm.x86_64", join(dir, "packages/osv.zfs.mpm"));
    symlinkSync("osv-loader.qemu.x86_64", join(dir, "osv-loader/osv-loader.qemu"));
    expect((await indexRepository(dir, context)).problems).toEqual([]);
    const { packages, images } = indexOf(dir);
    expect(packages.map(({ name, arch }) => [name, arch])).toEqual([
      ["osv.zfs", "aarch64"],
      ["osv.zfs", "x86_64"],
    ]);
    expect(images).toMatchObject([
      { name: "osv-loader", arch: "x86_64", kernel: { path: "osv-loader/osv-loader.elf.x86_64" } },
    ]);
  });

  test("a folder that is not there is told", async () => {
    const error = await failureOf(() => indexRepository("nowhere", testContext("/")));
    expect([error.code, error.hint]).toEqual([
      "no-such-repository",
      "Make a repository with 'capstan repo init nowhere'.",
    ]);
  });
});

describe("repo sign", () => {
  test("signs, keeps the signature while nothing changes, and removes it when it would not fit", async () => {
    const { dir, context } = emptyRepository();
    await addToRepository(dir, [additionOf(await makePackage("a"))], {}, context);
    const key = join(temporaryFolder(), "key.pem");
    const { publicKey } = createKey(key, context);
    expect(statSync(key).mode & 0o777).toBe(0o600);
    const signed = await signRepository(dir, key, context);
    expect(signed.publicKey).toBe(publicKey);
    expect((await checkRepository(dir, { keys: [publicKey] }, context)).findings).toEqual([]);
    expect((await indexRepository(dir, context)).signature).toBe("kept");
    await addToRepository(dir, [additionOf(await makePackage("b"))], {}, context);
    expect(existsSync(join(dir, "index.json.sig"))).toBe(false);
    expect((await checkRepository(dir, { keys: [publicKey] }, context)).findings).toMatchObject([
      { code: "bad-signature", path: "index.json.sig", problem: "the index is not signed" },
    ]);
  });

  test("a key is never written over, and none that lies in the repository is used", async () => {
    const { dir, context } = emptyRepository();
    await initRepository(dir, context);
    const { path } = createKey("key.pem", context);
    expect((await failureOf(() => createKey("key.pem", context))).code).toBe("key-exists");
    expect((await failureOf(() => signRepository(dir, path, context))).code).toBe("key-in-repository");
  });
});

describe("repo check", () => {
  async function repositoryOf(...packages: readonly Parameters<typeof makePackage>[]) {
    const { dir, context } = emptyRepository();
    const files = await Promise.all(packages.map((one) => makePackage(...one)));
    await addToRepository(
      dir,
      files.map((file) => additionOf(file)),
      {},
      context,
    );
    const check = async (keys: readonly string[] = []) =>
      (await checkRepository(dir, { keys }, context)).findings.map(({ code, path, problem }) => [code, path, problem]);
    return { dir, context, check };
  }

  test("finds what is required and not there, near names told", async () => {
    const { check } = await repositoryOf(["hello", { require: ["osv.bootstap"] }], ["osv.bootstrap"]);
    expect(await check()).toEqual([
      [
        "dangling-require",
        "packages/hello.yaml",
        "it requires osv.bootstap, which is not here; did it mean osv.bootstrap?",
      ],
    ]);
  });

  test("finds what the index says differently", async () => {
    const { dir, check } = await repositoryOf(["a"], ["b"], ["c"]);
    const other = await makePackage("a", { files: { x: "y" } });
    writeFiles(dir, {
      "packages/a.mpm": readFileSync(other),
      "packages/d.mpm": readFileSync(await makePackage("d")),
      "packages/d.yaml": manifestOf("d", 'version: "1.0"\n'),
    });
    mkdirSync(join(dir, "aside"));
    for (const file of ["b.mpm", "b.yaml"]) writeFileSync(join(dir, "packages", file), "");
    expect(await check()).toEqual([
      ["stale-index", "index.json", "package a 1.0 is not what it says"],
      ["stale-index", "index.json", "package d 1.0 is not in it"],
      ["stale-index", "index.json", "package b 1.0 is in it, and not here"],
      ["bad-manifest", "packages/b.yaml", expect.stringContaining("packages/b.yaml")],
    ]);
  });

  test("opens each package: a damaged one, and one that is another inside", async () => {
    const { dir, context, check } = await repositoryOf(["a"], ["b"]);
    const bytes = readFileSync(join(dir, "packages/a.mpm"));
    writeFileSync(join(dir, "packages/a.mpm"), bytes.subarray(0, bytes.length - 20));
    writeFileSync(join(dir, "packages/b.yaml"), manifestOf("b", 'version: "9"\n'));
    await indexRepository(dir, context);
    expect(await check()).toEqual([
      ["unreadable-package", "packages/a.mpm", "packages/a.mpm is damaged: it is cut off"],
      ["other-manifest", "packages/b.mpm", "it is b 1.0 inside, and b 9 by the manifest beside it"],
    ]);
  });

  test.each([
    ["bad-index", "<html>"],
    ["bad-index", '{"schema": 7}'],
  ])("finds %s (%#)", async (code, text) => {
    const { dir, context } = emptyRepository();
    writeFileSync(join(dir, "index.json"), text);
    expect((await checkRepository(dir, { keys: [] }, context)).findings).toMatchObject([{ code, path: "index.json" }]);
  });

  test("a folder of the original's layout needs no index, unless it has to be signed", async () => {
    const { dir, context } = await repositoryOf(["a"]);
    rmSync(join(dir, "index.json"));
    const check = async (keys: readonly string[]) => (await checkRepository(dir, { keys }, context)).findings;
    expect(await check([])).toMatchObject([{ severity: "warning", code: "no-index" }]);
    const key = `ed25519:${Buffer.alloc(32).toString("base64")}`;
    expect(await check([key])).toMatchObject([{ severity: "error", code: "no-index" }]);
  });
});
