import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { additionOf, addToRepository } from "../../src/hosting/add-to-repository.ts";
import { bucketTarget } from "../../src/hosting/publish/bucket-target.ts";
import { publish } from "../../src/hosting/publish/publish.ts";
import { createKey, signRepository } from "../../src/hosting/sign-repository.ts";
import { parseIndex } from "../../src/remotes/index/parse.ts";
import { indexRemote } from "../../src/remotes/index/remote.ts";
import { failureOf, temporaryFolder, testContext, writeFiles } from "../packages/support.ts";
import { bootableDisk, filesBelow } from "../store/support.ts";
import { sha256 } from "../support/sandbox.ts";
import { SECRET, writableBucket } from "./s3-writable.ts";
import { emptyRepository, makePackage, offered } from "./support.ts";

async function smallRepository() {
  const { dir, context } = emptyRepository();
  const folder = temporaryFolder();
  writeFiles(folder, { "disk.img": bootableDisk() });
  const image = additionOf(join(folder, "disk.img"), { name: "mike/osv-loader" });
  await addToRepository(dir, [additionOf(await makePackage("a+b")), image], {}, context);
  return { dir, context };
}

const FILES = [
  "mike/osv-loader/index.yaml",
  "mike/osv-loader/osv-loader.qemu.gz",
  "packages/a+b.mpm",
  "packages/a+b.yaml",
];

describe("to a bucket", () => {
  async function bucketAndContext() {
    const bucket = await writableBucket();
    const context = testContext("/", { env: { ...SECRET, AWS_ENDPOINT_URL: `${bucket.url}/` } });
    return { bucket, context };
  }

  test("all files arrive with sound signatures, the index last", async () => {
    const { dir } = await smallRepository();
    writeFiles(dir, { "index.html": "page", "packages/a+b.html": "page" });
    const { bucket, context } = await bucketAndContext();
    const result = await publish(dir, "s3://bucket/some/where/", context);
    expect(bucket.problems).toEqual([]);
    expect([...bucket.put].sort()).toEqual(
      [...FILES, "index.html", "packages/a+b.html", "index.json"].map((path) => `bucket/some/where/${path}`).sort(),
    );
    expect(result.written.at(-1)).toBe("index.json");
    for (const path of FILES)
      expect(bucket.objects.get(`bucket/some/where/${path}`)).toEqual(readFileSync(join(dir, path)));
  });

  test("again only what is new goes, and what replaces comes just before the index", async () => {
    const { dir, context: local } = await smallRepository();
    const { bucket, context } = await bucketAndContext();
    await publish(dir, "s3://bucket", context);
    const { path: key } = createKey(join(temporaryFolder(), "key.pem"), local);
    const additions = [await makePackage("a+b", { version: "2.0" }), await makePackage("c")];
    await addToRepository(
      dir,
      additions.map((file) => additionOf(file)),
      {},
      local,
    );
    await signRepository(dir, key, local);
    bucket.put.length = 0;
    const { unchanged } = await publish(dir, "s3://bucket", context);
    const fresh = ["a+b@1.0.mpm", "a+b@1.0.yaml", "c.mpm", "c.yaml"];
    expect([...bucket.put.slice(0, 4)].sort()).toEqual(fresh.map((name) => `bucket/packages/${name}`));
    expect([...bucket.put.slice(4, 6)].sort()).toEqual(["bucket/packages/a+b.mpm", "bucket/packages/a+b.yaml"]);
    expect(bucket.put.slice(6)).toEqual(["bucket/index.json.sig", "bucket/index.json"]);
    expect(unchanged).toBe(2);
  });

  test("when a file cannot be written, the index of before stays", async () => {
    const { dir } = await smallRepository();
    const { bucket, context } = await bucketAndContext();
    bucket.before = (request, response) => {
      if (request.url?.endsWith(".mpm") !== true) return false;
      response.writeHead(403).end();
      return true;
    };
    expect((await failureOf(() => publish(dir, "s3://bucket", context))).code).toBe("remote-forbidden");
    expect(bucket.objects.has("bucket/index.json")).toBe(false);
  });

  test("at every moment a reader finds all that the index names", async () => {
    const { dir, context: local } = await smallRepository();
    const { bucket, context } = await bucketAndContext();
    let looked = 0;
    bucket.before = () => {
      const bytes = bucket.objects.get("bucket/index.json");
      if (bytes === undefined) return false;
      for (const { archive, manifest } of parseIndex(bytes, "index").packages) {
        for (const { path, size } of [archive, manifest])
          expect(bucket.objects.get(`bucket/${path}`)).toHaveLength(size);
      }
      looked++;
      return false;
    };
    await publish(dir, "s3://bucket", context);
    await addToRepository(dir, [additionOf(await makePackage("new"))], {}, local);
    await publish(dir, "s3://bucket", context);
    expect(looked).toBeGreaterThan(3);
  });

  test.each([
    ["s3://", {}, "bad-publish-target"],
    ["s3://Bad_Name/x", {}, "bad-publish-target"],
    ["s3://bucket/../x", {}, "bad-publish-target"],
    ["s3://bucket/a//b", {}, "bad-publish-target"],
    ["s3://bucket", { AWS_ENDPOINT_URL: "s3.example.com" }, "bad-publish-target"],
    ["s3://bucket", { AWS_REGION: "evil.example/" }, "bad-publish-target"],
    ["s3://bucket", { AWS_ACCESS_KEY_ID: "" }, "no-credentials"],
  ])("%s with %j is refused before anything is sent", async (target, env, code) => {
    const { dir } = await smallRepository();
    const context = testContext("/", { env: { ...SECRET, ...env } });
    const error = await failureOf(() => publish(dir, target, context));
    expect(error.code).toBe(code);
    expect(error.message).not.toContain(SECRET.AWS_SECRET_ACCESS_KEY);
  });
});

