import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openDistribution } from "../../src/distributions/distribution.ts";
import { system } from "./spaces.ts";

const LINES = [
  ...[
    "Package: libssl3",
    "Version: 3.0",
    "Status: install ok installed",
    "",
    "/usr/lib/libssl.so.3",
    "libssl 3 libssl3",
  ],
  ...[
    "P:libssl3",
    "V:3.1",
    "F:lib",
    "R:libssl.so.3",
    "p:so:libssl.so.3=3 cmd:x=1",
    "usr/lib/libssl.so.3   libs/libssl3,x/y",
  ],
];
const line = fc.oneof(fc.constantFrom(...LINES), fc.string({ unit: "binary", maxLength: 20 }));
const text = fc.array(line, { maxLength: 12 }).map((lines) => lines.join("\n"));
const bytes = fc.oneof(
  text.map((one) => Buffer.from(one)),
  fc.uint8Array({ maxLength: 200 }).map((one) => Buffer.from(one)),
);

test("records of an image may hold anything: what they cannot tell is not told", () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(bytes, { minLength: 5, maxLength: 5 }), (isApk, [a, b, c, d, e]) => {
      const empty = Buffer.alloc(0);
      const found = openDistribution(
        system({
          "/usr/lib/libssl.so.3": "elf",
          ...(isApk
            ? { "/lib/apk/db/installed": a ?? empty, "/var/cache/apk/APKINDEX.1.tar.gz": gzipSync(b ?? empty) }
            : {
                "/var/lib/dpkg/status": a ?? empty,
                "/var/lib/dpkg/info/libssl3.list": b ?? empty,
                "/var/lib/dpkg/info/libssl3.shlibs": c ?? empty,
                "/var/lib/apt/lists/x_Packages.lz4": d ?? empty,
                "/var/lib/apt/lists/x_Contents-amd64": e ?? empty,
              }),
        }),
      );
      const owner = found?.ownerOf("/usr/lib/libssl.so.3");
      const provider = found?.providerOf("libssl.so.3");
      for (const told of [owner?.name, owner?.version, provider])
        expect(["string", "undefined"]).toContain(typeof told);
    }),
    { numRuns: 300 },
  );
});
