import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  generateKeys,
  parsePublicKey,
  publicKeyOfPem,
  signatureProblem,
  signIndex,
} from "../../../src/remotes/index/signature.ts";
import { failureOf, temporaryFolder } from "../../packages/support.ts";
import { describeUnless, lacksProgram } from "../../support/machine.ts";

const BYTES = Buffer.from('{"schema": 1}');

/** RFC 8032, 7.1, test 2: the secret key as PKCS #8, the public key, and the signature of the byte 0x72. */
const RFC = {
  pem: pkcs8("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
  publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
  signature:
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
};

function pkcs8(secret: string): string {
  const der = Buffer.from(`302e020100300506032b657004220420${secret}`, "hex").toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`;
}

test("keys and signatures are those of RFC 8032", () => {
  const key = publicKeyOfPem(RFC.pem, "key.pem");
  expect(key.bytes.toString("hex")).toBe(RFC.publicKey);
  expect(key.text).toBe(`ed25519:${Buffer.from(RFC.publicKey, "hex").toString("base64")}`);
  const [label, id, signature = ""] = signIndex(Buffer.from([0x72]), RFC.pem, "key.pem")
    .trim()
    .split(" ");
  expect([label, id]).toEqual(["capstan-ed25519", key.id]);
  expect(Buffer.from(signature, "base64").toString("hex")).toBe(RFC.signature);
});

test("a new key signs, and its text is enough to verify", () => {
  const { pem, publicKey } = generateKeys();
  const signature = Buffer.from(signIndex(BYTES, pem, "key.pem"));
  expect(
    signatureProblem(BYTES, signature, [generateKeys().publicKey, parsePublicKey(publicKey.text)]),
  ).toBeUndefined();
  expect(parsePublicKey(` ${publicKey.text.slice("ed25519:".length)}\n`)).toEqual(publicKey);
});

describe("signatures that do not hold", () => {
  const { pem, publicKey } = generateKeys();
  const sound = signIndex(BYTES, pem, "key.pem");
  const flipped = sound.replace(/ ([A-Za-z0-9+/])([^ ]*)$/, (_, first, rest) => ` ${first === "A" ? "B" : "A"}${rest}`);

  test.each([
    ["of other bytes", Buffer.from("{}"), sound, /does not fit/],
    ["with a bit turned", BYTES, flipped, /does not fit/],
    ["of another key", BYTES, signIndex(BYTES, generateKeys().pem, ""), /is not trusted/],
    [
      "of another key under the id of ours",
      BYTES,
      signIndex(BYTES, generateKeys().pem, "").replace(/ [0-9a-f]{16} /, ` ${publicKey.id} `),
      /does not fit/,
    ],
    ["empty", BYTES, "", /damaged/],
    ["cut off", BYTES, sound.slice(0, 60), /damaged/],
    ["with more behind it", BYTES, `${sound}${sound}`, /damaged/],
    ["of another kind", BYTES, sound.replace("ed25519", "rsa"), /damaged/],
    ["a page of a proxy", BYTES, "<!doctype html>", /damaged/],
    ["very long", BYTES, "x".repeat(100_000), /damaged/],
  ])("%s", (_, bytes, signature, problem) => {
    expect(signatureProblem(bytes, Buffer.from(signature), [publicKey])).toMatch(problem);
  });
});

test.each(["", "ed25519:", "ed25519:AAAA", `rsa:${"A".repeat(43)}=`, "A".repeat(44), "../key"])(
  "%j is not a public key",
  async (text) => {
    expect((await failureOf(() => parsePublicKey(text))).code).toBe("bad-key");
  },
);

test.each([
  ["no key", "hello"],
  [
    "an X25519 key",
    pkcs8("00".repeat(32)).replace(
      /\n.*\n/,
      `\n${Buffer.from(`302e020100300506032b656e04220420${"11".repeat(32)}`, "hex").toString("base64")}\n`,
    ),
  ],
])("%s is not a private key, and its text is not told", async (_, pem) => {
  const error = await failureOf(() => signIndex(BYTES, pem, "key.pem"));
  expect(error.code).toBe("bad-key");
  expect(error.message).toContain("key.pem is not a private Ed25519 key");
});

describeUnless(lacksProgram("openssl"))("openssl", () => {
  test("makes keys that sign, and verifies what is signed", () => {
    const folder = temporaryFolder();
    const [pem, pub, data, raw] = ["key.pem", "pub.pem", "index.json", "sig"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
      string,
    ];
    execFileSync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", pem]);
    execFileSync("openssl", ["pkey", "-in", pem, "-pubout", "-out", pub]);
    writeFileSync(data, BYTES);
    const signature = signIndex(BYTES, readFileSync(pem, "utf8"), pem).trim().split(" ").at(-1) ?? "";
    writeFileSync(raw, Buffer.from(signature, "base64"));
    const verify = ["pkeyutl", "-verify", "-pubin", "-inkey", pub, "-rawin", "-in", data, "-sigfile", raw];
    expect(execFileSync("openssl", verify, { encoding: "utf8" })).toContain("Verified Successfully");
  });
});