describe("to a folder", () => {
  test("all that is given out, and nothing of ours", async () => {
    const { dir, context } = await smallRepository();
    const target = join(temporaryFolder(), "www", "repo");
    await publish(dir, target, context);
    expect(filesBelow(target)).toEqual(["index.json", ...FILES].sort());
    expect(await publish(dir, target, context)).toMatchObject({ written: ["index.json"], unchanged: FILES.length });
    const remote = indexRemote({ name: "r", url: target, keys: [], cacheFolder: temporaryFolder() });
    expect(await offered(remote)).toEqual(["a+b 1.0", "image mike/osv-loader"]);
  });

  test("a damaged index at the target is made good", async () => {
    const { dir, context } = await smallRepository();
    const target = temporaryFolder();
    writeFileSync(join(target, "index.json"), "{");
    expect((await publish(dir, target, context)).written).toHaveLength(FILES.length + 1);
    expect(sha256(join(target, "index.json"))).toBe(sha256(join(dir, "index.json")));
  });
});

test.each<[string, (dir: string) => void, string]>([
  ["has no index", (dir) => rmSync(join(dir, "index.json")), "repository-without-index"],
  ["has an index of before", (dir) => writeFileSync(join(dir, "packages/a+b.mpm"), "new"), "repository-stale"],
  ["lacks a file", (dir) => rmSync(join(dir, "packages/a+b.yaml")), "repository-stale"],
])("a repository that %s is not published", async (_, change, code) => {
  const { dir, context } = await smallRepository();
  change(dir);
  const target = temporaryFolder();
  expect((await failureOf(() => publish(dir, target, context))).code).toBe(code);
  expect(filesBelow(target)).toEqual([]);
});

describe("a large file in parts", () => {
  const SIZES = { whole: 1000, part: 400 };
  async function upload(
    bytes: Buffer,
    prepare: (bucket: Awaited<ReturnType<typeof writableBucket>>) => void = () => {},
  ) {
    const bucket = await writableBucket();
    prepare(bucket);
    const http = { attempts: 2, sleep: async () => {} };
    const context = { ...testContext("/", { env: { ...SECRET, AWS_ENDPOINT_URL: bucket.url } }), http };
    const source = join(temporaryFolder(), "large");
    writeFileSync(source, bytes);
    const file = { path: "images/large+1.qemu", source, size: bytes.length, sha256: sha256(source) };
    const write = (changes: Partial<typeof file> = {}) =>
      bucketTarget("s3://bucket", context.env, SIZES).write({ ...file, ...changes }, context);
    return { bucket, write };
  }
  const KEY = "bucket/images/large+1.qemu";

  test.each([
    [1000, []],
    [1001, [400, 400, 201]],
    [1200, [400, 400, 400]],
  ])("%i bytes go in parts of %j", async (size, sizes) => {
    const bytes = randomBytes(size);
    const { bucket, write } = await upload(bytes);
    await write();
    expect(bucket.problems).toEqual([]);
    expect(bucket.objects.get(KEY)).toEqual(bytes);
    expect([bucket.partSizes, bucket.uploads.size]).toEqual([sizes, 0]);
  });

  test("a part that fails is sent again, alone", async () => {
    const bytes = randomBytes(1100);
    let failures = 0;
    const { bucket, write } = await upload(bytes, (one) => {
      one.before = (request, response) => {
        if (request.url?.includes("partNumber=2") !== true || failures++ > 0) return false;
        response.writeHead(503).end();
        return true;
      };
    });
    await write();
    expect(bucket.objects.get(KEY)).toEqual(bytes);
    expect(bucket.partSizes).toEqual([400, 400, 300]);
  });

  test.each([
    ["a part is refused", "partNumber=3", "remote-forbidden"],
    ["the end is refused", "POST uploadId", "remote-forbidden"],
    ["the beginning is refused", "uploads", "remote-forbidden"],
  ])("when %s, the parts are cleared away and the key is as before", async (_, refused, code) => {
    const { bucket, write } = await upload(randomBytes(1100), (one) => {
      one.objects.set(KEY, Buffer.from("before"));
      one.before = ({ method, url }, response) => {
        if (!`${method} ${url?.split("?")[1]}`.includes(refused)) return false;
        response.writeHead(403).end();
        return true;
      };
    });
    expect((await failureOf(() => write())).code).toBe(code);
    expect(bucket.objects.get(KEY)?.toString()).toBe("before");
    expect(bucket.uploads.size).toBe(0);
  });

  test("an error in an answer that says 200 is one", async () => {
    const { bucket, write } = await upload(randomBytes(1100), (one) => {
      one.before = ({ method, url }, response) => {
        if (method !== "POST" || url?.includes("uploadId") !== true) return false;
        response.writeHead(200).end("<Error><Code>InternalError</Code><Message>Please try again.</Message></Error>");
        return true;
      };
    });
    const error = await failureOf(() => write());
    expect([error.code, error.message]).toEqual([
      "upload-failed",
      "Uploading images/large+1.qemu failed: Please try again.",
    ]);
    expect(bucket.uploads.size).toBe(0);
  });

  test("a file that is not the one of the index any more is not published", async () => {
    const { bucket, write } = await upload(randomBytes(1100));
    expect((await failureOf(() => write({ sha256: "0".repeat(64) }))).code).toBe("file-changed");
    expect([bucket.objects.size, bucket.uploads.size]).toEqual([0, 0]);
  });
});
